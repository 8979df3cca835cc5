package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func unlessMatches(c call, tags ...string) call {
	c.header = http.Header{"If-None-Match": tags}
	return c
}

func TestWhatTheReceiverHasIsNotSentAgain(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, creating("P-1", "01000000000000177"))
	_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: "301000000000000278", ReceivedAt: h.now(), Outgoing: positions.Outgoing{Receipt: true}})
	must(t, err)
	leaving, _, err := h.store.Deliveries(t.Context(), positions.DeliveryFilter{ReceiptID: "r1", Page: positions.Page{Limit: 1}})
	must(t, err)
	for _, get := range []call{
		{method: "GET", path: base + "/debtpositions/P-1", key: "reader"},
		{method: "GET", path: base + "/receipts/r1", key: "reader"},
		{method: "GET", path: fmt.Sprint(base, "/deliveries/", leaving[0].ID), key: "reader"},
		{method: "GET", path: base, key: "admin"},
		{method: "GET", path: "/openapi.yaml"},
		{method: "GET", path: "/docs"},
	} {
		t.Run(get.path, func(t *testing.T) {
			first := h.want(t, 200, get)
			tag := first.header.Get("ETag")
			wantCache, wantVary := "private, no-cache", "Ocp-Apim-Subscription-Key, X-Api-Key, Authorization"
			if get.key == "" {
				wantCache, wantVary = "no-cache", ""
			}
			for _, tags := range [][]string{{tag}, {"W/" + tag}, {"*"}, {`"x", ` + tag}, {`"x"`, tag}} {
				a := h.want(t, 304, unlessMatches(get, tags...))
				if len(a.body) != 0 || a.header.Get("Content-Type") != "" || a.header.Get("ETag") != tag {
					t.Errorf("a 304 with %q, %v", a.body, a.header)
				}
				if a.header.Get("Cache-Control") != wantCache || a.header.Get("Vary") != wantVary {
					t.Errorf("a 304 with %v", a.header)
				}
			}
			version, _, _ := strings.Cut(tag, "-")
			for _, tags := range [][]string{nil, {`"x"`}, {version + `"`}, {strings.Trim(tag, `"`)}, {""}} {
				if a := h.want(t, 200, unlessMatches(get, tags...)); a.header.Get("ETag") != tag || string(a.body) != string(first.body) || a.header.Get("Cache-Control") != wantCache {
					t.Errorf("with %q: %v", tags, a.header)
				}
			}
		})
	}
	h.play(t, []scenario{
		{"a tag opens nothing", unlessMatches(call{method: "GET", path: base + "/debtpositions/P-1"}, "*"), 401, nil, nil},
		{"not to another organization either", unlessMatches(call{method: "GET", path: base + "/debtpositions/P-1", key: "foreign"}, "*"), 404, nil, nil},
		{"what is not there is not unchanged", unlessMatches(call{method: "GET", path: base + "/debtpositions/P-0", key: "reader"}, "*"), 404, nil, nil},
	})
	if a := h.want(t, 404, call{method: "GET", path: base + "/debtpositions/P-0", key: "reader"}); a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a refusal may be kept: %v", a.header)
	}
}

func TestANewFeeOrStatusIsNeverHidden(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	body := strings.Replace(positionJSON("P-1", nav[1:]), `"switchToExpired": false`, `"switchToExpired": true`, 1)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: body})
	read := call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}
	before := h.want(t, 200, read).header.Get("ETag")
	changed := func(what string) {
		t.Helper()
		a := h.want(t, 200, unlessMatches(read, before))
		after := a.header.Get("ETag")
		if after == before || !strings.HasPrefix(after, `"1-`) {
			t.Errorf("%s: the tag was %s and is %s", what, before, after)
		}
		before = after
		h.want(t, 304, unlessMatches(read, before))
	}
	h.want(t, 200, call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"})
	changed("SEND was asked")
	h.clock.Store(int64(10 * 365 * 24 * time.Hour))
	changed("it expired")
}

func TestIfMatchIsAboutTheVersion(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	created := h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])}).header.Get("ETag")
	h.want(t, 200, call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"}) // a price, no version
	invalidate := func(status int, tag string) {
		t.Helper()
		h.want(t, status, call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer", header: http.Header{"If-Match": {tag}}})
	}
	for _, tag := range []string{`"2"`, `"11-` + created[3:], "W/" + created, strings.Trim(created, `"`), `"1-`, `"1`, `1`, ``} {
		invalidate(412, tag)
	}
	fee := func(status int, tag string) {
		t.Helper()
		h.want(t, status, call{
			method: "PUT", path: base + "/paymentoptions/" + nav + "/notificationfee", key: "writer", body: `{"notificationFee":100}`, header: http.Header{"If-Match": {tag}},
		})
	}
	fee(412, `"2"`)
	fee(200, created)
	fee(200, "*")
	invalidate(200, created) // a fee makes no version either
}

func TestTwoOperatorsDoNotOverwriteEachOther(t *testing.T) {
	h := openHouse(t).furnish(t)
	read := h.want(t, 200, call{method: "GET", path: base, key: "admin"}).header.Get("ETag")
	put := func(status int, tag, name string) answer {
		t.Helper()
		c := call{method: "PUT", path: base, key: "admin", body: strings.Replace(organizationJSON, "Tributi", name, 1)}
		if tag != "" {
			c.header = http.Header{"If-Match": {tag}}
		}
		return h.want(t, status, c)
	}
	first := put(200, read, "Uno").header.Get("ETag")
	a := put(412, read, "Due")
	if !strings.Contains(string(a.body), `"STALE"`) {
		t.Errorf("the second is told %s", a.body)
	}
	if a := h.want(t, 200, call{method: "GET", path: base, key: "admin"}); a.header.Get("ETag") != first || !strings.Contains(string(a.body), "Uno") {
		t.Errorf("what is registered: %v %s", a.header, a.body)
	}
	put(200, "", "Tre") // who does not ask is not told
	put(412, first, "Quattro")
	put(200, "*", "Cinque")
	h.want(t, 204, call{method: "DELETE", path: base, key: "admin"})
	put(412, "*", "Sei") // nothing is registered
	put(201, "", "Sei")
}

// TestReplicasThatRegisterAtOnceKeepEachOthersSecrets lets another replica store
// a secret between the reading and the writing of a registration.
func TestReplicasThatRegisterAtOnceKeepEachOthersSecrets(t *testing.T) {
	var between func()
	h := openHouse(t, func(c *Config) {
		c.Store = slowRegistrar{Store: c.Store, between: &between}
	}).furnish(t)
	without := strings.Replace(organizationJSON, `"apiKey": "segreto-di-send", `, "", 1)
	between = func() {
		between = nil
		o, err := h.store.Organization(t.Context(), ente)
		must(t, err)
		o.Sealed[positions.SecretSendAPIKey] = []byte("di un'altra replica")
		_, err = h.store.PutOrganization(t.Context(), o)
		must(t, err)
	}
	h.want(t, 200, call{method: "PUT", path: base, key: "admin", body: without})
	o, err := h.store.Organization(t.Context(), ente)
	must(t, err)
	if string(o.Sealed[positions.SecretSendAPIKey]) != "di un'altra replica" {
		t.Error("a secret that another replica stored is lost")
	}
}

// TestTheDocumentTellsOfConditionalReads keeps the document to what the service
// does for every answer with an ETag.
func TestTheDocumentTellsOfConditionalReads(t *testing.T) {
	doc, _ := theContract()
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				if status != "200" && status != "201" {
					continue
				}
				tagged := response.Value.Headers["ETag"] != nil
				takes := op.Parameters.GetByInAndName("header", "If-None-Match") != nil
				if method == "GET" && (tagged != takes || tagged != (op.Responses.Status(304) != nil)) {
					t.Errorf("GET %s: an ETag, If-None-Match and a 304 go together", path)
				}
			}
		}
	}
}
