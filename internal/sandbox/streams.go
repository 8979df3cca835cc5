package sandbox

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Stream is a stream of events about one sender's notifications.
type Stream struct {
	ID              string     `json:"streamId"`
	Title           string     `json:"title"`
	EventType       string     `json:"eventType"`
	Groups          []string   `json:"groups"`
	FilterValues    []string   `json:"filterValues"`
	WaitForAccepted bool       `json:"waitForAccepted"`
	ActivationDate  time.Time  `json:"activationDate"`
	DisabledDate    *time.Time `json:"disabledDate,omitempty"`
	Version         string     `json:"version"`

	sender   string
	events   []streamEvent // not yet acknowledged
	past     []streamEvent // the last that were, for [Redeliver]
	resumeAt time.Time     // a call before is too early
}

// streamEvent is SEND's ProgressResponseElement: an element as it was when it was
// written.
type streamEvent struct {
	EventID   string        `json:"eventId"`
	RequestID string        `json:"notificationRequestId"`
	IUN       string        `json:"iun"`
	NewStatus Status        `json:"newStatus,omitempty"`
	Element   streamElement `json:"element"`
}

type streamElement struct {
	ElementID          string    `json:"elementId"`
	Timestamp          time.Time `json:"timestamp"`
	IngestionTimestamp time.Time `json:"ingestionTimestamp"`
	EventTimestamp     time.Time `json:"eventTimestamp"`
	NotificationSentAt time.Time `json:"notificationSentAt"`
	LegalFactsIDs      []string  `json:"legalFactsIds"`
	Category           Category  `json:"category"`
	Details            Details   `json:"details"`
}

const (
	maxActiveStreams = 10 // per sender, SEND's own bound
	maxStreams       = 10_000
	maxWaiting       = 10_000 // events of one stream; the oldest go first
	eventsPerCall    = 50     // as SEND documents
)

// byDefault are the categories that the placeholder DEFAULT stands for.
var byDefault = []Category{
	RequestRefused, RequestAccepted, SendDigitalDomicile, SendDigitalFeedback, DigitalSuccessWorkflow, DigitalFailureWorkflow,
	SendSimpleRegistered, SendAnalogDomicile, SendAnalogFeedback, AnalogSuccessWorkflow, AnalogFailureWorkflow, CompletelyUnreachable,
	Refinement, NotificationViewed, NotificationCancelled, RecipientDeceased,
}

var filterPattern = regexp.MustCompile(`^[A-Z_]{4,256}$`)

// tells whether an element is told by the stream.
func (st *Stream) tells(c Category) bool {
	return len(st.FilterValues) == 0 || slices.Contains(st.FilterValues, string(c)) ||
		slices.Contains(st.FilterValues, "DEFAULT") && slices.Contains(byDefault, c)
}

// publish puts a notification in the place of an older state of it, and tells the
// sender's streams what is new. Callers hold s.mu.
func (s *Sandbox) publish(n *Notification) {
	told := 0
	if old := s.notifications[n.IUN]; old != nil {
		told = len(old.Timeline)
	}
	s.notifications[n.IUN] = n
	for _, st := range s.streams {
		if st.sender != n.SenderTaxID || st.DisabledDate != nil {
			continue
		}
		for _, e := range n.Timeline[told:] {
			if st.tells(e.Category) {
				st.tell(n, e)
			}
		}
	}
}

func (st *Stream) tell(n *Notification, e Element) {
	if len(st.events) == maxWaiting {
		st.events = slices.Delete(st.events, 0, 1)
	}
	st.events = append(st.events, streamEvent{
		EventID: fmt.Sprintf("%038d", e.Sequence), RequestID: n.RequestID, IUN: n.IUN, NewStatus: e.NewStatus,
		Element: streamElement{
			ElementID: e.ElementID, Timestamp: e.EventTimestamp, IngestionTimestamp: e.IngestionTimestamp, EventTimestamp: e.EventTimestamp,
			NotificationSentAt: e.NotificationSentAt, LegalFactsIDs: e.LegalFactsIDs, Category: e.Category, Details: e.Details,
		},
	})
}

// createStream makes a stream, which tells of what happens from now on.
func (s *Sandbox) createStream(sender string, st Stream) (Stream, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	active := 0
	for _, other := range s.streams {
		if other.sender == sender && other.DisabledDate == nil {
			active++
		}
	}
	if active >= maxActiveStreams || len(s.streams) >= maxStreams {
		return Stream{}, codeTooManyStreams
	}
	st.ID, st.sender, st.Version, st.ActivationDate = uuid.NewString(), sender, "v29", s.clock().UTC()
	s.streams[st.ID] = &st
	return st, ""
}

// stream returns a sender's stream, or nil. Callers hold s.mu.
func (s *Sandbox) stream(sender, id string) *Stream {
	if st := s.streams[id]; st != nil && st.sender == sender {
		return st
	}
	return nil
}

// Streams returns the streams of a sender in order of creation, disabled ones
// included.
func (s *Sandbox) Streams(sender string) []Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Stream{}
	for _, st := range s.streams {
		if st.sender == sender {
			list = append(list, *st)
		}
	}
	slices.SortFunc(list, func(a, b Stream) int {
		return cmp.Or(a.ActivationDate.Compare(b.ActivationDate), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// changeStream lets f change a sender's stream and returns it, false for none.
func (s *Sandbox) changeStream(sender, id string, f func(*Stream)) (Stream, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stream(sender, id)
	if st == nil {
		return Stream{}, false
	}
	f(st)
	return *st, true
}

func (s *Sandbox) removeStream(sender, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream(sender, id) == nil {
		return false
	}
	delete(s.streams, id)
	return true
}

// consume returns the next events after one, which acknowledges it and those
// before, and how long to wait before the next call: nothing as long as events
// came (StreamEventsServiceImpl of pn-stream). again tells acknowledged ones too.
// A code says why there are none.
func (s *Sandbox) consume(sender, id, last string, again bool) (events []streamEvent, wait time.Duration, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stream(sender, id)
	if st == nil {
		return nil, 0, codeStreamForbidden
	}
	now := s.clock()
	if wait := st.resumeAt.Sub(now); wait > 0 {
		return nil, wait, codeTooEarly
	}
	s.settleAll(sender)
	known := 0
	for known < len(st.events) && st.events[known].EventID <= last {
		known++
	}
	st.past = append(st.past, st.events[:known]...)
	st.past = st.past[max(0, len(st.past)-eventsPerCall):]
	st.events = slices.Delete(st.events, 0, known)
	events = st.events
	if again {
		events = slices.Concat(st.past, st.events)
	}
	events = append([]streamEvent{}, events[:min(len(events), eventsPerCall)]...)
	if len(events) == 0 {
		wait = s.options.StreamPause
	}
	st.resumeAt = now.Add(wait)
	return events, wait, ""
}

// settleAll writes the refinements of a sender that fell due, which are otherwise
// written when somebody looks. Callers hold s.mu.
func (s *Sandbox) settleAll(sender string) {
	for _, iun := range s.order {
		if n := s.notifications[iun]; n != nil && n.SenderTaxID == sender {
			if _, err := s.current(iun); err != nil {
				return // it was there a line ago
			}
		}
	}
}

// milliseconds is a wait as SEND tells it, never less than what is left.
func milliseconds(d time.Duration) int64 {
	return int64(math.Ceil(float64(d) / float64(time.Millisecond)))
}
