package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Kind of a fault.
type Kind string

// The kinds. The first three strike before anything else is looked at, the
// others take the place of, or spoil, an answer to a request that SEND's
// gateway let through.
const (
	Latency Kind = "latency" // wait, then answer as usual
	Hang    Kind = "hang"    // no answer until the client leaves, at most 60 s
	Reset   Kind = "reset"   // TCP reset

	WithStatus   Kind = "status"        // answer with Status
	Malformed    Kind = "malformed"     // 200 with a body that is not JSON
	Truncated    Kind = "truncated"     // half of the answer, then the connection ends
	NoTotalPrice Kind = "no-totalprice" // a price without totalPrice, or without a relay's fee
	Drip         Kind = "drip"          // the answer byte by byte
	Redeliver    Kind = "redeliver"     // a stream tells the last 50 events again that were acknowledged
)

// quotaExceeded is the Code of a [WithStatus] fault with 429 that asks for the
// gateway's quota message instead of its throttling message.
const quotaExceeded = "quota"

const (
	maxWait      = time.Minute
	maxFaults    = 1_000
	dripInterval = 100 * time.Millisecond
)

// Fault makes requests go wrong.
type Fault struct {
	// ID is given by the sandbox.
	ID string `json:"id"`
	// Endpoint defaults to price.
	Endpoint Endpoint `json:"endpoint,omitempty"`
	// CreditorTaxID and NoticeCode narrow a fault of the price endpoints to a
	// creditor or a notice, CreditorTaxID one of a relay's login to an account's. The most specific fault strikes, then the oldest.
	CreditorTaxID string `json:"creditorTaxId,omitempty"`
	NoticeCode    string `json:"noticeCode,omitempty"`

	Kind Kind `json:"kind"`
	// Wait precedes a fault of any kind; it is what [Latency] is about. At
	// most 60 s.
	Wait Duration `json:"wait,omitempty"`
	// Status of [WithStatus], 400 to 599. Code makes the body a Problem with
	// this code; "quota" with 429 is the gateway's quota message. Without,
	// the body is the one that SEND's gateway or application gives.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// RetryAfter in seconds, for [WithStatus].
	RetryAfter int `json:"retryAfter,omitempty"`
	// Interval between two bytes of [Drip]; default 100ms.
	Interval Duration `json:"interval,omitempty"`
	// Requests is how many requests the fault still strikes; 0 means every
	// one until it is cleared.
	Requests int `json:"requests,omitempty"`
}

func (f Fault) early() bool { return f.Kind == Latency || f.Kind == Hang || f.Kind == Reset }

func (f Fault) aboutPrice() bool { return f.Endpoint == EndpointPrice || f.Endpoint == EndpointRelay }

func (f Fault) check() error {
	endpoints := []Endpoint{EndpointPrice, EndpointPaymentEvents, EndpointToken, EndpointRelay, EndpointRelayLogin, EndpointStreams, EndpointStreamEvents, EndpointSent}
	kinds := []Kind{Latency, Hang, Reset, WithStatus, Malformed, Truncated, NoTotalPrice, Drip, Redeliver}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return invalid("kind must be one of %v", kinds)
	case !slices.Contains(endpoints, f.Endpoint):
		return invalid("endpoint must be one of %v", endpoints)
	case f.CreditorTaxID != "" && !f.aboutPrice() && f.Endpoint != EndpointRelayLogin,
		(f.NoticeCode != "" || f.Kind == NoTotalPrice) && !f.aboutPrice():
		return invalid("creditorTaxId, noticeCode and %s belong to the endpoints %s and %s", NoTotalPrice, EndpointPrice, EndpointRelay)
	case f.Kind == Redeliver && (f.Endpoint != EndpointStreamEvents || f.Wait != 0):
		return invalid("%s belongs to the endpoint %s and takes no wait", Redeliver, EndpointStreamEvents)
	case f.Wait < 0 || f.Wait > Duration(maxWait):
		return invalid("wait must be between 0 and %s", maxWait)
	case f.Kind == Latency && f.Wait == 0:
		return invalid("latency wants a wait")
	case f.Kind == WithStatus && (f.Status < 400 || f.Status > 599):
		return invalid("status must be between 400 and 599")
	case f.Interval < 0 || f.Interval > Duration(maxWait):
		return invalid("interval must be between 0 and %s", maxWait)
	case f.RetryAfter < 0 || f.Requests < 0:
		return invalid("retryAfter and requests cannot be negative")
	}
	return nil
}

type faults struct {
	mu     sync.Mutex
	active []Fault
	last   int
}

// Inject makes requests go wrong from now on and returns the fault with its
// identifier.
func (s *Sandbox) Inject(f Fault) (Fault, error) {
	if f.Endpoint == "" {
		f.Endpoint = EndpointPrice
	}
	if f.Interval == 0 {
		f.Interval = Duration(dripInterval)
	}
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if len(s.faults.active) >= maxFaults {
		return Fault{}, fmt.Errorf("%w: it holds %d faults", ErrFull, maxFaults)
	}
	s.faults.last++
	f.ID = strconv.Itoa(s.faults.last)
	s.faults.active = append(s.faults.active, f)
	return f, nil
}

// Faults returns the active faults, the oldest first.
func (s *Sandbox) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return append([]Fault{}, s.faults.active...)
}

// ClearFault removes one fault. Requests that it already struck go on.
func (s *Sandbox) ClearFault(id string) error {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	i := slices.IndexFunc(s.faults.active, func(f Fault) bool { return f.ID == id })
	if i < 0 {
		return fmt.Errorf("fault %s: %w", id, ErrUnknown)
	}
	s.faults.active = slices.Delete(s.faults.active, i, i+1)
	return nil
}

// ClearFaults removes every fault.
func (s *Sandbox) ClearFaults() { s.faults.clear() }

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = nil
}

// strikes tells whether a fault of a kind that is no fault of the network strikes,
// and counts it down.
func (f *faults) strikes(endpoint Endpoint, kind Kind) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, x := range f.active {
		if x.Endpoint == endpoint && x.Kind == kind {
			f.countDown(i)
			return true
		}
	}
	return false
}

// countDown notes that a fault struck. Callers hold f.mu.
func (f *faults) countDown(i int) {
	if f.active[i].Requests > 0 {
		f.active[i].Requests--
		if f.active[i].Requests == 0 {
			f.active = slices.Delete(f.active, i, i+1)
		}
	}
}

// take returns the fault that strikes a request at one of the two points, and
// counts it down.
func (f *faults) take(endpoint Endpoint, key noticeKey, early bool) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	best, bestRank := -1, -1
	for i, x := range f.active {
		if x.Endpoint != endpoint || x.early() != early || x.Kind == Redeliver ||
			x.CreditorTaxID != "" && x.CreditorTaxID != key.creditor || x.NoticeCode != "" && x.NoticeCode != key.notice {
			continue
		}
		rank := 0
		if x.CreditorTaxID != "" {
			rank++
		}
		if x.NoticeCode != "" {
			rank += 2
		}
		if rank > bestRank {
			best, bestRank = i, rank
		}
	}
	if best < 0 {
		return nil
	}
	struck := f.active[best]
	f.countDown(best)
	return &struck
}

// strike lets an early fault happen and tells whether the request may go on.
func (c *call) strike(f *Fault) bool {
	if f == nil {
		return true
	}
	c.Fault = f.Kind
	c.s.requests.update(c.Entry)
	c.pause(time.Duration(f.Wait))
	switch f.Kind {
	case Hang:
		c.pause(maxWait)
		panic(http.ErrAbortHandler) // ends the connection without an answer
	case Reset:
		reset(c.w)
		return false
	}
	return c.r.Context().Err() == nil
}

// meet answers a request that the gateway let through, spoiling the answer
// when a fault says so.
func (c *call) meet(key noticeKey, respond func() answer) {
	f := c.s.faults.take(c.Endpoint, key, false)
	if f == nil {
		c.write(respond())
		return
	}
	c.Fault = f.Kind
	c.s.requests.update(c.Entry)
	c.pause(time.Duration(f.Wait))
	switch f.Kind {
	case WithStatus:
		a := statusAnswer(f.Status, f.Code, c.s.clock())
		switch c.Endpoint {
		case EndpointToken:
			a = tokenStatusAnswer(f.Status, f.Code)
		case EndpointRelay, EndpointRelayLogin:
			a = relayStatusAnswer(f.Status, f.Code)
		}
		a.retryAfter = f.RetryAfter
		c.write(a)
	case Malformed:
		c.write(answer{status: http.StatusOK, contentType: typeJSON, body: []byte(`{"iun": <html><body>proxy error</body></html>`)})
	case NoTotalPrice:
		c.write(withoutTotalPrice(respond()))
	case Truncated:
		c.truncate(respond())
	case Drip:
		c.drip(respond(), time.Duration(f.Interval))
	}
}

// pause waits, but no longer than the client or the sandbox.
func (c *call) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(min(d, maxWait))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.r.Context().Done():
	case <-c.s.closed:
	}
}

func withoutTotalPrice(a answer) answer {
	var fields map[string]json.RawMessage
	if a.status != http.StatusOK || json.Unmarshal(a.body, &fields) != nil {
		return a
	}
	for _, fee := range []string{"totalPrice", "notificationFeeCents", "speseNotifica"} {
		a.body = bytes.Replace(a.body, fmt.Appendf(nil, `"%s":%s,`, fee, fields[fee]), nil, 1)
	}
	return a
}

// truncate promises the whole body and sends half of it.
func (c *call) truncate(a answer) {
	c.Status, c.Code = a.status, a.code
	a.header(c.w)
	c.w.WriteHeader(a.status)
	c.w.Write(a.body[:len(a.body)/2])
	http.NewResponseController(c.w).Flush()
	panic(http.ErrAbortHandler)
}

// drip sends the body byte by byte, for at most 60 s in all.
func (c *call) drip(a answer, interval time.Duration) {
	c.Status, c.Code = a.status, a.code
	a.header(c.w)
	c.w.WriteHeader(a.status)
	flusher := http.NewResponseController(c.w)
	deadline := time.Now().Add(maxWait)
	for i := range a.body {
		if _, err := c.w.Write(a.body[i : i+1]); err != nil {
			return
		}
		if err := flusher.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		if time.Now().After(deadline) {
			panic(http.ErrAbortHandler)
		}
		c.pause(interval)
	}
}

// reset closes the connection so that the client's kernel sees a TCP RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2, or a recorder
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
		defer conn.Close()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // fails only on a connection already gone
	}
}
