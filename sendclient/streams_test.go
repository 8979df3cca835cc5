package sendclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	streamID = "2f1c7a52-8f0f-4a2e-9f3d-3c1d5f9c2a11"
	someIUN  = "ABCD-EFGH-IJKL-202611-M-1"
)

func eventID(n int) string { return fmt.Sprintf("%038d", n) }

func callFailure(t *testing.T, err error, kind ErrorKind) *CallError {
	t.Helper()
	failure, ok := err.(*CallError)
	if !ok || failure.Kind != kind || KindOf(err) != kind {
		t.Fatalf("got %T %v, want %s", err, err, kind)
	}
	return failure
}

func TestAStreamIsCreatedForWhatChangesPrices(t *testing.T) {
	var got *http.Request
	var body []byte
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"streamId":%q,"title":"Attualizza","activationDate":"2026-11-21T12:00:00Z","whatever":1}`, streamID)
	})
	s, err := c.CreateStream(t.Context(), apiKeyOnly)
	if err != nil || s != (Stream{ID: streamID, Title: "Attualizza"}) {
		t.Fatal(s, err)
	}
	if got.Method != "POST" || got.URL.Path != "/delivery-progresses/v2.9/streams" || got.Header.Get("X-Api-Key") != "the-api-key" ||
		got.Header.Get("Authorization") != "" || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Request-Id") == "" {
		t.Fatalf("%s %s %v", got.Method, got.URL, got.Header)
	}
	var asked struct {
		Title, EventType string
		Groups           []string
		FilterValues     []string
	}
	if err := json.Unmarshal(body, &asked); err != nil || asked.Title != "Attualizza" || asked.EventType != "TIMELINE" || asked.Groups == nil ||
		strings.Join(asked.FilterValues, ",") != strings.Join(StreamCategories, ",") {
		t.Fatalf("%s, %v", body, err)
	}
}

func TestStreamsAreListedAndReadWithTheirState(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, streamID) {
			fmt.Fprintf(w, `{"streamId":%q,"title":"Attualizza","disabledDate":"2026-11-21T12:00:00Z"}`, streamID)
			return
		}
		fmt.Fprintf(w, `[{"streamId":%q,"title":"Attualizza"},{"title":"nameless"}]`, streamID)
	})
	list, err := c.Streams(t.Context(), apiKeyOnly)
	if err != nil || len(list) != 1 || list[0].ID != streamID || list[0].Title != StreamTitle {
		t.Fatal(list, err)
	}
	if s, err := c.Stream(t.Context(), apiKeyOnly, streamID); err != nil || !s.Disabled {
		t.Fatal(s, err)
	}
}

func TestWhatAStreamTells(t *testing.T) {
	letter := `{"eventId":"` + eventID(3) + `","notificationRequestId":"eA==","iun":"` + someIUN + `","newField":{},
		"element":{"category":"SEND_ANALOG_DOMICILE","ingestionTimestamp":"2026-02-03T10:00:00.123456789+01:00","details":{"recIndex":1,"analogCost":969,"physicalAddress":{"address":"VIA SEGRETA 1"}}}}`
	read := StreamEvent{ID: eventID(3), Category: "SEND_ANALOG_DOMICILE", IUN: someIUN, RecIndex: 1, IngestedAt: time.Date(2026, 2, 3, 9, 0, 0, 123456789, time.UTC)}
	for name, c := range map[string]struct {
		body, wait string
		want       Progress
	}{
		"nothing":                               {`[]`, "3000", Progress{RetryAfter: 3 * time.Second}},
		"one event, and more may come":          {`[` + letter + `]`, "0", Progress{Events: []StreamEvent{read}, LastEventID: eventID(3)}},
		"no time to wait":                       {`[]`, "", Progress{}},
		"a time to wait that is too long":       {`[]`, "3600000", Progress{RetryAfter: 10 * time.Minute}},
		"a time to wait that is none":           {`[]`, "-5", Progress{}},
		"a time beyond all numbers":             {`[]`, "99999999999999999999", Progress{}},
		"an event of no recipient":              {`[{"eventId":"` + eventID(1) + `","iun":"` + someIUN + `","element":{"category":"NOTIFICATION_CANCELLED","details":{}}}]`, "0", Progress{Events: []StreamEvent{{ID: eventID(1), Category: "NOTIFICATION_CANCELLED", IUN: someIUN, RecIndex: -1}}, LastEventID: eventID(1)}},
		"a category that nobody knows":          {`[{"eventId":"` + eventID(1) + `","iun":"` + someIUN + `","element":{"category":"NEW_THING"}}]`, "0", Progress{Events: []StreamEvent{{ID: eventID(1), Category: "NEW_THING", IUN: someIUN, RecIndex: -1}}, LastEventID: eventID(1)}},
		"an event without an IUN, then another": {`[{"eventId":"` + eventID(2) + `","element":{"category":"REQUEST_ACCEPTED"}},` + letter + `]`, "0", Progress{Events: []StreamEvent{read}, LastEventID: eventID(3), Unreadable: 1}},
		"unreadable ones last":                  {`[` + letter + `,{"eventId":"` + eventID(9) + `","iun":7},null,"x",{"eventId":"short"}]`, "0", Progress{Events: []StreamEvent{read}, LastEventID: eventID(9), Unreadable: 4}},
		"a recipient that cannot be":            {`[{"eventId":"` + eventID(1) + `","iun":"` + someIUN + `","element":{"category":"X_Y","details":{"recIndex":-1}}}]`, "0", Progress{LastEventID: eventID(1), Unreadable: 1}},
		"details that are none":                 {`[{"eventId":"` + eventID(1) + `","iun":"` + someIUN + `","element":{"category":"X_Y","details":[]}}]`, "0", Progress{LastEventID: eventID(1), Unreadable: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			cl := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.RequestURI()
				if c.wait != "" {
					w.Header().Set("retry-after", c.wait)
				}
				io.WriteString(w, c.body)
			})
			got, err := cl.Consume(t.Context(), apiKeyOnly, streamID, eventID(0))
			if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got, c.want)
			}
			if asked != "/delivery-progresses/v2.9/streams/"+streamID+"/events?lastEventId="+eventID(0) {
				t.Fatal(asked)
			}
		})
	}
}

func TestWhyAStreamCouldNotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		wait, body string
		kind       ErrorKind
		after      time.Duration
	}{
		"too early":                     {429, "1500", problem(429, "PN_STREAM_RETRY_AFTER_ERROR"), KindTooEarly, 1500 * time.Millisecond},
		"throttled by the gateway":      {429, "2", `{"message":"Too Many Requests"}`, KindThrottled, 2 * time.Second},
		"throttled for ever":            {429, "86400", `{"message":"Limit Exceeded"}`, KindThrottled, 10 * time.Minute},
		"gone":                          {404, "", problem(404, "PN_STREAM_STREAMNOTFOUND"), KindGone, 0},
		"gone, or somebody else's":      {403, "", problem(403, "PN_WEBHOOK_FORBIDDEN"), KindGone, 0},
		"a 404 of the gateway":          {404, "", `{"message":"no Route matched"}`, KindAnomaly, 0},
		"a 404 about something else":    {404, "", problem(404, "PN_GENERIC_ERROR"), KindAnomaly, 0},
		"denied":                        {403, "", `{"Message":"no"}`, KindDenied, 0},
		"too many streams":              {409, "", problem(409, "PN_WEBHOOK_MAXSTREAMSCOUNTREACHED"), KindConflict, 0},
		"a failure":                     {500, "", problem(500, "PN_GENERIC_ERROR"), KindServerError, 0},
		"a wrong request":               {400, "", problem(400, "PN_GENERIC_INVALIDPARAMETER"), KindBadRequest, 0},
		"a redirect":                    {302, "", "", KindUnreadable, 0},
		"no JSON":                       {200, "", "<html>", KindUnreadable, 0},
		"no list":                       {200, "", `{"events":[]}`, KindUnreadable, 0},
		"a list without any identifier": {200, "", `[{},{}]`, KindUnreadable, 0},
		"too much":                      {200, "", "[" + strings.Repeat(" ", 5<<20) + "]", KindUnreadable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cl := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
				if c.wait != "" {
					w.Header().Set("Retry-After", c.wait)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			_, err := cl.Consume(t.Context(), apiKeyOnly, streamID, "")
			if failure := callFailure(t, err, c.kind); failure.Status != c.status || failure.RetryAfter != c.after {
				t.Fatalf("%+v", failure)
			}
		})
	}
}

func TestTroubleWithStreamsLeavesThePriceAlone(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/delivery/v2.3/price") {
			io.WriteString(w, digital)
			return
		}
		w.WriteHeader([]int{500, 403, 429}[len(r.URL.RawQuery)%3])
	})
	for i := range 30 {
		if _, err := c.Consume(t.Context(), apiKeyOnly, streamID, strings.Repeat("1", 1+i%3)); err == nil {
			t.Fatal("no error")
		}
	}
	if _, err := c.Price(t.Context(), apiKeyOnly, org, notice); err != nil {
		t.Fatal(err)
	}
}

func TestACallIsCutByItsContextAndByABrokenConnection(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := c.Consume(ctx, apiKeyOnly, streamID, "")
	callFailure(t, err, KindCancelled)
	within(t, began, 2*time.Second)
	broken := serve(t, Config{}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = broken.Streams(t.Context(), apiKeyOnly)
	if failure := callFailure(t, err, KindTransport); strings.Contains(failure.Error(), "the-api-key") {
		t.Fatal(failure)
	}
	_, err = c.Streams(t.Context(), &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative}})
	callFailure(t, err, KindBadRequest)
}

func TestAVoucherGoesWithAKeyThatWantsOneAndIsReplacedWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vouchers := 0
		c := newClient(t, Config{
			BaseURL: "https://send.example", TokenURL: "https://pdnd.example/token", Audience: "aud",
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				switch {
				case r.URL.Path == "/token":
					vouchers++
					answer := reply(200, fmt.Sprintf(`{"access_token":"voucher-%d","token_type":"Bearer","expires_in":600}`, vouchers))
					answer.Header.Set("Content-Type", "application/json")
					return answer, nil
				case r.Header.Get("Authorization") == "Bearer voucher-1":
					return reply(403, ""), nil
				}
				return reply(200, `[]`), nil
			}),
		})
		_, err := c.Streams(t.Context(), withPDND())
		callFailure(t, err, KindDenied)
		time.Sleep(denialLasts)
		if _, err := c.Streams(t.Context(), withPDND()); err != nil || vouchers != 2 {
			t.Fatal(err, vouchers)
		}
	})
}

// SEND's gateway repeats a denial for a minute, by the key alone: more calls would
// only be more denials.
func TestARefusedCredentialIsLeftAloneByTheCallsBesideThePrice(t *testing.T) {
	calls := map[string]func(t *testing.T, c *Client) error{
		"the notices of a notification": func(t *testing.T, c *Client) error {
			_, err := c.SentNotification(t.Context(), apiKeyOnly, someIUN)
			return err
		},
		"the events of a stream": func(t *testing.T, c *Client) error {
			_, err := c.Consume(t.Context(), apiKeyOnly, streamID, "")
			return err
		},
	}
	price := func(t *testing.T, c *Client) error {
		_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
		return err
	}
	for name, ask := range calls {
		for refusal, status := range map[ErrorKind]int{KindDenied: 403, KindThrottled: 429} {
			t.Run(fmt.Sprintf("%s, %s", name, refusal), func(t *testing.T) {
				inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
					refuses := func(r *http.Request) (*http.Response, error) {
						if strings.HasPrefix(r.URL.Path, "/delivery/v2.3/price") {
							return reply(200, digital), nil
						}
						answer := reply(status, `{"message":"no"}`)
						answer.Header.Set("Retry-After", "60")
						return answer, nil
					}
					send.become(refuses)
					for i := range 100 {
						failure := callFailure(t, ask(t, c), refusal)
						if failure.Held != (i > 0) || failure.Status != status || i > 0 && failure.RetryAfter != time.Minute {
							t.Fatalf("call %d: %+v", i, failure)
						}
					}
					if n := send.requests.Load(); n != 1 {
						t.Fatalf("%d requests", n)
					}
					if err := price(t, c); err != nil {
						t.Fatalf("the price was held back: %v", err)
					}
					time.Sleep(time.Minute)
					callFailure(t, ask(t, c), refusal)
					if n := send.requests.Load(); n != 3 {
						t.Fatalf("%d requests", n)
					}
				})
			})
		}
		t.Run(name+", refused with a price", func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
				send.become(answering(403, ""))
				wantKind(t, price(t, c), KindDenied)
				if failure := callFailure(t, ask(t, c), KindDenied); !failure.Held || send.requests.Load() != 1 {
					t.Fatalf("%+v", failure)
				}
			})
		})
		t.Run(name+", which are not there", func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
				gone := answering(404, problem(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"))
				if strings.Contains(name, "stream") {
					gone = answering(403, problem(403, "PN_WEBHOOK_FORBIDDEN"))
				}
				send.become(gone)
				for range 3 {
					callFailure(t, ask(t, c), KindGone)
				}
				if n := send.requests.Load(); n != 3 {
					t.Fatalf("%d requests: what is not there says nothing of the key", n)
				}
			})
		})
	}
}

func TestOnlyTheNoticesOfASentNotificationAreKept(t *testing.T) {
	const sent = `{"iun":"` + someIUN + `","subject":"Multa a Mario Rossi","recipients":[
		{"taxId":"RSSMRA80A01H501U","denomination":"Mario Rossi","payments":[
			{"pagoPa":{"creditorTaxId":"77777777777","noticeCode":"302000100000019421","applyCost":true,"attachment":{}}},
			{"f24":{"title":"F24","applyCost":true}},
			{"pagoPa":{"creditorTaxId":"77777777777","noticeCode":"302000100000019422","applyCost":false}}]},
		{"denomination":"Luigi Verdi"},
		{"payments":[{"pagoPa":{"creditorTaxId":"88888888888","noticeCode":"302000100000019421"}}]}]}`
	var logged bytes.Buffer
	body, unknown := sent, problem(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND")
	c := serve(t, Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/delivery/v2.9/notifications/sent/"+someIUN {
			w.WriteHeader(404)
			io.WriteString(w, unknown)
			return
		}
		io.WriteString(w, body)
	})
	got, err := c.SentNotification(t.Context(), apiKeyOnly, someIUN)
	want := []NotifiedPayment{{0, "77777777777", "302000100000019421", true}, {0, "77777777777", "302000100000019422", false}, {2, "88888888888", "302000100000019421", true}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatal(got, err)
	}
	_, err = c.SentNotification(t.Context(), apiKeyOnly, "ABCD-EFGH-IJKL-202611-M-2")
	callFailure(t, err, KindGone)
	for _, unknown = range []string{"", "<html>", `{"message":"no Route matched"}`, problem(404, "PN_WEBHOOK_NOT_FOUND")} {
		_, err = c.SentNotification(t.Context(), apiKeyOnly, "ABCD-EFGH-IJKL-202611-M-2")
		callFailure(t, err, KindAnomaly)
	}
	_, err = c.SentNotification(t.Context(), apiKeyOnly, "../../price")
	callFailure(t, err, KindBadRequest)
	for _, body = range []string{
		`[]`, `{}`, strings.Replace(sent, "77777777777", "Mario Rossi", 1), strings.Replace(sent, `"302000100000019421"`, `302000100000019421`, 1), sent[:200],
	} {
		_, err := c.SentNotification(t.Context(), apiKeyOnly, someIUN)
		if failure := callFailure(t, err, KindUnreadable); strings.Contains(failure.Error(), "Rossi") || strings.Contains(failure.Error(), "RSSMRA") {
			t.Fatal(failure)
		}
	}
	if logged.Len() > 0 {
		t.Fatal(logged.String())
	}
}
