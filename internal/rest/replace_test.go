package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestADebtPositionIsReplaced(t *testing.T) {
	h := openHouse(t).furnish(t)
	const iuv = "01000000000000177"
	path := base + "/debtpositions/P-1"
	good := positionJSON("P-1", iuv)
	put := func(body string) call { return call{method: "PUT", path: path, key: "writer", body: body} }
	edit := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	read := call{method: "GET", path: path, key: "reader"}
	tagged := func(c call, tag string) call {
		c.header = http.Header{"If-Match": {tag}}
		return c
	}
	h.play(t, []scenario{
		{"what is not there is not replaced", put(good), 404, []string{`"NOT_FOUND"`}, nil},
		{"a position", call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: good}, 201, []string{`"VALID"`}, nil},
		{"and another", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-2", "01000000000000278")}, 201, nil, nil},
		{"a replacement of what is valid is a draft, as in GPD", put(edit("Verbale 1", "Verbale 1 bis")), 200, []string{`"status":"DRAFT"`, "Verbale 1 bis"}, []string{"publishDate", "validityDate"}},
		{"and reads as one", read, 200, []string{`"status":"DRAFT"`, "Verbale 1 bis"}, nil},
		{"unless it is published at once", call{method: "PUT", path: path + "?toPublish=True", key: "writer", body: good}, 200, []string{`"status":"VALID"`, `"Verbale 1"`}, []string{"bis"}},
		{"from its validity date on", call{method: "PUT", path: path + "?toPublish=true", key: "writer", body: edit(`"switchToExpired"`, `"validityDate":"2030-01-01T00:00:00Z","switchToExpired"`)}, 200, []string{`"status":"PUBLISHED"`}, nil},
		{"or at once when that is past, which a position that is replaced may be", call{method: "PUT", path: path + "?toPublish=true", key: "writer", body: edit(`"switchToExpired"`, `"validityDate":"2020-01-01T00:00:00Z","switchToExpired"`)}, 200, []string{`"status":"VALID"`}, nil},
		{"on the version that was read", tagged(put(good), `"5"`), 200, nil, nil},
		{"and on no other", tagged(put(good), `"5"`), 412, []string{"version 6"}, nil},
		{"the id is that of the path", put(positionJSON("P-2", iuv)), 400, []string{`"/iupd"`}, nil},
		{"everything wrong is told at once, dates too", put(strings.Replace(edit("2031-01-31", "2021-01-31"), `"amount": 10000`, `"amount": 9999`, 1)), 400, []string{`"/paymentOption/0/dueDate"`, `"/paymentOption/0/amount"`}, nil},
		{"wrong types are told at their place", put(edit(`"amount": 10000`, `"amount": "x"`)), 400, []string{`"/paymentOption/0/transfer/1/amount"`}, nil},
		{"the notice number of another position is a conflict that names it", put(strings.ReplaceAll(good, iuv, "01000000000000278")), 409, []string{`"/paymentOption/0/nav"`, "P-2"}, nil},
		{"a SEND-bound notice keeps a transfer that carries the fee", put(edit(`{"idTransfer": "2", `, `{"idTransfer": "2", "organizationFiscalCode": "99999999999", `)), 422, []string{`"/paymentOption/0/transfer"`}, nil},
		{"nothing of what was refused is stored", read, 200, []string{`"01000000000000177"`, `"status":"DRAFT"`}, nil},
		{"notice numbers may change", put(strings.ReplaceAll(good, iuv, "01000000000000379")), 200, []string{`"301000000000000379"`}, []string{iuv}},
		{"the old one is free", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-3", iuv)}, 201, nil, nil},
		{"a key of another code does not see the position", call{method: "PUT", path: path, key: "segregated", body: positionJSON("P-1", "02000000000000379")}, 404, nil, nil},
		{"nor can it write outside of its code", call{method: "PUT", path: path, key: "segregated", body: good}, 403, []string{"segregation", `"pointer":"/paymentOption/0/nav"`}, nil},
		{"another organization neither", call{method: "PUT", path: path, key: "foreign", body: good}, 404, nil, nil},
		{"a withdrawn position", call{method: "POST", path: path + "/publish", key: "writer"}, 200, nil, nil},
		{"is", call{method: "POST", path: path + "/invalidate", key: "writer"}, 200, nil, nil},
		{"not replaced", put(good), 409, []string{"INVALID"}, nil},
	})
	versions, err := h.store.Versions(t.Context(), ente, "P-1")
	must(t, err)
	if v := versions[2]; v.Action != "REPLACE" || v.Version != 7 {
		t.Errorf("the history says %+v", v)
	}
}

func TestOptionsThatStayKeepWhenTheyWereInserted(t *testing.T) {
	h := openHouse(t).furnish(t)
	body := positionJSON("P-1", "01000000000000177")
	created := h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: body})
	h.clock.Store(int64(48 * time.Hour))
	option := body[strings.Index(body, "[{")+1 : strings.LastIndex(body, "]}")]
	more := strings.Replace(body, option, option+","+strings.Replace(option, "01000000000000177", "01000000000000278", 1), 1)
	replaced := h.want(t, 200, call{method: "PUT", path: base + "/debtpositions/P-1", key: "writer", body: more})
	dates := func(a answer, i int) (inserted, updated any) {
		o := a.json(t)["paymentOption"].([]any)[i].(map[string]any)
		return o["insertedDate"], o["lastUpdatedDate"]
	}
	before, _ := dates(created, 0)
	stayed, updated := dates(replaced, 0)
	fresh, _ := dates(replaced, 1)
	if stayed != before || updated != before || fresh == before {
		t.Errorf("inserted %v; after the replacement %v (updated %v), the new one %v", before, stayed, updated, fresh)
	}
	if a, b := created.text(t, "insertedDate"), replaced.text(t, "insertedDate"); a != b {
		t.Errorf("the position was inserted %s, then %s", a, b)
	}
}

func TestADebtPositionIsDeleted(t *testing.T) {
	h := openHouse(t).furnish(t)
	ctx := t.Context()
	const nav = "301000000000000177"
	path := base + "/debtpositions/P-1"
	create := call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])}
	remove := call{method: "DELETE", path: path, key: "writer"}
	stale := remove
	stale.header = http.Header{"If-Match": {`"9"`}}
	h.play(t, []scenario{
		{"what is not there cannot be deleted", remove, 404, nil, nil},
		{"a position", create, 201, nil, nil},
		{"of another segregation code is not there", call{method: "DELETE", path: path, key: "segregated"}, 404, nil, nil},
		{"nor one of another organization", call{method: "DELETE", path: path, key: "foreign"}, 404, nil, nil},
		{"is not deleted on another version", stale, 412, nil, nil},
		{"is deleted, in GPD's words", remove, 200, []string{`"The debt position was successfully deleted"`}, nil},
		{"and is gone", call{method: "GET", path: path, key: "reader"}, 404, nil, nil},
		{"its notice too", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 404, nil, nil},
		{"its id and its number can be used again, and the history goes on", create, 201, nil, nil},
		{"a position called like a path of its own", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("transfers", "01000000000000278")}, 201, nil, nil},
	})
	for _, method := range []string{"GET", "DELETE"} { // by hand: the router that holds answers to api.yaml does not look for a second match
		r, err := http.NewRequestWithContext(ctx, method, h.url+base+"/debtpositions/transfers", nil)
		must(t, err)
		r.Header.Set("X-Api-Key", h.keys["writer"])
		w, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, w.Body.Close())
		if w.StatusCode != 200 {
			t.Errorf("%s of a position called transfers: %d", method, w.StatusCode)
		}
	}
	versions, err := h.store.Versions(ctx, ente, "P-1")
	must(t, err)
	if len(versions) != 3 || versions[1].Action != "DELETE" || versions[0].Version != 3 {
		t.Errorf("the history is %+v", versions)
	}
	_, err = h.store.SaveReceipt(ctx, &positions.Receipt{OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: nav, Operation: "paSendRT", Outcome: "OK", PaymentAmount: 12000, ReceivedAt: time.Now()})
	must(t, err)
	h.play(t, []scenario{
		{"what is paid is not deleted", remove, 409, []string{"PAID"}, nil},
		{"nor replaced", call{method: "PUT", path: path, key: "writer", body: positionJSON("P-1", nav[1:])}, 409, []string{"PAID"}, nil},
	})
}

func TestWhatOnlyALifecycleKeepsFromDeletionIsSaidInOurWords(t *testing.T) {
	h := openHouse(t).furnish(t)
	path := base + "/debtpositions/P-1"
	remove := call{method: "DELETE", path: path, key: "writer"}
	move := func(step, body string) call {
		return call{method: "POST", path: path + "/" + step, key: "writer", body: body}
	}
	many := call{method: "DELETE", path: bulkPath, key: "writer", body: `{"paymentPositionIUPDs":["P-1"]}`}
	untrue := []string{"payment transaction", "related payment"}
	h.play(t, []scenario{
		{"a position", call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", "01000000000000177")}, 201, nil, nil},
		{"is blocked", move("block", `{"reason":"x"}`), 200, nil, nil},
		{"and not deleted", remove, 409, []string{"a position in status VALID and lifecycle BLOCKED cannot be deleted; it can be", "unblocked"}, untrue},
		{"nor among many", many, 409, []string{"lifecycle BLOCKED cannot be deleted"}, untrue},
		{"is handed over", move("transfer", `{"reason":"x","toOrganizationFiscalCode":"99999999990"}`), 200, nil, nil},
		{"and not deleted either", remove, 409, []string{"lifecycle TRANSFERRED cannot be deleted; it can be reopened"}, untrue},
		{"is taken back", move("reopen", `{"reason":"x"}`), 200, nil, nil},
		{"and paid", call{method: "POST", path: optionPath + "/pay", key: "writer", body: receipt}, 200, nil, nil},
		{"which GPD knows", remove, 409, []string{"Existing related payment found", "cannot be deleted"}, nil},
	})
}

func TestDatesOutOfOrderAreRefusedAsGPDDoes(t *testing.T) {
	h := openHouse(t).furnish(t)
	create := func(old, new string) call {
		return call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Replace(positionJSON("P-1", "01000000000000177"), old, new, 1)}
	}
	validFrom := func(date string) (old, new string) {
		return `"switchToExpired"`, `"validityDate":"` + date + `","switchToExpired"`
	}
	h.play(t, []scenario{
		{"a due date that is past", create("2031-01-31", "2021-01-31"), 400, []string{`"/paymentOption/0/dueDate"`, "past"}, nil},
		{"a validity date that is past", create(validFrom("2021-01-31T00:00:00Z")), 400, []string{`"/validityDate"`, "past"}, nil},
		{"a due date before the validity date", create(validFrom("2031-02-01T00:00:00Z")), 400, []string{`"/paymentOption/0/dueDate"`, "validityDate"}, nil},
		{"a retention date before the due date", create(`"dueDate"`, `"retentionDate":"2031-01-31T09:59:59Z","dueDate"`), 400, []string{`"/paymentOption/0/retentionDate"`}, nil},
		{"dates in order", create(validFrom("2030-01-01T00:00:00Z")), 201, []string{`"DRAFT"`}, nil},
	})
	publish := call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}
	h.clock.Store(int64(time.Until(time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC))))
	h.play(t, []scenario{{"a draft is not published after its validity date", publish, 409, []string{"validity date has passed"}, nil}})
	h.clock.Store(int64(time.Until(time.Date(2031, 6, 1, 0, 0, 0, 0, time.UTC))))
	h.play(t, []scenario{{"nor after its due date", publish, 409, []string{"due date of notice 301000000000000177 has passed"}, nil}})
}

func TestAFeeThatWasSetKeepsItsTransfer(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav positions.NoticeNumber = "301000000000000177"
	body := strings.Replace(positionJSON("P-1", string(nav[1:])), `"sendBound": true`, `"sendBound": false`, 1)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: body})
	must(t, h.store.SavePrice(t.Context(), ente, nav, &positions.Price{TotalPrice: 710, Pushed: true, FetchedAt: time.Now()}))
	foreign := strings.Replace(body, `{"idTransfer": "2", `, `{"idTransfer": "2", "organizationFiscalCode": "99999999999", `, 1)
	h.play(t, []scenario{
		{"a replacement keeps the fee", call{method: "PUT", path: base + "/debtpositions/P-1", key: "writer", body: body}, 200, []string{`"amount":12710`, `"notificationFee":710`, `"PUSHED"`}, nil},
		{"and a transfer that carries it", call{method: "PUT", path: base + "/debtpositions/P-1", key: "writer", body: foreign}, 422, []string{`"/paymentOption/0/transfer"`}, nil},
		{"in a batch too", call{method: "PUT", path: "/v2/organizations/" + ente + "/debtpositions", key: "writer", body: batchJSON(foreign)}, 422, []string{`"/paymentPositions/0/paymentOption/0/transfer"`}, nil},
		{"with its position the fee goes", call{method: "DELETE", path: base + "/debtpositions/P-1", key: "writer"}, 200, nil, nil},
		{"and who gets the number next does not owe it", call{method: "POST", path: base + "/debtpositions", key: "writer", body: body}, 201, []string{`"amount":12000`, `"notificationFee":0`}, []string{"PUSHED"}},
	})
}
