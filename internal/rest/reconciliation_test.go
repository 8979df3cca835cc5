package rest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// reconcile stores what an answer left to find out about a notice, and what came
// of it.
func (h *house) reconcile(t *testing.T, nav positions.NoticeNumber, at time.Time, settle func(*positions.Reconciliation)) {
	t.Helper()
	must(t, h.store.RecordAnswers(t.Context(), []positions.Answer{{
		At: at, OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK", Amount: 12200, BaseAmount: 12000, NotificationFee: 200,
		Source: positions.SourceLastKnown,
	}}))
	all, err := h.store.Reconciliations(t.Context(), positions.ReconciliationFilter{OrganizationFiscalCode: ente, Page: positions.Page{Limit: 1}})
	must(t, err)
	if settle != nil {
		settle(&all[0])
		must(t, h.store.SettleReconciliation(t.Context(), &all[0]))
	}
}

// compact writes a part of an answer in one line.
func compact(t *testing.T, part any) string {
	t.Helper()
	text, err := json.Marshal(part)
	must(t, err)
	return string(text)
}

func TestReconciliation(t *testing.T) {
	h := openHouse(t).furnish(t)
	at := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	paid := func(receipt string, due money.Cents, state positions.ReconciliationState) func(*positions.Reconciliation) {
		return func(r *positions.Reconciliation) {
			r.IUPD, r.ReceiptID, r.PaidAt, r.JudgedAt, r.DueFee, r.State, r.IUN = "P-1", receipt, at.Add(time.Hour), at.Add(2*time.Hour), due, state, "ABCD-EFGH-ILMN-202611-A-1"
		}
	}
	h.reconcile(t, "301000000000000177", at, paid("rcpt-1", 1424, positions.ReconciliationUnder))
	h.reconcile(t, "302000000000000178", at.Add(time.Minute), paid("rcpt-2", 0, positions.ReconciliationOver))
	h.reconcile(t, "301000000000000278", at.Add(2*time.Minute), func(r *positions.Reconciliation) {
		r.State, r.DueFee, r.JudgedAt = positions.ReconciliationRepriced, 1424, at.Add(time.Hour)
	})
	h.reconcile(t, "302000000000000279", at.Add(3*time.Minute), nil)

	const path = base + "/reconciliation"
	for name, c := range map[string]struct {
		query, key string
		status     int
		items      []string // notices, newest first
		totals     string
	}{
		"all":                  {"", "reader", 200, []string{"302000000000000279", "301000000000000278", "302000000000000178", "301000000000000177"}, `{"count":4,"net":1024,"open":1,"overCollected":200,"repriced":1,"underCollected":1224}`},
		"a page, of the whole": {"?limit=2&page=1", "reader", 200, []string{"302000000000000178", "301000000000000177"}, `{"count":4,"net":1024,"open":1,"overCollected":200,"repriced":1,"underCollected":1224}`},
		"a state":              {"?state=OVER_COLLECTED", "reader", 200, []string{"302000000000000178"}, `{"count":1,"net":-200,"open":0,"overCollected":200,"repriced":0,"underCollected":0}`},
		"a time":               {"?from=2026-11-01T09:01:00Z&to=2026-11-01T09:03:00Z", "reader", 200, []string{"301000000000000278", "302000000000000178"}, `{"count":2,"net":-200,"open":0,"overCollected":200,"repriced":1,"underCollected":0}`},
		"a key with a code":    {"", "segregated", 200, []string{"302000000000000279", "302000000000000178"}, `{"count":2,"net":-200,"open":1,"overCollected":200,"repriced":0,"underCollected":0}`},
		"an unknown state":     {"?state=LOST", "reader", 400, nil, ""},
		"an unreadable time":   {"?from=yesterday", "reader", 400, nil, ""},
		"a page too large":     {"?limit=51", "reader", 400, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.want(t, c.status, call{method: "GET", path: path + c.query, key: c.key})
			if c.status != 200 {
				return
			}
			list := a.json(t)
			var navs []string
			for _, item := range list["reconciliations"].([]any) {
				navs = append(navs, item.(map[string]any)["nav"].(string))
			}
			if fmt.Sprint(navs) != fmt.Sprint(c.items) {
				t.Errorf("listed are %v", navs)
			}
			if got := compact(t, list["totals"]); got != c.totals {
				t.Errorf("the totals are %s", got)
			}
		})
	}
	first := h.want(t, 200, call{method: "GET", path: path + "?state=UNDER_COLLECTED", key: "reader"}).json(t)["reconciliations"].([]any)[0]
	if got, want := compact(t, first), `{"amount":12200,"answeredAt":"2026-11-01T09:00:00Z","attempts":0,"chargedFee":200,"difference":1224,"dueFee":1424,`+
		`"iun":"ABCD-EFGH-ILMN-202611-A-1","iupd":"P-1","judgedAt":"2026-11-01T11:00:00Z","nav":"301000000000000177","openedAt":"2026-11-01T09:00:00Z",`+
		`"operation":"paGetPaymentV2","paidAt":"2026-11-01T10:00:00Z","receiptId":"rcpt-1","source":"LAST_KNOWN","state":"UNDER_COLLECTED"}`; got != want {
		t.Errorf("one reads\n%s, want\n%s", got, want)
	}
	open := h.want(t, 200, call{method: "GET", path: path + "?state=OPEN", key: "reader"}).json(t)["reconciliations"].([]any)[0]
	if got, want := compact(t, open), `{"amount":12200,"answeredAt":"2026-11-01T09:03:00Z","attempts":0,"chargedFee":200,"difference":0,"nav":"302000000000000279",`+
		`"nextAttemptAt":"2026-11-01T09:03:00Z","openedAt":"2026-11-01T09:03:00Z","operation":"paGetPaymentV2","source":"LAST_KNOWN","state":"OPEN"}`; got != want {
		t.Errorf("an open one reads\n%s, want\n%s", got, want)
	}
}
