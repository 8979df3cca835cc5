package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Endpoint names what was called.
type Endpoint string

// The endpoints that faults and the request log know.
const (
	EndpointPrice         Endpoint = "price"
	EndpointPaymentEvents Endpoint = "payment-events"
	EndpointToken         Endpoint = "token"
	EndpointStreams       Endpoint = "streams"       // all of them but the events
	EndpointStreamEvents  Endpoint = "stream-events" // what a stream has to tell
	EndpointSent          Endpoint = "sent-notification"
	EndpointRelay         Endpoint = "relay"       // the price, by either contract
	EndpointRelayLogin    Endpoint = "relay-login" // of the legacy contract
)

// Entry is one request as the log keeps it. It holds no key, no voucher and no
// assertion.
type Entry struct {
	Sequence      int64     `json:"sequence"`
	At            time.Time `json:"at"`
	Endpoint      Endpoint  `json:"endpoint"`
	CreditorTaxID string    `json:"creditorTaxId,omitempty"`
	NoticeCode    string    `json:"noticeCode,omitempty"`
	ClientID      string    `json:"clientId,omitempty"` // of a registered PDND client
	KeyName       string    `json:"apiKey,omitempty"`   // the key's name, not its value
	// Voucher tells whether an Authorization header came with the request.
	Voucher   bool   `json:"voucher"`
	RequestID string `json:"requestId"`
	// Traceparent is the trace that the request said it belongs to (W3C Trace Context).
	Traceparent string `json:"traceparent,omitempty"`
	// Status is 0 while the request is being answered, and stays 0 when no
	// status was ever sent (hang, reset).
	Status     int    `json:"status"`
	Code       string `json:"code,omitempty"`  // of a Problem
	Fault      Kind   `json:"fault,omitempty"` // the fault it met
	DurationMS int64  `json:"durationMs"`
}

// Filter selects entries; empty fields select all.
type Filter struct {
	Endpoint      Endpoint
	CreditorTaxID string
	NoticeCode    string
}

func (f Filter) matches(e Entry) bool {
	return (f.Endpoint == "" || f.Endpoint == e.Endpoint) &&
		(f.CreditorTaxID == "" || f.CreditorTaxID == e.CreditorTaxID) &&
		(f.NoticeCode == "" || f.NoticeCode == e.NoticeCode)
}

const maxCounted = 100_000

// requestLog remembers the last requests, and counts all those of a notice.
type requestLog struct {
	mu       sync.Mutex
	ring     []Entry // entry n is at n % len
	sequence int64
	counts   map[noticeKey]int
}

func (l *requestLog) init(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.counts = make([]Entry, size), map[noticeKey]int{}
}

func (l *requestLog) put(e Entry) Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	e.Sequence = l.sequence
	l.ring[e.Sequence%int64(len(l.ring))] = e
	return e
}

// update replaces an entry unless the ring has overwritten it.
func (l *requestLog) update(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slot := &l.ring[e.Sequence%int64(len(l.ring))]; slot.Sequence == e.Sequence {
		*slot = e
	}
}

func (l *requestLog) count(key noticeKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, counted := l.counts[key]; counted || len(l.counts) < maxCounted {
		l.counts[key]++
	}
}

// Requests returns the remembered requests that match, the oldest first.
func (s *Sandbox) Requests(f Filter) []Entry {
	l := &s.requests
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []Entry{}
	for i := max(1, l.sequence-int64(len(l.ring))+1); i <= l.sequence; i++ {
		if e := l.ring[i%int64(len(l.ring))]; e.Sequence == i && f.matches(e) {
			list = append(list, e)
		}
	}
	return list
}

// Calls returns how many price requests for a notice have arrived since the
// sandbox began or the log was cleared, refused ones included.
func (s *Sandbox) Calls(creditorTaxID, noticeCode string) int {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return s.requests.counts[noticeKey{creditorTaxID, noticeCode}]
}

// NoticeCalls is how many price requests a notice has received.
type NoticeCalls struct {
	CreditorTaxID string `json:"creditorTaxId"`
	NoticeCode    string `json:"noticeCode"`
	Calls         int    `json:"calls"`
}

// AllCalls returns the counts of every notice that was asked for, in order of
// notice. At most 100,000 notices are counted.
func (s *Sandbox) AllCalls() []NoticeCalls {
	s.requests.mu.Lock()
	counts := maps.Clone(s.requests.counts)
	s.requests.mu.Unlock()
	list := make([]NoticeCalls, 0, len(counts))
	for key, n := range counts {
		list = append(list, NoticeCalls{key.creditor, key.notice, n})
	}
	slices.SortFunc(list, func(a, b NoticeCalls) int {
		if a.CreditorTaxID+a.NoticeCode < b.CreditorTaxID+b.NoticeCode {
			return -1
		}
		return 1
	})
	return list
}

// ClearRequests empties the log and the counts.
func (s *Sandbox) ClearRequests() { s.requests.init(s.options.LogSize) }

// call is one request being answered, and its entry in the log.
type call struct {
	Entry
	s     *Sandbox
	w     http.ResponseWriter
	r     *http.Request
	began time.Time
}

// begin logs the arrival of a request. Callers defer call.end.
func (s *Sandbox) begin(w http.ResponseWriter, r *http.Request, endpoint Endpoint) *call {
	id := r.Header.Get("X-Request-Id")
	if !printable(id) {
		id = traceID(s.clock())
	}
	w.Header().Set("X-Request-Id", id)
	c := &call{s: s, w: w, r: r, began: time.Now()}
	c.Entry = s.requests.put(Entry{At: s.clock().UTC(), Endpoint: endpoint, RequestID: id, Traceparent: traceparent(r), Voucher: r.Header.Get("Authorization") != ""})
	return c
}

// about names the notice of the request, which is then counted.
func (c *call) about(key noticeKey) {
	c.CreditorTaxID, c.NoticeCode = key.creditor, key.notice
	c.s.requests.update(c.Entry)
	c.s.requests.count(key)
}

func (c *call) write(a answer) {
	c.Status, c.Code = a.status, a.code
	c.s.requests.update(c.Entry)
	a.write(c.w)
}

func (c *call) end() {
	c.DurationMS = time.Since(c.began).Milliseconds()
	c.s.requests.update(c.Entry)
}

// printable tells whether a request id may be repeated: not empty, at most 128
// printable ASCII characters.
func printable(id string) bool {
	for _, c := range []byte(id) {
		if c < '!' || c > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// traceparent is the header as it came, unless it is longer than one can be.
func traceparent(r *http.Request) string {
	if value := r.Header.Get("Traceparent"); len(value) <= 55 {
		return value
	}
	return ""
}
