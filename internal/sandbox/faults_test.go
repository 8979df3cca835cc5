package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// raw asks for a price and returns what the wire gave, errors included.
func (b *bench) raw(ctx context.Context, notice string) (status int, header http.Header, body string, err error) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", b.url+"/delivery/v2.3/price/"+creditor+"/"+notice, nil)
	b.must(err)
	r.Header.Set("X-Api-Key", plainKey)
	answer, err := b.client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, string(read), err
}

func (b *bench) inject(f Fault) Fault {
	b.t.Helper()
	f, err := b.Inject(f)
	b.must(err)
	return f
}

func TestAResetIsATCPReset(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: Reset, Requests: 1})
	for _, code := range []string{notice, "302970000000019421"} {
		if _, _, _, err := b.raw(t.Context(), code); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if r := b.ask(creditor, notice); r.status != 200 {
		t.Errorf("after the reset: %d", r.status)
	}
}

func TestAHangLastsUntilTheClientLeaves(t *testing.T) {
	b := newBench(t, Options{})
	for _, code := range []string{notice, "302980000000019421"} {
		f := b.inject(Fault{Kind: Hang, NoticeCode: notice})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		_, _, _, err := b.raw(ctx, code)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", code, err)
		}
		b.must(b.ClearFault(f.ID))
	}
	// The handlers notice that their client left, and say so in the log.
	deadline := time.Now().Add(5 * time.Second)
	for _, code := range []string{notice, "302980000000019421"} {
		for {
			e := b.Requests(Filter{NoticeCode: code})
			if len(e) == 1 && e[0].DurationMS >= 100 && e[0].Status == 0 && e[0].Fault == Hang {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: still hanging: %+v", code, e)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestCloseReleasesAHang(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: Hang})
	time.AfterFunc(100*time.Millisecond, b.Close)
	if _, _, _, err := b.raw(t.Context(), notice); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

func TestLatencyDelaysTheUsualAnswer(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: Latency, Wait: Duration(120 * time.Millisecond)})
	began := time.Now()
	if r := b.ask(creditor, notice); r.status != 200 || time.Since(began) < 120*time.Millisecond {
		t.Errorf("%d after %s", r.status, time.Since(began))
	}
	if e := b.Requests(Filter{}); e[0].DurationMS < 120 || e[0].Fault != Latency || e[0].Status != 200 {
		t.Errorf("%+v", e)
	}
}

func TestStatusesHaveTheBodiesOfSEND(t *testing.T) {
	b := newBench(t, Options{})
	for _, c := range []struct {
		fault Fault
		body  string
	}{
		{Fault{Status: 400}, `"title":"VALIDATION ERROR"`},
		{Fault{Status: 400, Code: "PN_GENERIC_INVALIDPARAMETER_PATTERN"}, `"title":"Handled error"`},
		{Fault{Status: 401}, `{"message":"Unauthorized"}`},
		{Fault{Status: 403}, deny},
		{Fault{Status: 404}, `"code":"PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"`},
		{Fault{Status: 404, Code: "PN_SOMETHING_ELSE"}, `"code":"PN_SOMETHING_ELSE"`},
		{Fault{Status: 429}, `{"message":"Too Many Requests"}`},
		{Fault{Status: 429, Code: "quota"}, `{"message":"Limit Exceeded"}`},
		{Fault{Status: 429, Code: "PN_GENERIC_TOO_MANY_REQUESTS"}, `"status":429`},
		{Fault{Status: 429, RetryAfter: 7}, `{"message":"Too Many Requests"}`},
		{Fault{Status: 500}, `"title":"Unexpected error"`},
		{Fault{Status: 502}, `{"message":"Internal server error"}`},
		{Fault{Status: 503}, `{"message":"Service Unavailable"}`},
		{Fault{Status: 504}, `{"message":"Endpoint request timed out"}`},
	} {
		c.fault.Kind, c.fault.Requests = WithStatus, 1
		b.inject(c.fault)
		r := b.ask(creditor, notice) // held against the contracts too
		if r.status != c.fault.Status || !strings.Contains(r.body, c.body) {
			t.Errorf("%+v: got %d %s", c.fault, r.status, r.body)
		}
		if got := r.header.Get("Retry-After"); (got == "7") != (c.fault.RetryAfter == 7) {
			t.Errorf("%+v: Retry-After %q", c.fault, got)
		}
	}
	if r := b.ask(creditor, notice); r.status != 200 {
		t.Errorf("a fault for one request struck twice: %d", r.status)
	}
}

func TestBodiesMayBeBroken(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: Malformed, Requests: 1})
	if status, _, body, err := b.raw(t.Context(), notice); status != 200 || err != nil || json.Valid([]byte(body)) {
		t.Errorf("malformed: %d %s %v", status, body, err)
	}
	b.inject(Fault{Kind: Truncated, Requests: 1})
	if status, _, body, err := b.raw(t.Context(), notice); status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
		t.Errorf("truncated: %d %q %v", status, body, err)
	}
	b.inject(Fault{Kind: NoTotalPrice, Requests: 1})
	_, _, body, err := b.raw(t.Context(), notice)
	var fields map[string]any
	if json.Unmarshal([]byte(body), &fields) != nil || err != nil || fields["totalPrice"] != nil || fields["partialPrice"] != 100.0 || len(fields) != 6 {
		t.Errorf("without total: %s %v", body, err)
	}
	b.inject(Fault{Kind: Drip, Interval: Duration(time.Millisecond), Requests: 1})
	began := time.Now()
	status, _, body, err := b.raw(t.Context(), notice)
	if status != 200 || err != nil || !json.Valid([]byte(body)) || time.Since(began) < 100*time.Millisecond {
		t.Errorf("drip: %d %s %v after %s", status, body, err, time.Since(began))
	}
}

func TestTheMostSpecificFaultStrikes(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: WithStatus, Status: 500})
	b.inject(Fault{Kind: WithStatus, Status: 502, CreditorTaxID: creditor})
	b.inject(Fault{Kind: WithStatus, Status: 503, NoticeCode: notice, Requests: 2})
	const other = "88888888888"
	for i, c := range []struct {
		creditor, notice string
		status           int
	}{
		{creditor, notice, 503},
		{creditor, "302000100000019422", 502},
		{other, "302000100000019422", 500},
		{other, notice, 503},
		{creditor, notice, 502},
	} {
		if r := b.ask(c.creditor, c.notice); r.status != c.status {
			t.Errorf("request %d: got %d, want %d", i, r.status, c.status)
		}
	}
	b.ClearFaults()
	if r := b.ask(creditor, notice); r.status != 200 {
		t.Errorf("after clearing: %d", r.status)
	}
}

func TestAFaultDoesNotHideAWrongKey(t *testing.T) {
	b := newBench(t, Options{})
	b.inject(Fault{Kind: WithStatus, Status: 500, Requests: 1})
	if r := b.askAs("nobody's", ""); r.status != 403 {
		t.Errorf("got %d", r.status)
	}
	if r := b.ask(creditor, notice); r.status != 500 {
		t.Errorf("the fault was spent on a denied request: %d", r.status)
	}
}

func TestTheTokenEndpointHasFaultsToo(t *testing.T) {
	b := newBench(t, Options{})
	b.access()
	b.inject(Fault{Endpoint: EndpointToken, Kind: WithStatus, Status: 503, Requests: 1})
	form := b.assertion().form(t)
	r, err := b.client.PostForm(b.url+"/token.oauth2", form)
	b.must(err)
	r.Body.Close()
	if r.StatusCode != 503 {
		t.Errorf("got %d", r.StatusCode)
	}
	b.inject(Fault{Endpoint: EndpointToken, Kind: Reset, Requests: 1})
	if r, err := b.client.PostForm(b.url+"/token.oauth2", form); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v %v", r, err)
	}
	if r := b.token(form); r.status != 200 { // the assertion was never looked at
		t.Errorf("got %d %s", r.status, r.body)
	}
	if e := b.Requests(Filter{Endpoint: EndpointToken}); len(e) != 3 || e[0].Fault != WithStatus || e[1].Status != 0 || e[2].ClientID != clientID {
		t.Errorf("%+v", e)
	}
}

func TestUnsoundFaultsAreRefused(t *testing.T) {
	s := New(Options{})
	for _, f := range []Fault{
		{},
		{Kind: "earthquake"},
		{Kind: Latency},
		{Kind: Latency, Wait: Duration(2 * time.Minute)},
		{Kind: WithStatus},
		{Kind: WithStatus, Status: 200},
		{Kind: Hang, Requests: -1},
		{Kind: Hang, Endpoint: "webhooks"},
		{Kind: NoTotalPrice, Endpoint: EndpointToken},
		{Kind: Hang, Endpoint: EndpointToken, NoticeCode: notice},
	} {
		if _, err := s.Inject(f); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for range maxFaults {
		if _, err := s.Inject(Fault{Kind: Hang}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Inject(Fault{Kind: Hang}); !errors.Is(err, ErrFull) {
		t.Errorf("one fault too many: %v", err)
	}
}
