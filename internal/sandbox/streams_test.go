package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const streams = "/delivery-progresses/v2.9/streams"

var withPlainKey = map[string]string{"X-Api-Key": plainKey, "Content-Type": "application/json"}

func (b *bench) streamOf(key, filter string) string {
	b.t.Helper()
	r := b.send("POST", streams, map[string]string{"X-Api-Key": key, "Content-Type": "application/json"},
		`{"title":"prova","eventType":"TIMELINE","groups":[],"filterValues":[`+filter+`]}`)
	var st Stream
	if err := json.Unmarshal([]byte(r.body), &st); r.status != http.StatusOK || err != nil {
		b.t.Fatal(r.status, r.body, err)
	}
	return st.ID
}

// events reads a stream and returns what it told, and how long to wait.
func (b *bench) events(stream, last string) (events []streamEvent, wait string) {
	b.t.Helper()
	path := streams + "/" + stream + "/events"
	if last != "" {
		path += "?lastEventId=" + last
	}
	r := b.send("GET", path, withPlainKey, "")
	if err := json.Unmarshal([]byte(r.body), &events); r.status != http.StatusOK || err != nil {
		b.t.Fatal(r.status, r.body, err)
	}
	return events, r.header.Get("Retry-After")
}

func categories(events []streamEvent) string {
	var names []string
	for _, e := range events {
		names = append(names, string(e.Element.Category))
	}
	return strings.Join(names, " ")
}

func TestAStreamTellsTheSenderWhatHappensFromItsCreationOn(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept})
	id := b.streamOf(plainKey, `"SEND_ANALOG_DOMICILE","NOTIFICATION_VIEWED","REFINEMENT","NOTIFICATION_TIMELINE_REWORKED","NOTIFICATION_CANCELLATION_REQUEST","NOTIFICATION_CANCELLED","PAYMENT"`)
	b.must(b.RegisterKey(APIKey{Name: "other", Value: "other-key", SenderTaxID: "80000000002", PDND: VoucherForbidden}))
	others := b.streamOf("other-key", "")
	b.do(n.IUN, Step{Event: AnalogSend, Cost: 969}, Step{Event: ElapseTime, For: Duration(5 * day)}, Step{Event: AnalogDeliver}, Step{Event: Refine}, Step{Event: Rework}, Step{Event: View})
	events, wait := b.events(id, "")
	if got := categories(events); got != "SEND_ANALOG_DOMICILE REFINEMENT NOTIFICATION_TIMELINE_REWORKED NOTIFICATION_VIEWED" || wait != "0" {
		t.Fatal(got, wait)
	}
	if e := events[0]; e.IUN != n.IUN || len(e.EventID) != 38 || *e.Element.Details.RecIndex != 0 || *e.Element.Details.AnalogCost != 969 ||
		!e.Element.IngestionTimestamp.Equal(b.clock.now) {
		t.Fatalf("%+v", e)
	}
	if again, _ := b.events(id, ""); !slices.EqualFunc(again, events, func(x, y streamEvent) bool { return x.EventID == y.EventID }) {
		t.Fatal("what is not acknowledged is told again")
	}
	if rest, _ := b.events(id, events[1].EventID); categories(rest) != "NOTIFICATION_TIMELINE_REWORKED NOTIFICATION_VIEWED" {
		t.Fatal(categories(rest))
	}
	b.do(n.IUN, Step{Event: RequestCancellation}, Step{Event: Cancel})
	if rest, _ := b.events(id, events[3].EventID); categories(rest) != "NOTIFICATION_CANCELLATION_REQUEST NOTIFICATION_CANCELLED" {
		t.Fatal(categories(rest))
	}
	if r := b.send("GET", streams+"/"+others+"/events", withPlainKey, ""); r.status != http.StatusForbidden || !strings.Contains(r.body, codeStreamForbidden) {
		t.Fatal("another sender's stream was read", r)
	}
	if r := b.send("GET", streams+"/"+others+"/events", map[string]string{"X-Api-Key": "other-key"}, ""); r.body != "[]" {
		t.Fatal("a stream told another sender's events", r.body)
	}
}

func TestARefinementIsToldWithoutAnybodyLooking(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept}, Step{Event: DigitalSend}, Step{Event: DigitalDeliver})
	id := b.streamOf(plainKey, `"REFINEMENT"`)
	if events, wait := b.events(id, ""); len(events) != 0 || wait != "250" {
		t.Fatal(events, wait)
	}
	b.clock.now = b.clock.now.Add(8 * day)
	if events, _ := b.events(id, ""); categories(events) != "REFINEMENT" {
		t.Fatal(categories(events))
	}
}

func TestAStreamTellsFiftyEventsAtATimeAndIsNotToBeReadTooEarly(t *testing.T) {
	b := newBench(t, Options{StreamPause: 1500 * time.Millisecond})
	id := b.streamOf(plainKey, `"REQUEST_ACCEPTED"`)
	for i := range 60 {
		n, err := b.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{{Payments: []Payment{{CreditorTaxID: creditor, NoticeCode: fmt.Sprintf("302%015d", i)}}}}})
		b.must(err)
		b.do(n.IUN, Step{Event: Accept})
	}
	first, wait := b.events(id, "")
	if len(first) != 50 || wait != "0" {
		t.Fatal(len(first), wait)
	}
	second, wait := b.events(id, first[49].EventID)
	if len(second) != 10 || wait != "0" || second[0].EventID <= first[49].EventID {
		t.Fatal(len(second), wait)
	}
	none, wait := b.events(id, second[9].EventID)
	if len(none) != 0 || wait != "1500" {
		t.Fatal(len(none), wait)
	}
	b.clock.now = b.clock.now.Add(time.Second)
	if r := b.send("GET", streams+"/"+id+"/events", withPlainKey, ""); r.status != 429 || r.header.Get("Retry-After") != "500" || !strings.Contains(r.body, codeTooEarly) {
		t.Fatal(r)
	}
	b.clock.now = b.clock.now.Add(500 * time.Millisecond)
	_, err := b.Inject(Fault{Endpoint: EndpointStreamEvents, Kind: Redeliver, Requests: 1})
	b.must(err)
	if again, _ := b.events(id, second[9].EventID); len(again) != 50 || again[49].EventID != second[9].EventID {
		t.Fatal("redelivered", len(again))
	}
	if none, _ := b.events(id, second[9].EventID); len(none) != 0 {
		t.Fatal("redelivered once more")
	}
}

func TestAStreamIsListedReadChangedDisabledAndRemoved(t *testing.T) {
	b := newBench(t, Options{})
	id := b.streamOf(plainKey, "")
	if r := b.send("GET", streams, withPlainKey, ""); r.status != 200 || !strings.Contains(r.body, id) {
		t.Fatal(r)
	}
	if r := b.send("PUT", streams+"/"+id, withPlainKey, `{"title":"altro","eventType":"TIMELINE","groups":[],"filterValues":["REQUEST_ACCEPTED"]}`); r.status != 200 || !strings.Contains(r.body, `"altro"`) {
		t.Fatal(r)
	}
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept})
	if r := b.send("POST", streams+"/"+id+"/action/disable", withPlainKey, ""); r.status != 200 || !strings.Contains(r.body, "disabledDate") {
		t.Fatal(r)
	}
	b.do(n.IUN, Step{Event: View})
	if events, _ := b.events(id, ""); categories(events) != "REQUEST_ACCEPTED" {
		t.Fatal("a disabled stream tells what it had, and nothing new", categories(events))
	}
	if r := b.send("GET", streams+"/"+id, withPlainKey, ""); r.status != 200 || !strings.Contains(r.body, "disabledDate") {
		t.Fatal(r)
	}
	if r := b.send("DELETE", streams+"/"+id, withPlainKey, ""); r.status != 204 {
		t.Fatal(r)
	}
	b.goneStream(id)
}

// goneStream wants a stream that is not there to be refused as SEND refuses it.
func (b *bench) goneStream(id string) {
	b.t.Helper()
	const body = `{"title":"altro","eventType":"TIMELINE","groups":[]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "", "", 404, "PN_WEBHOOK_NOT_FOUND"},
		{"GET", "/events", "", 403, "PN_WEBHOOK_FORBIDDEN"},
		{"PUT", "", body, 403, "PN_WEBHOOK_FORBIDDEN"},
		{"POST", "/action/disable", "", 403, "PN_WEBHOOK_FORBIDDEN"},
		{"DELETE", "", "", 403, "PN_WEBHOOK_FORBIDDEN"},
	} {
		if r := b.send(c.method, streams+"/"+id+c.path, withPlainKey, c.body); r.status != c.status || !strings.Contains(r.body, c.code) {
			b.t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
}

func TestASenderHasTenActiveStreamsAtMost(t *testing.T) {
	b := newBench(t, Options{})
	first := b.streamOf(plainKey, "")
	for range 9 {
		b.streamOf(plainKey, "")
	}
	const body = `{"title":"prova","eventType":"TIMELINE","groups":[]}`
	if r := b.send("POST", streams, withPlainKey, body); r.status != 409 || !strings.Contains(r.body, codeTooManyStreams) {
		t.Fatal(r)
	}
	b.send("POST", streams+"/"+first+"/action/disable", withPlainKey, "")
	if r := b.send("POST", streams, withPlainKey, body); r.status != 200 {
		t.Fatal(r)
	}
}

func TestStreamsAreRefusedAsSendRefuses(t *testing.T) {
	b := newBench(t, Options{DenialMemory: -1})
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no key":       {map[string]string{}, `{}`, 401},
		"unknown key":  {map[string]string{"X-Api-Key": "x"}, `{}`, 403},
		"no JSON":      {withPlainKey, `{`, 400},
		"no title":     {withPlainKey, `{"eventType":"TIMELINE","groups":[]}`, 400},
		"no groups":    {withPlainKey, `{"title":"x","eventType":"TIMELINE"}`, 400},
		"a bad filter": {withPlainKey, `{"title":"x","eventType":"TIMELINE","groups":[],"filterValues":["x"]}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			if r := b.send("POST", streams, c.header, c.body); r.status != c.status {
				t.Fatal(r)
			}
		})
	}
}

func TestOnlyTheSenderReadsItsNotification(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("")
	b.must(b.RegisterKey(APIKey{Name: "other", Value: "other-key", SenderTaxID: "80000000002", PDND: VoucherForbidden}))
	path := "/delivery/v2.9/notifications/sent/" + n.IUN
	if r := b.send("GET", path, withPlainKey, ""); r.status != 200 || !strings.Contains(r.body, `"pagoPa":{"creditorTaxId":"`+creditor+`","noticeCode":"`+notice+`","applyCost":true}`) {
		t.Fatal(r)
	}
	if r := b.send("GET", path, map[string]string{"X-Api-Key": "other-key"}, ""); r.status != 404 {
		t.Fatal(r)
	}
}
