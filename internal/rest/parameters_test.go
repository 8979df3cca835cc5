package rest

import (
	"slices"
	"strings"
	"testing"
)

func TestParametersThatCannotBeReadSayWhatTheyShouldBe(t *testing.T) {
	h := openHouse(t).furnish(t)
	get := func(path string) call { return call{method: "GET", path: base + path, key: "reader"} }
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", "01000000000000177")})
	move := call{method: "PATCH", path: base + "/debtpositions/transfers", key: "writer", body: `{"newIban":"IT60X0542811101000000123456"}`}
	h.play(t, []scenario{
		{"a needed one", move, 400, []string{`"detail":"oldIban: is needed"`, `{"detail":"is needed","pointer":"oldIban"}`}, nil},
		{"a number", get("/debtpositions?limit=abc"), 400, []string{"must be a whole number from 1 to 50", `"pointer":"limit"`}, nil},
		{"a number that is no 32 bits", get("/debtpositions?page=99999999999"), 400, []string{"must be a whole number from 0 to 1000000"}, nil},
		{"a truth", call{method: "POST", path: base + "/debtpositions?toPublish=yes", key: "writer", body: positionJSON("P-2", "01000000000000278")}, 400, []string{"must be true or false", `"pointer":"toPublish"`}, nil},
		{"a number of the path", get("/debtpositions/P-1/versions/abc"), 400, []string{"parameter version must be a whole number"}, nil},
		{"one that is there twice", get("/debtpositions?limit=1&limit=2"), 400, []string{"is given more than once"}, nil},
	})
}

// Every query parameter of the document that has a type of its own says so.
func TestNoParameterIsRefusedInGeneralWords(t *testing.T) {
	contract, err := readContract(source)
	must(t, err)
	judged := 0
	for name, op := range contract.operations {
		for _, p := range op.known {
			if said := p.wrong(1); strings.HasPrefix(said, "must be text") != (p.Schema.Type == "string" && p.Schema.Enum == nil && !slices.Contains([]string{"date", "date-time"}, p.Schema.Format)) {
				t.Errorf("%s: %s %s", name, p.Name, said)
			}
			judged++
		}
	}
	if judged < 100 {
		t.Errorf("only %d parameters were judged", judged)
	}
}

func TestAParameterWithATypoIsRefused(t *testing.T) {
	h := openHouse(t).furnish(t)
	get := func(query string) call {
		return call{method: "GET", path: base + "/debtpositions?" + query, key: "reader", lenient: true}
	}
	h.play(t, []scenario{
		{"by its case", call{method: "POST", path: base + "/debtpositions?topublish=true", key: "writer", body: positionJSON("P-1", "01000000000000177")}, 400, []string{"topublish: is not known here; is it toPublish?", `"pointer":"topublish"`}, nil},
		{"and nothing was done", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 404, nil, nil},
		{"by its first letter", get("Limit=5"), 400, []string{"is it limit?"}, nil},
		{"by two letters that changed places", get("due_date_form=2031-01-01"), 400, []string{"is it due_date_from?"}, nil},
		{"by its separators", get("dueDateFrom=2031-01-01"), 400, []string{"is it due_date_from?"}, nil},
		{"all are told", get("Limit=5&pagee=1"), 400, []string{"is it limit?", "is it page?"}, nil},
		{"beside the right one too", get("limit=5&Limit=6"), 400, []string{"is it limit?"}, nil},
		{"one that is like none is ignored, as GPD does", get("serviceType=GPD&x=1&_=17"), 200, nil, nil},
		{"a typo of another operation's is like none", get("toPublsh=true"), 200, nil, nil},
		{"without a key nothing is told", call{method: "GET", path: base + "/debtpositions?Limit=5"}, 401, nil, []string{"is it"}},
	})
}

func TestNoKnownParameterIsTakenForATypo(t *testing.T) {
	contract, err := readContract(source)
	must(t, err)
	for name, op := range contract.operations {
		for _, p := range op.known {
			if p.In == "query" && op.meant(p.Name) != "" {
				t.Errorf("%s: %s", name, p.Name)
			}
		}
		if meant := op.meant("t"); meant != "" {
			t.Errorf("%s: a letter is taken for %s", name, meant)
		}
	}
	if op := contract.operations["GET /v1/organizations/:organizationFiscalCode/notices/:nav/quote"]; op == nil || op.meant("At") != "at" {
		t.Errorf("a short name in another case is no typo")
	}
}
