package rest

import (
	"net/url"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestActivationsWithoutAReceiptAreListed(t *testing.T) {
	h := openHouse(t).furnish(t)
	const path, mine, theirs, gone = base + "/missing-receipts", "302000000000000178", "301000000000000177", "301000000000000278"
	for iupd, nav := range map[string]string{"M-1": theirs, "M-2": mine} {
		h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON(iupd, nav[1:])})
	}
	now := time.Now().UTC()
	activate := func(nav positions.NoticeNumber, ago time.Duration) {
		t.Helper()
		must(t, h.store.RecordAnswers(t.Context(), []positions.Answer{{
			At: now.Add(-ago), OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK", Amount: 12_710, BaseAmount: 12_000, NotificationFee: 710,
		}}))
	}
	activate(theirs, 3*time.Hour)
	activate(theirs, 5*time.Hour)
	activate(mine, 90*time.Minute)
	activate(gone, 49*time.Hour)
	get := func(query, key string) call { return call{method: "GET", path: path + query, key: key} }
	at := func(ago time.Duration) string { return url.QueryEscape(now.Add(-ago).Format(time.RFC3339)) }
	h.play(t, []scenario{
		{"two hours are enough unless said", get("", "reader"), 200, []string{
			`"activations":2`, `"amount":12710`, `"iupd":"M-1"`, `"nav":"` + theirs + `"`, `"status":"VALID"`, `"nav":"` + gone + `"`, `"items_found":2`,
		}, []string{mine}},
		{"an hour finds more", get("?olderThan=1h", "reader"), 200, []string{mine, `"items_found":3`}, nil},
		{"two days less", get("?olderThan=48h", "reader"), 200, []string{gone, `"items_found":1`}, []string{`"iupd"`, `"status"`}},
		{"a period narrows", get("?from="+at(4*time.Hour)+"&to="+at(2*time.Hour), "reader"), 200, []string{theirs, `"activations":1`, `"items_found":1`}, nil},
		{"a page has its place in all", get("?limit=1&page=1", "reader"), 200, []string{gone, `"total_pages":2`}, []string{theirs}},
		{"a key of segregation codes sees its own", get("?olderThan=1h", "segregated"), 200, []string{mine, `"items_found":1`}, []string{theirs, gone}},
		{"another organization has its own list", call{method: "GET", path: "/v1/organizations/" + other + "/missing-receipts", key: "foreign"}, 200, []string{`"missingReceipts":[]`}, nil},
		{"less than an hour is no time", get("?olderThan=59m", "reader"), 400, []string{`"pointer":"olderThan"`, "1h"}, nil},
		{"a duration is one", get("?olderThan=soon", "reader"), 400, []string{`"pointer":"olderThan"`, "90m"}, nil},
		{"three months are the most", get("?from="+at(93*24*time.Hour), "reader"), 400, []string{`"pointer":"from"`, "92 days"}, nil},
		{"a period has an order", get("?from="+at(time.Hour)+"&to="+at(2*time.Hour), "reader"), 400, []string{`"pointer":"from"`}, nil},
		{"a time is one", get("?to=yesterday", "reader"), 400, []string{`"pointer":"to"`}, nil},
	})
	_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{
		OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: theirs, Operation: "paSendRTV2", Outcome: "OK", PaymentAmount: 12_710, ReceivedAt: now,
	})
	must(t, err)
	h.play(t, []scenario{
		{"a receipt takes its notice off the list", get("", "reader"), 200, []string{`"items_found":1`}, []string{theirs}},
		{"a receipt is whole", call{method: "GET", path: base + "/receipts/r1", key: "reader"}, 200, nil, []string{"anonymizedAt"}},
	})
	_, err = h.store.Expire(t.Context(), positions.KeptReceipts, now.Add(time.Hour), 1)
	must(t, err)
	h.play(t, []scenario{
		{"an anonymised one says so", call{method: "GET", path: base + "/receipts/r1", key: "reader"}, 200, []string{`"anonymizedAt":`}, nil},
	})
}
