package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

var asJSON = map[string]string{"Content-Type": "application/json"}

func (b *bench) control(method, path, body string, want int, into any) {
	b.t.Helper()
	r := b.send(method, "/sandbox"+path, asJSON, body)
	if r.status != want {
		b.t.Fatalf("%s %s: got %d %s, want %d", method, path, r.status, r.body, want)
	}
	if into != nil {
		b.must(json.Unmarshal([]byte(r.body), into))
	}
}

func TestALifeCycleByHTTP(t *testing.T) {
	b := newBench(t, Options{})
	body := `{"senderTaxId":"` + sender + `","script":"digital-viewed","recipients":[{"payments":[{"creditorTaxId":"` + creditor + `","noticeCode":"` + notice + `"}]}]}`
	var n Notification
	b.control("POST", "/notifications", body, 201, &n)
	b.control("POST", "/notifications", body, 409, nil)
	b.control("POST", "/notifications/"+n.IUN+"/next", "", 200, &n)
	if n.Status != StatusAccepted || len(n.Remaining) != 4 {
		t.Errorf("%+v", n)
	}
	var refusal controlError
	b.control("POST", "/notifications/"+n.IUN+"/steps", `{"event":"letter"}`, 409, &refusal)
	if len(refusal.Possible) == 0 || !strings.Contains(refusal.Error, "possible now") {
		t.Errorf("%+v", refusal)
	}
	b.control("POST", "/notifications/"+n.IUN+"/finish", "", 200, &n)
	b.control("POST", "/notifications/"+n.IUN+"/finish", "", 409, nil)
	b.control("POST", "/notifications/"+n.IUN+"/steps", `{"event":"elapse","for":"48h"}`, 200, &n)
	if p, _ := b.Price(creditor, notice); !strings.HasPrefix(p.NotificationViewDate, "2026-02-08") {
		t.Errorf("%+v", p)
	}
	var page []Notification
	b.control("GET", "/notifications?limit=1", "", 200, &page)
	if len(page) != 1 || page[0].IUN != n.IUN {
		t.Errorf("%+v", page)
	}
	b.control("GET", "/notifications?after="+n.IUN, "", 200, &page)
	if len(page) != 0 {
		t.Errorf("%+v", page)
	}
	b.control("POST", "/notifications/"+n.IUN+"/orphan", "", 200, nil)
	b.control("DELETE", "/notifications/"+n.IUN, "", 204, nil)
	b.control("GET", "/notifications/"+n.IUN, "", 404, nil)
	b.control("POST", "/notifications", body, 201, nil)
}

func TestAccessAndTrafficByHTTP(t *testing.T) {
	b := newBench(t, Options{})
	der, err := x509.MarshalPKIXPublicKey(&ourKey().PublicKey)
	b.must(err)
	client, err := json.Marshal(clientRequest{clientID, []string{purposeID}, map[string]string{
		keyID: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}})
	b.must(err)
	b.control("POST", "/clients", string(client), 204, nil)
	b.control("POST", "/clients", `{"id":"x","purposes":["p"],"keys":{"k":"no key"}}`, 422, nil)
	b.control("POST", "/api-keys", `{"name":"pdnd","value":"`+voucherKey+`","senderTaxId":"`+sender+`"}`, 204, nil)
	var token tokenResponse
	b.must(json.Unmarshal([]byte(b.token(b.assertion().form(t)).body), &token))
	if r := b.askAs(voucherKey, "Bearer "+token.AccessToken); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}
	b.control("DELETE", "/api-keys/pdnd", "", 204, nil)
	b.control("DELETE", "/api-keys/pdnd", "", 404, nil)
	b.control("DELETE", "/denials", "", 204, nil)

	var fault Fault
	b.control("POST", "/faults", `{"kind":"status","status":503,"requests":5}`, 201, &fault)
	b.control("POST", "/faults", `{"kind":"status","colour":"red"}`, 422, nil)
	if r := b.ask(creditor, notice); r.status != 503 {
		t.Errorf("%d", r.status)
	}
	b.control("DELETE", "/faults/"+fault.ID, "", 204, nil)
	b.control("DELETE", "/faults/"+fault.ID, "", 404, nil)
	b.control("DELETE", "/faults", "", 204, nil)
	b.ask(creditor, notice)
	var calls NoticeCalls
	b.control("GET", "/calls?creditorTaxId="+creditor+"&noticeCode="+notice, "", 200, &calls)
	if calls.Calls != 2 {
		t.Errorf("%+v", calls)
	}
	var all []NoticeCalls
	b.control("GET", "/calls", "", 200, &all)
	if len(all) != 2 || all[0].NoticeCode != notice {
		t.Errorf("%+v", all)
	}
	var entries []Entry
	b.control("GET", "/requests?limit=2&noticeCode="+notice, "", 200, &entries)
	if len(entries) != 2 || entries[0].Status != 503 || entries[1].Status != 200 || entries[1].KeyName != "plain" {
		t.Errorf("%+v", entries)
	}
	b.control("DELETE", "/requests", "", 204, nil)
	if b.Calls(creditor, notice) != 0 || len(b.Requests(Filter{})) != 0 {
		t.Error("the log was not cleared")
	}
	for _, path := range []string{"/scripts", "/canned", "/faults", "/api-keys", "/openapi.yaml"} {
		b.control("GET", path, "", 200, nil)
	}
	b.control("GET", "/nothing", "", 404, nil)
	b.control("GET", "/requests?limit=0", "", 422, nil)
	b.control("POST", "/reset", "", 204, nil)
	if r := b.ask(creditor, notice); r.status != 403 {
		t.Errorf("after the reset: %d", r.status)
	}
}

func TestAnotherSiteCannotUseTheControlAPI(t *testing.T) {
	b := newBench(t, Options{})
	header := map[string]string{"Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"}
	if r := b.send("POST", "/sandbox/reset", header, ""); r.status != 403 {
		t.Errorf("got %d", r.status)
	}
	if r := b.send("POST", "/sandbox/faults", map[string]string{"Content-Type": "text/plain"}, `{"kind":"hang"}`); r.status != 422 {
		t.Errorf("got %d", r.status)
	}
}

func TestPaymentEvents(t *testing.T) {
	b := newBench(t, Options{})
	b.must(b.RegisterKey(APIKey{Name: "other", Value: "other", SenderTaxID: "80000000002", PDND: VoucherForbidden}))
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept}, Step{Event: AnalogSend}, Step{Event: AnalogFail})
	event := func(notice, date, amount string) string {
		return `{"noticeCode":"` + notice + `","creditorTaxId":"` + creditor + `","paymentDate":"` + date + `","amount":` + amount + `}`
	}
	good := event(notice, "2026-02-10T09:00:00.5Z", "2557")
	for _, c := range []struct {
		name, key, events string
		status            int
		says              string
	}{
		{"not a list", plainKey, `{}`, 400, "PN_GENERIC_INVALIDPARAMETER"},
		{"not JSON", plainKey, `{`, 400, "PN_GENERIC_INVALIDPARAMETER"},
		{"no key", "", `{"events":[` + good + `]}`, 401, "Unauthorized"},
		{"an offset", plainKey, `{"events":[` + event(notice, "2026-02-10T10:00:00+01:00", "1") + `]}`, 400, "PN_GENERIC"},
		{"no such day", plainKey, `{"events":[` + event(notice, "2026-02-30T10:00:00Z", "1") + `]}`, 400, "PN_GENERIC"},
		{"an amount that is not int32", plainKey, `{"events":[` + event(notice, "2026-02-10T10:00:00Z", "3000000000") + `]}`, 400, "PN_GENERIC"},
		{"a short notice", plainKey, `{"events":[` + event("302", "2026-02-10T10:00:00Z", "1") + `]}`, 400, "PN_GENERIC"},
		{"another sender", "other", `{"events":[` + good + `]}`, 404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"},
		{"one wrong event of two", plainKey, `{"events":[` + good + `,` + event("302300000000000001", "2026-02-10T09:00:00Z", "1") + `]}`, 404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		if c.key != "" {
			header["X-Api-Key"] = c.key
		}
		r := b.send("POST", "/delivery/events/payment/pagopa", header, c.events)
		if r.status != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("%s: got %d %s", c.name, r.status, r.body)
		}
		if n, _ := b.Notification(n.IUN); n.find(PaymentReceived, 0) != nil {
			t.Fatalf("%s: recorded", c.name)
		}
	}
	for range 2 { // the second is a repetition
		r := b.send("POST", "/delivery/events/payment/pagopa", map[string]string{"X-Api-Key": plainKey, "Content-Type": "application/json"}, `{"events":[`+good+`]}`)
		if r.status != 204 || r.body != "" {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
	n, err := b.Notification(n.IUN)
	b.must(err)
	payments := 0
	for _, e := range n.Timeline {
		if e.Category == PaymentReceived {
			payments++
			if *e.Details.Amount != 2557 || !e.EventTimestamp.Equal(time.Date(2026, 2, 10, 9, 0, 0, 5e8, time.UTC)) {
				t.Errorf("%+v", e)
			}
		}
	}
	if payments != 1 {
		t.Errorf("%d payments", payments)
	}
	if _, err := b.Advance(n.IUN, Step{Event: AnalogSend}); err == nil {
		t.Error("paper left after the payment")
	}
}

func TestAnUnknownRouteIsRefusedByTheGateway(t *testing.T) {
	b := newBench(t, Options{})
	r, err := b.client.Get(b.url + "/delivery/v2.4/price/" + creditor + "/" + notice)
	b.must(err)
	defer r.Body.Close()
	if r.StatusCode != 403 {
		t.Errorf("got %d", r.StatusCode)
	}
}

func TestTheLogForgetsTheOldest(t *testing.T) {
	b := newBench(t, Options{LogSize: 3})
	for i := range 5 {
		b.ask(creditor, fmt.Sprintf("30230000000000000%d", i))
	}
	e := b.Requests(Filter{})
	if len(e) != 3 || e[0].NoticeCode != "302300000000000002" || e[2].Sequence != 5 {
		t.Errorf("%+v", e)
	}
	if b.Calls(creditor, "302300000000000000") != 1 {
		t.Error("a count was forgotten with its entry")
	}
}

func TestManyAtOnce(t *testing.T) {
	b := newBench(t, Options{Clock: time.Now})
	b.inject(Fault{Kind: WithStatus, Status: 503, Requests: 20})
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				code := fmt.Sprintf("3023000000000%02d%03d", worker, i)
				n, err := b.Notify(Request{
					SenderTaxID: sender, Script: "two-890",
					Recipients: []RecipientRequest{{Payments: []Payment{{creditor, code, nil}}}},
				})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := b.Finish(n.IUN); err != nil {
					t.Error(err)
				}
				status, _, _, err := b.raw(t.Context(), code)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
				b.Notifications("", 5)
				b.Requests(Filter{NoticeCode: code})
				if b.Calls(creditor, code) != 1 {
					t.Errorf("%s was asked %d times", code, b.Calls(creditor, code))
				}
			}
		})
	}
	wg.Wait()
	if statuses[503] != 20 || statuses[200] != 60 {
		t.Errorf("statuses %v", statuses)
	}
}
