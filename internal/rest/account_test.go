package rest

import (
	"fmt"
	"strings"
	"testing"
)

func TestTransfersMoveToAnotherAccount(t *testing.T) {
	h := openHouse(t).furnish(t)
	const old, fresh = "IT60X0542811101000000123456", "IT40S0542811101000000123456"
	var bodies []string
	for i := range 130 { // two transfers each, both on the old account
		bodies = append(bodies, positionJSON(fmt.Sprint("B-", i), fmt.Sprintf("01%015d", i)))
	}
	for part := range 2 {
		h.want(t, 201, call{method: "POST", path: bulkPath, key: "writer", body: batchJSON(bodies[part*65 : part*65+65]...)})
	}
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "segregated", body: positionJSON("OF-2", "02000000000000000")})
	h.want(t, 201, call{method: "POST", path: "/v1/organizations/" + other + "/debtpositions", key: "foreign", body: strings.Replace(positionJSON("A-1", "01000000000000000"), `"88888888888"`, `"77777777777"`, 1)})
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("W-1", "01000000000000900")})
	h.want(t, 200, call{method: "POST", path: base + "/debtpositions/W-1/invalidate", key: "writer"})
	patch := func(key, query, body string) call {
		return call{method: "PATCH", path: base + "/debtpositions/transfers" + query, key: key, body: body}
	}
	to := func(iban string) string { return `{"newIban":"` + iban + `"}` }
	h.play(t, []scenario{
		{"the account to leave is needed", patch("writer", "", to(fresh)), 400, []string{`"oldIban"`}, nil},
		{"and not empty", patch("writer", "?oldIban=", to(fresh)), 400, []string{`"oldIban"`}, nil},
		{"the new one is needed", patch("writer", "?oldIban="+old, `{}`), 400, []string{`"/newIban"`}, nil},
		{"and has the form of one", patch("writer", "?oldIban="+old, to("IT60 X054")), 400, []string{`"/newIban"`}, nil},
		{"no more than a thousand at a time", patch("writer", "?limit=1001&oldIban="+old, to(fresh)), 400, []string{`"limit"`}, nil},
		{"and not none", patch("writer", "?limit=0&oldIban="+old, to(fresh)), 400, []string{`"limit"`}, nil},
		{"a reader moves nothing", patch("reader", "?oldIban="+old, to(fresh)), 403, nil, nil},
		{"nor does another organization", patch("foreign", "?oldIban="+old, to(fresh)), 404, nil, nil},
		{"an account that nobody is paid on", patch("writer", "?oldIban=IT00", to(fresh)), 200, []string{`"updatedTransfers":0`, `"description":"Updated IBAN on 0 Transfers"`}, []string{"warnings"}},
		{"the same account", patch("writer", "?oldIban="+old, to(old)), 200, []string{`"updatedTransfers":0`}, nil},
		{"a key of one code moves what it sees", patch("segregated", "?oldIban="+old, to(fresh)), 200, []string{`"updatedTransfers":2`}, nil},
		{"no more than the limit, even within a position", patch("writer", "?limit=3&oldIban="+old, to(fresh)), 200, []string{`"updatedTransfers":3`}, nil},
		{"the rest, in several batches", patch("writer", "?oldIban="+old, to(fresh)), 200, []string{`"updatedTransfers":257`, `"description":"Updated IBAN on 257 Transfers"`}, nil},
		{"and nothing the second time", patch("writer", "?oldIban="+old, to(fresh)), 200, []string{`"updatedTransfers":0`}, nil},
		{"what was withdrawn stays", call{method: "GET", path: base + "/debtpositions/W-1", key: "reader"}, 200, []string{old}, []string{fresh}},
		{"what moved reads so", call{method: "GET", path: base + "/debtpositions/B-129", key: "reader"}, 200, []string{fresh}, []string{old}},
		{"another organization's transfers stay", call{method: "GET", path: "/v1/organizations/" + other + "/debtpositions/A-1", key: "foreign"}, 200, []string{old}, []string{fresh}},
		{"wrong check digits are warned of, and taken", patch("writer", "?limit=1&oldIban="+fresh, to("IT41S0542811101000000123456")), 200, []string{`"updatedTransfers":1`, `"/newIban"`, `"warnings"`}, nil},
	})
	versions, err := h.store.Versions(t.Context(), ente, "B-129")
	must(t, err)
	if len(versions) != 2 || versions[0].Action != "IBAN" || versions[0].Actor.Kind != "KEY" {
		t.Errorf("the history is %+v", versions)
	}
}
