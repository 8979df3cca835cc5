package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestALineTellsWhatTheGuidelinesWantAndNothingOfAPerson(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.create(t)
	type line struct {
		Method, Route, URI, Organization string
		Status                           int
	}
	const at, person = "/v1/organizations/:organizationFiscalCode", "RSSMRA80A01H501U"
	for name, c := range map[string]struct {
		call call
		want line
	}{
		"an iupd, which may be made of a tax code": {
			call{method: "GET", path: base + "/debtpositions/" + person, key: "reader"},
			line{"GET", at + "/debtpositions/:iupd", base + "/debtpositions/:iupd", ente, 404},
		},
		"a notice number": {
			call{method: "GET", path: base + "/paymentoptions/" + string(optionNAV), key: "reader"},
			line{"GET", at + "/paymentoptions/:nav", base + "/paymentoptions/" + string(optionNAV), ente, 200},
		},
		"what stands in its place": {
			call{method: "GET", path: base + "/paymentoptions/" + person, key: "reader"},
			line{"GET", at + "/paymentoptions/:nav", base + "/paymentoptions/:nav", ente, 404},
		},
		"a version": {
			call{method: "GET", path: base + "/debtpositions/P-1/versions/1", key: "reader"},
			line{"GET", at + "/debtpositions/:iupd/versions/:version", base + "/debtpositions/:iupd/versions/1", ente, 200},
		},
		"an organization that is not registered": {
			call{method: "GET", path: "/v1/organizations/12345678901", key: "admin"},
			line{"GET", at, at, "12345678901", 404},
		},
		"who was not recognised": {
			call{method: "GET", path: base + "/debtpositions", key: ""},
			line{"GET", at + "/debtpositions", base + "/debtpositions", "", 401},
		},
		"a path of nobody's": {
			call{method: "GET", path: "/" + person, lenient: true},
			line{"GET", "unmatched", "unmatched", "", 404},
		},
		"a query": {
			call{method: "GET", path: base + "/debtpositions?limit=10&page=0&x=" + person, key: "reader", lenient: true},
			line{"GET", at + "/debtpositions", base + "/debtpositions", ente, 200},
		},
	} {
		before := len(h.log.String())
		h.do(t, c.call)
		log := h.log.String()[before:]
		if strings.Count(log, `"REST request"`) != 1 {
			t.Errorf("%s: %s", name, log)
			continue
		}
		var told struct {
			Msg, Time, Address, Request, Key string
			MS                               *float64
			line
		}
		for text := range strings.Lines(log) {
			if strings.Contains(text, `"REST request"`) {
				must(t, json.Unmarshal([]byte(text), &told))
			}
		}
		if diff := cmp.Diff(c.want, told.line); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if told.Time == "" || told.Address != "127.0.0.1" || told.Request == "" || told.MS == nil || (told.Key == "") != (c.call.key == "") {
			t.Errorf("%s: %s", name, log)
		}
	}
	if log := h.log.String(); strings.Contains(log, person) || strings.Contains(log, "P-1") {
		t.Error("what a caller wrote is in the log")
	}
}
