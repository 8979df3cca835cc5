package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestLifecycle(t *testing.T) {
	h := openHouse(t).furnish(t)
	const iuv, nav = "01000000000000177", "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", iuv)})
	move := func(verb, body string) call {
		return call{method: "POST", path: base + "/debtpositions/P-1/" + verb, key: "writer", body: body}
	}
	const why = `{"reason":"una ragione"}`
	ahead := h.now().Add(24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	notice := call{method: "GET", path: base + "/notices/" + nav, key: "reader"}
	tagged := func(c call, tag string) call {
		c.header = http.Header{"If-Match": {tag}}
		return c
	}
	h.play(t, []scenario{
		{"a block needs a reason", move("block", `{}`), 400, []string{`"/reason"`}, nil},
		{"an empty reason is none", move("unblock", `{"reason":"  "}`), 400, []string{`"/reason"`}, nil},
		{"a reason has its length", move("close", `{"reason":"`+strings.Repeat("è", 201)+`"}`), 400, []string{`"/reason"`, "201"}, nil},
		{"everything wrong with a block is told at once", move("block", `{"reason":"","until":"2020-01-01T00:00:00Z"}`), 400, []string{`"/reason"`, `"/until"`, "future"}, nil},
		{"an end that cannot be read is not the only thing told", move("block", `{"reason":"","until":"domani"}`), 400, []string{`"/reason"`, `"/until"`}, nil},
		{"a mistyped end does not block for ever", move("block", `{"reason":"x","fino":"`+ahead+`"}`), 400, []string{`"/fino"`}, nil},
		{"a transfer goes to 11 digits", move("transfer", `{"reason":"","toOrganizationFiscalCode":"123"}`), 400, []string{`"/reason"`, `"/toOrganizationFiscalCode"`}, nil},
		{"and not to who has it", move("transfer", `{"reason":"x","toOrganizationFiscalCode":"`+ente+`"}`), 400, []string{`"/toOrganizationFiscalCode"`}, nil},
		{"a move is JSON", call{method: "POST", path: base + "/debtpositions/P-1/block", key: "writer"}, 415, nil, nil},
		{"what is not there cannot be blocked", call{method: "POST", path: base + "/debtpositions/P-0/block", key: "writer", body: why}, 404, nil, nil},
		{"what another office has is not there", call{method: "POST", path: base + "/debtpositions/P-1/block", key: "segregated", body: why}, 404, nil, nil},
		{"what is open cannot be unblocked", move("unblock", why), 409, []string{"status VALID and lifecycle OPEN", "cannot be unblocked; it can be invalidated, replaced, given another amount, given more time, blocked, transferred, closed, deleted"}, nil},
		{"nor reopened", move("reopen", why), 409, nil, nil},

		{"a stale tag blocks nothing", tagged(move("block", why), `"9"`), 412, nil, nil},
		{"it is blocked until an instant", tagged(move("block", `{"reason":" ricorso ","until":"`+ahead+`"}`), `"1"`), 200, []string{`"lifecycle":"BLOCKED"`, `"blockedUntil":"` + ahead + `"`, `"status":"VALID"`}, nil},
		{"the notice cannot be paid", notice, 200, []string{`"lifecycle":"BLOCKED"`, `"payable":false`, string(positions.RefusedInProgress)}, nil},
		{"it is blocked again, without an end", move("block", why), 200, []string{`"lifecycle":"BLOCKED"`}, []string{"blockedUntil"}},
		{"what is blocked is not published", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}, 409, []string{"lifecycle BLOCKED", "unblock"}, nil},
		{"it is unblocked", move("unblock", why), 200, []string{`"lifecycle":"OPEN"`}, nil},

		{"it is transferred to somebody who is not registered", move("transfer", `{"reason":"a ruolo","toOrganizationFiscalCode":"11111111111"}`), 200, []string{`"lifecycle":"TRANSFERRED"`, `"transferredTo":"11111111111"`}, nil},
		{"nobody registered them for it", call{method: "GET", path: "/v1/organizations/11111111111", key: "admin"}, 404, nil, nil},
		{"the notice is another's", notice, 200, []string{string(positions.RefusedCancelled)}, nil},
		{"what was handed over is not ours to close", move("close", why), 409, []string{"status VALID and lifecycle TRANSFERRED", "cannot be closed; it can be reopened"}, []string{"reopened,"}},
		{"it is given back", move("reopen", why), 200, []string{`"lifecycle":"OPEN"`, `"status":"VALID"`}, []string{"transferredTo"}},

		{"it is closed", move("close", why), 200, []string{`"lifecycle":"CLOSED"`}, nil},
		{"it is closed once", move("close", why), 409, []string{"lifecycle CLOSED", "reopen"}, nil},
		{"and reopened", move("reopen", why), 200, []string{`"lifecycle":"OPEN"`}, nil},
		{"it is withdrawn", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 200, []string{`"status":"INVALID"`}, nil},
		{"and restored with its notice number", move("reopen", `{"reason":"annullata per errore"}`), 200, []string{`"status":"VALID"`, `"nav":"` + nav + `"`}, nil},
		{"payable again", notice, 200, []string{`"payable":true`}, nil},
	})
	versions, err := h.store.Versions(t.Context(), ente, "P-1")
	must(t, err)
	var story []string
	for _, v := range versions {
		story = append(story, v.Action+":"+v.Reason)
	}
	const want = "REOPEN:annullata per errore INVALIDATE: REOPEN:una ragione CLOSE:una ragione REOPEN:una ragione TRANSFER:a ruolo UNBLOCK:una ragione BLOCK:una ragione BLOCK:ricorso CREATE:"
	if got := strings.Join(story, " "); got != want {
		t.Errorf("the history tells %s", got)
	}
}

func TestABlockEndsByItself(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", "01000000000000177")})
	until := h.now().Add(time.Hour).UTC().Format(time.RFC3339)
	h.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-1/block", key: "writer", body: `{"reason":"x","until":"` + until + `"}`})
	h.clock.Store(int64(2 * time.Hour))
	a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"})
	if a.text(t, "lifecycle") != "OPEN" || strings.Contains(string(a.body), "blockedUntil") {
		t.Errorf("after its end it reads %s", a.body)
	}
	h.want(t, 409, call{method: "POST", path: base + "/debtpositions/P-1/unblock", key: "writer", body: `{"reason":"x"}`})
	h.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-1/close", key: "writer", body: `{"reason":"x"}`})
}

func TestAPaymentThatWasRevokedIsAskedForAgain(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
	pay := func(id string) *positions.Receipt {
		r := &positions.Receipt{
			OrganizationFiscalCode: ente, CreditorFiscalCode: ente, ReceiptID: id, NAV: nav, StationCode: "99999999990_01", Outcome: "OK", PaymentAmount: 12710, Message: []byte("x"),
		}
		_, err := h.store.SaveReceipt(t.Context(), r)
		must(t, err)
		return r
	}
	pay("rt-1")
	h.play(t, []scenario{
		{"a paid position is not blocked", call{method: "POST", path: base + "/debtpositions/P-1/block", key: "writer", body: `{"reason":"x"}`}, 409, []string{"status PAID and lifecycle CLOSED", "it can be reopened"}, nil},
		{"it is reopened", call{method: "POST", path: base + "/debtpositions/P-1/reopen", key: "writer", body: `{"reason":"revoca"}`}, 200, []string{`"status":"VALID"`, `"PO_UNPAID"`}, []string{"paymentDate", "idReceipt"}},
		{"the payment stays in the history", call{method: "GET", path: base + "/debtpositions/P-1/versions/2", key: "reader"}, 200, []string{`"idReceipt":"rt-1"`, `"kind":"NODO"`, `"id":"99999999990_01"`}, nil},
		{"and what became of it", call{method: "GET", path: base + "/debtpositions/P-1/versions/3", key: "reader"}, 200, []string{`{"before":"rt-1","pointer":"/paymentOption/0/idReceipt"}`}, nil},
	})
	pay("rt-1")
	h.want(t, 200, call{method: "GET", path: base + "/notices/" + nav, key: "reader"})
	if a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}); a.text(t, "status") != "VALID" {
		t.Errorf("the receipt known already pays again: %s", a.body)
	}
	if r := pay("rt-2"); len(r.Flags) > 0 {
		t.Errorf("the new receipt is flagged %v", r.Flags)
	}
	if a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}); a.text(t, "status") != "PAID" {
		t.Errorf("the new receipt does not pay: %s", a.body)
	}
}
