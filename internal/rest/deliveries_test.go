package rest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/positions"
)

// wakes counts how often somebody was told that something is due.
type wakes struct{ atomic.Int64 }

func (w *wakes) Wake()        { w.Add(1) }
func (w *wakes) Retry(string) { w.Add(1) }

// park stores a receipt with its delivery and gives the delivery up.
func (h *house) park(t *testing.T, organization, receiptID string, nav positions.NoticeNumber, at time.Time) int64 {
	t.Helper()
	ctx := t.Context()
	_, err := h.store.SaveReceipt(ctx, &positions.Receipt{
		OrganizationFiscalCode: organization, CreditorFiscalCode: organization, ReceiptID: receiptID, NAV: nav, ReceivedAt: at,
		Outgoing: positions.Outgoing{Receipt: true},
	})
	must(t, err)
	q := positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: organization}
	d, err := h.store.ClaimDelivery(ctx, q, at, at.Add(time.Minute))
	must(t, err)
	d.State, d.LastStatus, d.LastError, d.EndedAt = positions.DeliveryParked, 500, "the receiver answered 500", at.Add(time.Second)
	must(t, h.store.SettleDelivery(ctx, d))
	return d.ID
}

// leaving lists what is stored of deliveries, as "kind of receipt, amount".
func (h *house) leaving(t *testing.T) (list []string) {
	t.Helper()
	deliveries, _, err := h.store.Deliveries(t.Context(), positions.DeliveryFilter{Page: positions.Page{Limit: 100}})
	must(t, err)
	for _, d := range deliveries {
		if d.State != positions.DeliveryPending || d.PaidAt.IsZero() || d.DueAt.After(h.now()) {
			t.Errorf("it does not leave at once, or nobody knows when it was paid: %+v", d)
		}
		list = append(list, fmt.Sprintf("%s of %q, %d", d.Kind, d.ReceiptID, d.Amount))
	}
	return list
}

func TestAPaymentThatIsReportedOfWhatSENDNotifiesLeavesForSEND(t *testing.T) {
	const (
		withKey    = `"send":{"apiKey":"segreto","pdnd":{"mode":"FORBIDDEN"}}`
		relay      = `,"relay":{"kind":"NATIVE","url":"https://r.example","token":"gettone"}`
		relayAlone = `"send":{"route":"RELAY","apiKey":null}` + relay
		both       = `"send":{"route":"RELAY","apiKey":"segreto"}` + relay
	)
	for _, tt := range []struct {
		name, organization string
		edits              []string
		path, body         string
		want               []string
	}{
		{"a payment with a receipt", withKey, nil, optionPath + "/pay", receipt, []string{`SEND_PAYMENT of "rt-1", 12000`}},
		{"a payment outside of pagoPA", withKey, nil, base + "/paymentoptions/paids/" + optionNAV, `{}`, []string{`SEND_PAYMENT of "", 12000`}},
		{"the same by version 2", withKey, nil, "/v2/organizations/" + ente + "/paymentoptions/paids/" + optionNAV, `{}`, []string{`SEND_PAYMENT of "", 12000`}},
		{"SEND does not notify it", withKey, []string{`"sendBound": true`, `"sendBound": false`}, optionPath + "/pay", receipt, nil},
		{"another administration notifies it", withKey, []string{`"sendBound": true`, `"sendBound": true, "senderFiscalCode": "` + other + `"`}, optionPath + "/pay", receipt, nil},
		{"there is no key for SEND", `"send":{"apiKey":null}`, nil, optionPath + "/pay", receipt, nil},
		{"SEND is not registered at all", `"officeName":"Tributi"`, nil, optionPath + "/pay", receipt, nil},
		{"the act-management system is asked in SEND's place, which cannot be told", relayAlone, nil, optionPath + "/pay", receipt, nil},
		{"it is asked, and SEND has given a key", both, nil, optionPath + "/pay", receipt, []string{`SEND_PAYMENT of "rt-1", 12000`}},
	} {
		for kind, open := range stores {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				var told wakes
				h := openHouseOn(t, open, func(c *Config) { c.Waker = &told }).furnish(t)
				organization := `{"companyName":"Comune","brokerCode":"99999999990","stations":[{"stationCode":"S_01"}],` + tt.organization + `}`
				h.want(t, 200, call{method: "PUT", path: base, key: "admin", body: organization})
				h.create(t, tt.edits...)
				pay := call{method: "POST", path: tt.path, key: "writer", body: tt.body}
				h.want(t, 200, pay)
				h.want(t, 409, pay) // and once only
				if diff := cmp.Diff(tt.want, h.leaving(t)); diff != "" {
					t.Errorf("what leaves differs (-want +got):\n%s", diff)
				}
				if n := told.Load(); n != int64(len(tt.want)) {
					t.Errorf("somebody was told %d times", n)
				}
			})
		}
	}
}

func TestDeliveries(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			var told wakes
			h := openHouseOn(t, open, func(c *Config) { c.Waker = &told }).furnish(t)
			at := h.now().Add(-time.Hour).UTC().Truncate(time.Second)
			const first, office = "301000000000000177", "302000000000000177"
			one := fmt.Sprint(h.park(t, ente, "rt-1", first, at))
			two := fmt.Sprint(h.park(t, ente, "rt-2", office, at.Add(time.Minute)))
			foreign := fmt.Sprint(h.park(t, other, "rt-3", first, at))
			h.create(t)
			h.want(t, 200, call{method: "POST", path: optionPath + "/pay", key: "writer", body: receipt})
			if n := told.Swap(0); n != 1 {
				t.Errorf("somebody was told %d times of a payment", n)
			}
			stamp := func(t time.Time) string { return t.Format(time.RFC3339) }
			list := func(query, key string) call {
				return call{method: "GET", path: base + "/deliveries" + query, key: key}
			}
			replay := func(id, key string) call {
				return call{method: "POST", path: base + "/deliveries/" + id + "/replay", key: key}
			}
			all := func(body, key string) call {
				return call{method: "POST", path: base + "/deliveries/replay", key: key, body: body}
			}
			found := func(n int) string { return fmt.Sprintf(`"items_found":%d`, n) }
			h.play(t, []scenario{
				{"all are listed", list("", "reader"), 200, []string{found(3), `"amount":12000`, `"kind":"SEND_PAYMENT"`, `"nav":"` + office + `"`}, []string{`"rt-3"`}},
				{"those of a state", list("?state=PARKED", "reader"), 200, []string{found(2), `"lastStatus":500`, `"lastError":"the receiver answered 500"`, `"endedAt"`, `"attempts":1`}, []string{`"dueAt"`, `"amount"`, `"paymentDate"`}},
				{"of a kind", list("?kind=SEND_PAYMENT", "reader"), 200, []string{found(1), `"dueAt"`, `"paymentDate"`, `"attempts":0`, `"receiptId":"rt-1"`}, []string{`"lastStatus"`, `"lastError"`, `"endedAt"`, `"lastAttemptAt"`}},
				{"of a notice", list("?nav="+office, "reader"), 200, []string{found(1), `"rt-2"`}, nil},
				{"of a receipt", list("?receiptId=rt-1&kind=RECEIPT", "reader"), 200, []string{found(1), `"id":` + one}, nil},
				{"since an instant", list("?state=PARKED&from="+stamp(at.Add(time.Second)), "reader"), 200, []string{found(1), `"rt-2"`}, nil},
				{"until an instant", list("?to="+stamp(at.Add(time.Minute)), "reader"), 200, []string{found(1), `"rt-1"`}, nil},
				{"a page of them", list("?page=1&limit=2", "reader"), 200, []string{found(1), `"total_pages":2`, `"id":` + one}, nil},
				{"an office sees its own", list("", "segregated"), 200, []string{found(1), `"rt-2"`}, nil},
				{"and not those of a notice of another", list("?nav="+first, "segregated"), 404, nil, nil},
				{"a state is one of four", list("?state=SENT", "reader"), 400, []string{`"pointer":"state"`, "PARKED"}, nil},
				{"a kind is one of two", list("?kind=MAIL", "reader"), 400, []string{`"pointer":"kind"`, "SEND_PAYMENT"}, nil},
				{"a notice number is one", list("?nav=12", "reader"), 400, []string{`"pointer":"nav"`}, nil},
				{"an instant is one", list("?from=ieri", "reader"), 400, []string{`"pointer":"from"`}, nil},
				{"a page has its size", list("?limit=51", "reader"), 400, []string{`"pointer":"limit"`}, nil},
				{"a mistyped parameter does not list everything", list("?stat=PARKED", "reader"), 400, []string{`"pointer":"stat"`, "state"}, nil},

				{"one is read", call{method: "GET", path: base + "/deliveries/" + one, key: "reader"}, 200, []string{`"state":"PARKED"`, `"createdAt":"` + stamp(at) + `"`}, nil},
				{"none of another organization", call{method: "GET", path: base + "/deliveries/" + foreign, key: "reader"}, 404, nil, []string{"rt-3"}},
				{"none of another office", call{method: "GET", path: base + "/deliveries/" + one, key: "segregated"}, 404, nil, nil},
				{"none that is not there", call{method: "GET", path: base + "/deliveries/999999", key: "reader"}, 404, nil, nil},
				{"an id is a number", call{method: "GET", path: base + "/deliveries/abc", key: "reader"}, 400, []string{`"pointer":"deliveryId"`, "whole number"}, []string{"strconv"}},

				{"a reader replays nothing", replay(one, "reader"), 403, nil, nil},
				{"not even many", all(`{}`, "reader"), 403, nil, nil},
				{"another office neither", replay(one, "segregated"), 404, nil, nil},
				{"nor another organization", replay(foreign, "writer"), 404, nil, nil},
				{"nor what is not there", replay("999999", "writer"), 404, nil, nil},
				{"a state is one of four, when many are replayed too", all(`{"state":"SENT","kind":"MAIL","from":"ieri","nav":"12"}`, "writer"), 400, []string{`"/state"`, `"/kind"`, `"/from"`, `"/nav"`}, nil},
				{"a mistyped filter does not replay everything", all(`{"sate":"ENDED"}`, "writer"), 400, []string{`"/sate"`}, nil},
				{"what nothing meets is nothing", all(`{"state":"ENDED"}`, "writer"), 200, []string{`{"replayed":0}`}, nil},
			})
			if n := told.Load(); n != 0 {
				t.Errorf("somebody was told %d times of nothing", n)
			}
			h.play(t, []scenario{
				{"one is replayed", replay(one, "writer"), 200, []string{`"state":"PENDING"`, `"attempts":0`, `"dueAt"`, `"lastStatus":500`}, []string{`"endedAt"`}},
				{"one that waits already too", replay(one, "writer"), 200, []string{`"state":"PENDING"`}, nil},
				{"of an office its own are, parked ones unless it says otherwise", all(`{}`, "segregated"), 200, []string{`{"replayed":1}`}, nil},
				{"they are parked no more", list("?state=PARKED", "reader"), 200, []string{found(0)}, nil},
				{"many are, of a time and a kind", all(`{"state":"PENDING","kind":"RECEIPT","from":"`+stamp(at)+`","to":"`+stamp(at.Add(time.Minute))+`"}`, "writer"), 200, []string{`{"replayed":1}`}, nil},
				{"those about a notice", all(`{"state":"PENDING","nav":"`+office+`"}`, "writer"), 200, []string{`{"replayed":1}`}, nil},
				{"but not those of another office", all(`{"state":"PENDING","nav":"`+first+`"}`, "segregated"), 200, []string{`{"replayed":0}`}, nil},
				{"all that wait", all(`{"state":"PENDING"}`, "writer"), 200, []string{`{"replayed":3}`}, nil},
				{"one waits anew", call{method: "GET", path: base + "/deliveries/" + two, key: "reader"}, 200, []string{`"state":"PENDING"`, `"createdAt":"` + stamp(at.Add(time.Minute)) + `"`}, nil},
			})
			if n := told.Load(); n != 6 {
				t.Errorf("somebody was told %d times of six replays", n)
			}
			theirs, _, err := h.store.Deliveries(t.Context(), positions.DeliveryFilter{OrganizationFiscalCode: other, Page: positions.Page{Limit: 10}})
			must(t, err)
			if len(theirs) != 1 || theirs[0].State != positions.DeliveryParked {
				t.Errorf("another organization's delivery is %+v", theirs)
			}
		})
	}
}

func TestMoreAreReplayedThanGoInOneTransaction(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.Timeout = time.Minute }).furnish(t)
	c := positions.Change{Action: "CREATE", At: h.now()}
	for i := range replayBatch + 5 {
		nav := positions.NoticeNumber(fmt.Sprintf("301%015d", i))
		c.Deliveries = append(c.Deliveries, positions.Delivery{Kind: positions.DeliverToSEND, OrganizationFiscalCode: ente, NAV: nav})
	}
	p := &positions.Position{OrganizationFiscalCode: ente, IUPD: "P-1", Status: positions.Draft, Lifecycle: positions.Open}
	must(t, h.store.CreatePosition(t.Context(), p, c))
	a := h.want(t, 200, call{method: "POST", path: base + "/deliveries/replay", key: "writer", body: `{"state":"PENDING"}`})
	if want := fmt.Sprintf(`{"replayed":%d}`, replayBatch+5); strings.TrimSpace(string(a.body)) != want {
		t.Errorf("%s, want %s", a.body, want)
	}
}

func TestAReceiptThatIsPushedReadsAsOneThatIsFetched(t *testing.T) {
	h := openHouse(t).furnish(t)
	r := &positions.Receipt{
		OrganizationFiscalCode: ente, CreditorFiscalCode: ente, ReceiptID: "rt-1", NAV: optionNAV, Operation: "paSendRTV2", Outcome: "OK",
		PaymentAmount: 12_500, PSPFee: 100, PSPCompanyName: "Banca <&> Città", PaymentMethod: "CP", PaymentDateTime: h.now().Truncate(time.Microsecond),
		StandIn: true, Message: []byte("<soapenv:Envelope>Luca Verdi</soapenv:Envelope>"),
	}
	_, err := h.store.SaveReceipt(t.Context(), r)
	must(t, err)
	fetched := h.want(t, 200, call{method: "GET", path: base + "/receipts/rt-1", key: "reader"}).json(t)
	text, err := ReceiptJSON(r)
	must(t, err)
	pushed := answer{body: text}.json(t)
	if diff := cmp.Diff(fetched, pushed); diff != "" {
		t.Errorf("they differ (-fetched +pushed):\n%s", diff)
	}
	if strings.Contains(string(text), "Verdi") {
		t.Errorf("pushed is %s", text)
	}
}
