package sendclient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// streamsPath is the version of the streams that tells of reworked timelines.
const streamsPath = "/delivery-progresses/v2.9/streams"

// StreamTitle is the title of the streams that this program creates, by which it
// finds them again. Two installations must not share an organization's streams.
const StreamTitle = "Attualizza"

// StreamCategories are the events that a stream of [Client.CreateStream] tells of:
// those after which a price is another, or stays what it is.
var StreamCategories = []string{
	"REQUEST_ACCEPTED", "SEND_ANALOG_DOMICILE", "SEND_SIMPLE_REGISTERED_LETTER", "REFINEMENT", "NOTIFICATION_VIEWED",
	"NOTIFICATION_CANCELLATION_REQUEST", "NOTIFICATION_CANCELLED", "PAYMENT", "NOTIFICATION_TIMELINE_REWORKED",
}

// goneStream are SEND's codes for a stream that is not there, or not this
// organization's: pn-stream forbids both alike (PnStreamServiceImpl, filterEntity),
// which says nothing of the key; the others are of its neighbours.
var goneStream = []string{"PN_WEBHOOK_FORBIDDEN", "PN_WEBHOOK_NOT_FOUND", "PN_WEBHOOK_STREAMNOTFOUND", "PN_STREAM_STREAMNOTFOUND", "PN_STREAM_NOTFOUND"}

// Stream is a stream of SEND's events about the notifications that one
// organization sent.
type Stream struct {
	ID, Title string
	// Disabled: it tells of nothing new. A list does not say so.
	Disabled bool
}

// Streams lists an organization's streams. SEND allows ten active ones.
//
// The calls of this file take at most 10 s, or as long as ctx lasts. The error, if
// any, is a [*CallError]. An earlier denial or throttling of the credential holds
// them back, be it of a price; what becomes of them never holds a price back.
func (c *Client) Streams(ctx context.Context, cred *Credential) ([]Stream, error) {
	call := platformCall{name: "list streams", route: routeStreams, method: http.MethodGet, path: streamsPath}
	_, body, err := c.platform(ctx, cred, call)
	if err != nil {
		return nil, err
	}
	var wire []wireStream
	if json.Unmarshal(body, &wire) != nil {
		return nil, call.unreadable()
	}
	streams := make([]Stream, 0, len(wire))
	for _, w := range wire {
		if s, ok := w.stream(); ok {
			streams = append(streams, s)
		}
	}
	return streams, nil
}

// Stream returns one stream, [KindGone] when there is none.
func (c *Client) Stream(ctx context.Context, cred *Credential, id string) (Stream, error) {
	return c.oneStream(ctx, cred, platformCall{name: "read stream", route: routeStreams, method: http.MethodGet, path: streamsPath + "/" + url.PathEscape(id), gone: goneStream})
}

// CreateStream creates a stream of [StreamCategories]. It tells of what happens
// from now on. [KindConflict]: the organization has too many.
func (c *Client) CreateStream(ctx context.Context, cred *Credential) (Stream, error) {
	return c.oneStream(ctx, cred, platformCall{name: "create stream", route: routeStreams, method: http.MethodPost, path: streamsPath, body: map[string]any{
		"title": StreamTitle, "eventType": "TIMELINE", "filterValues": StreamCategories, "groups": []string{},
	}})
}

func (c *Client) oneStream(ctx context.Context, cred *Credential, call platformCall) (Stream, error) {
	_, body, err := c.platform(ctx, cred, call)
	if err != nil {
		return Stream{}, err
	}
	var wire wireStream
	if json.Unmarshal(body, &wire) != nil {
		return Stream{}, call.unreadable()
	}
	s, ok := wire.stream()
	if !ok {
		return Stream{}, call.unreadable()
	}
	return s, nil
}

// wireStream is SEND's StreamListElement or StreamMetadataResponse.
type wireStream struct {
	StreamID     string  `json:"streamId"`
	Title        string  `json:"title"`
	DisabledDate *string `json:"disabledDate"`
}

func (w wireStream) stream() (Stream, bool) {
	id := iun(w.StreamID) // the same characters and length will do
	return Stream{ID: id, Title: w.Title, Disabled: w.DisabledDate != nil}, id != ""
}

// StreamEvent is one event of a stream, without what it tells of persons and
// addresses.
type StreamEvent struct {
	ID       string // 38 digits; later ones are greater
	Category string // as SEND writes it, known here or not
	IUN      string
	// RecIndex is the recipient concerned, from 0; -1: the whole notification.
	RecIndex   int
	IngestedAt time.Time // by SEND's clock; zero: it did not say
}

// Progress is what a stream had to tell.
type Progress struct {
	Events []StreamEvent
	// LastEventID is the last event, be it one that could not be read; empty: there
	// was none. The next call names it, and SEND forgets it then.
	LastEventID string
	Unreadable  int
	// RetryAfter is how long SEND asks to wait before the next call, 0 to 10 minutes;
	// 0: there may be more.
	RetryAfter time.Duration
}

// Consume reads the next events of a stream, some 50 at most, after the last one
// that was taken over; empty: from the beginning. SEND may tell an event again.
//
// One that cannot be read is skipped and counted. [KindTooEarly] when it is called
// before the last RetryAfter is over, [KindGone] when the stream was removed.
func (c *Client) Consume(ctx context.Context, cred *Credential, streamID, lastEventID string) (Progress, error) {
	call := platformCall{name: "read events", route: routeEvents, method: http.MethodGet, path: streamsPath + "/" + url.PathEscape(streamID) + "/events", gone: goneStream}
	if lastEventID != "" {
		call.path += "?lastEventId=" + url.QueryEscape(lastEventID)
	}
	header, body, err := c.platform(ctx, cred, call)
	if err != nil {
		return Progress{}, err
	}
	progress, ok := readEvents(body)
	if !ok {
		return Progress{}, call.unreadable()
	}
	progress.RetryAfter = pause(header)
	return progress, nil
}

func (p platformCall) unreadable() error {
	return &CallError{Call: p.name, Kind: KindUnreadable, Status: http.StatusOK, Err: errors.New("not the answer that the API describes")}
}
