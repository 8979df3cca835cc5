package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/positions"
)

// The walk goes through every operation of api.yaml with every kind of caller.
// What each must be answered follows from x-access and the path alone, so a new
// operation is walked as soon as it is in the document. One that the walk cannot
// call, for want of an example body or of something that a path parameter names,
// fails.

// What the walk fills path parameters with: things that are there, of ente.
// A new parameter is added here and, where needed, in settle.
var walkResources = map[string]string{
	"organizationFiscalCode": ente,
	"iupd":                   "SEGRETA/1",
	"nav":                    "301000000000000177",
	"receiptId":              "ricevuta-segreta",
	"version":                "1",
	"id":                     "", // a key's; settle fills it in
	"deliveryId":             "", // the receipt's; settle fills it in
}

// exampleIUPD is the position that the document's examples are about.
const exampleIUPD = "VERBALE-2026-000123"

// What another organization must never read, wherever it asks.
var walkSecrets = []string{"Aldina Riservati", "RSRLDN80A41H501X", "aldina@example.it"}

// organizationElsewhere lists the operations that carry their organization in
// the body instead of the path, by method and path. Each says how to ask for an
// organization's notice, and what a key of another organization is answered.
var organizationElsewhere = map[string]struct {
	body    func(organization, nav string) string
	foreign int
}{
	"POST /amount-update": {func(organization, nav string) string {
		return `{"orgFiscalCode":"` + organization + `","nav":"` + nav + `"}`
	}, 404},
	"POST /notification-price": {func(organization, nav string) string {
		return `{"cfEnteCreditore":"` + organization + `","importoPosizione":"S","numeroAvviso":"` + nav + `"}`
	}, 200}, // a business error: unknown
}

// publicChange lists the operations that change something and need no key of
// ours, with the reason.
var publicChange = map[string]string{"POST /login": "it is where a credential is shown first"}

// settle furnishes a house and gives ente one of everything.
func settle(t *testing.T, h *house) map[string]string {
	t.Helper()
	h.furnish(t)
	for name, organization := range map[string]string{"writer": ente, "reader": ente, "segregated": ente, "foreign": other} { // the same again, and they may sign
		role := map[bool]string{true: "READER", false: "WRITER"}[name == "reader"]
		codes := map[bool]string{true: `"02"`}[name == "segregated"]
		a := h.want(t, 201, call{method: "POST", path: "/v1/organizations/" + organization + "/api-keys", key: "admin", body: `{"name":"` + name + `","role":"` + role + `","segregationCodes":[` + codes + `],"signatureKeys":[` + jwkJSON("s-1", &systemKey().PublicKey) + `]}`})
		h.keys[name] = a.text(t, "key")
	}
	filled := map[string]string{}
	for name, value := range walkResources {
		filled[name] = value
	}
	filled["id"], _, _ = strings.Cut(h.keys["reader"], ".")
	nav := positions.NoticeNumber(filled["nav"])
	body := strings.NewReplacer("Luca Verdi", walkSecrets[0], "VRDLCU80A01H501X", walkSecrets[1], "luca@example.it", walkSecrets[2]).
		Replace(positionJSON(filled["iupd"], string(nav[1:])))
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: body})
	must(t, h.store.RecordAnswers(t.Context(), []positions.Answer{{At: h.now(), OrganizationFiscalCode: ente, NAV: nav, Operation: "paVerifyPaymentNotice", Outcome: "OK", Amount: 12000, BaseAmount: 12000}}))
	_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{
		OrganizationFiscalCode: ente, ReceiptID: filled["receiptId"], CreditorFiscalCode: ente, NAV: nav, Operation: "paSendRTV2", Outcome: "KO",
		PaymentAmount: 12000, ReceivedAt: h.now(), Message: []byte(walkSecrets[0]), Outgoing: positions.Outgoing{Receipt: true},
	})
	must(t, err)
	deliveries, _, err := h.store.Deliveries(t.Context(), positions.DeliveryFilter{ReceiptID: filled["receiptId"], Page: positions.Page{Limit: 1}})
	must(t, err)
	filled["deliveryId"] = strconv.FormatInt(deliveries[0].ID, 10)
	return filled
}

// walked is one operation as the walk calls it.
type walked struct {
	name, method, path, access string
	operation                  string // its id
	named                      bool   // the organization stands in the path
	resource                   bool   // so does something of it
	body                       string
	header                     http.Header
}

// operationsToWalk prepares a call of every operation.
func operationsToWalk(t *testing.T) []walked {
	t.Helper()
	doc, _ := theContract()
	var all []walked
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			w := walked{name: method + " " + path, operation: op.OperationID, method: method, path: path, header: http.Header{}}
			w.access, _ = op.Extensions["x-access"].(string)
			query := url.Values{}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				p := ref.Value
				switch {
				case p.In == "path":
					if _, ok := walkResources[p.Name]; !ok {
						t.Errorf("%s: the walk has nothing for the path parameter %s: add it to walkResources", w.name, p.Name)
					}
					w.named = w.named || p.Name == "organizationFiscalCode"
					w.resource = w.resource || p.Name != "organizationFiscalCode"
				case p.In == "header": // of a signature: see ask
				case p.Required:
					if p.Example == nil {
						t.Errorf("%s: the required parameter %s has no example", w.name, p.Name)
					}
					query.Set(p.Name, fmt.Sprint(p.Example))
				}
			}
			if len(query) > 0 {
				w.path += "?" + query.Encode()
			}
			if method == "POST" && op.Extensions["x-idempotency"] != neverIdempotent {
				w.header.Set(idempotencyKey, strings.ReplaceAll(w.name, " ", "_")) // the same for everybody: it opens nothing
			}
			if op.RequestBody != nil {
				w.body = exampleBody(t, w.name, op.RequestBody.Value)
			}
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b walked) int { return strings.Compare(a.name, b.name) })
	return all
}

func exampleBody(t *testing.T, name string, body *openapi3.RequestBody) string {
	t.Helper()
	media := body.Content["application/json"]
	if media == nil || media.Example == nil {
		t.Errorf("%s: the body has no example", name)
		return "{}"
	}
	text, err := json.Marshal(media.Example)
	must(t, err)
	return string(text)
}

// ask makes a call of the walk, and signs it where that is due.
func (h *house) ask(t *testing.T, c call) answer {
	t.Helper()
	if c.path == "/amount-update" {
		key, ok := h.keys[c.key]
		if !ok {
			key = c.key
		}
		id, _, _ := strings.Cut(key, ".")
		c.header = h.signed(key, id, c.body, nil)
	}
	return h.do(t, c)
}

// by is the call of an operation with a key, for an organization.
func (w *walked) by(key, organization string, filled map[string]string) call {
	path := w.path
	for name, value := range filled {
		if name == "organizationFiscalCode" {
			value = organization
		}
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	body := w.body
	if !strings.HasPrefix(w.operation, "Create") { // it is about what is there
		body = strings.ReplaceAll(body, exampleIUPD, filled["iupd"])
	}
	if e, ok := organizationElsewhere[w.name]; ok {
		body = e.body(organization, filled["nav"])
	}
	return call{method: w.method, path: path, key: key, body: body, header: w.header}
}

// expectation is what a caller must be answered.
type expectation struct {
	who, key, organization string
	statuses               []int
	blind                  bool // must not learn anything of ente
}

func (w *walked) expectations(known string) []expectation {
	foreign := 404
	e, elsewhere := organizationElsewhere[w.name]
	switch {
	case elsewhere:
		foreign = e.foreign
	case !w.named:
		foreign = 403 // the operator's
	}
	list := []expectation{
		{"no key", "", ente, []int{401}, true},
		{"a key that was never issued", "abcdefghijklmnop.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ente, []int{401}, true},
		{"a known id and a wrong secret", known + ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ente, []int{401}, true},
		{"an id without a secret", known, ente, []int{401}, true},
		{"not even a key", "-", ente, []int{401}, true},
		{"an endless key", strings.Repeat("a", 4000), ente, []int{401}, true},
		{"another organization's writer", "foreign", ente, []int{foreign}, true},
	}
	if w.named && w.resource && w.access != "OPERATOR" {
		own := []int{404}
		if w.method == "GET" {
			own = []int{404, 200} // an empty list
		}
		list = append(list, expectation{"another organization's writer, at home", "foreign", other, own, true})
	}
	others := []int{403, 404}
	if (w.method == "GET" || w.method == "PATCH" || w.operation == "ReplayDeliveries") && !w.resource {
		others = []int{403, 200} // of what it sees, which is nothing
	}
	if elsewhere {
		others = []int{foreign}
	}
	switch w.access {
	case "READER":
		list = append(list,
			expectation{"a reader", "reader", ente, []int{200}, false},
			expectation{"the operator", "admin", ente, []int{403}, true},
			expectation{"a key of other segregation codes", "segregated", ente, others, true})
	case "WRITER":
		list = append(list,
			expectation{"a reader", "reader", ente, []int{403}, true},
			expectation{"the operator", "admin", ente, []int{403}, true},
			expectation{"a key of other segregation codes", "segregated", ente, others, true})
	case "OPERATOR":
		for _, who := range []string{"reader", "writer", "segregated"} {
			list = append(list, expectation{who, who, ente, []int{403}, true})
		}
	}
	return list
}

// organizationOf is all that the store holds of an organization.
func organizationOf(t *testing.T, h *house, fiscalCode string) map[string]any {
	t.Helper()
	ctx := t.Context()
	all := map[string]any{}
	keep := func(name string, value any, err error) {
		t.Helper()
		must(t, err)
		all[name] = value
	}
	page := positions.Page{Limit: 1000}
	o, err := h.store.Organization(ctx, fiscalCode)
	keep("organization", o, err)
	keys, err := h.store.Keys(ctx, fiscalCode)
	for i := range keys {
		keys[i].LastUsedAt = keys[i].CreatedAt
	}
	keep("keys", keys, err)
	ps, _, err := h.store.Positions(ctx, positions.PositionFilter{OrganizationFiscalCode: fiscalCode, Page: page})
	keep("positions", ps, err)
	for _, p := range ps {
		versions, err := h.store.Versions(ctx, fiscalCode, p.IUPD)
		keep("versions of "+p.IUPD, versions, err)
	}
	receipts, _, err := h.store.Receipts(ctx, positions.ReceiptFilter{OrganizationFiscalCode: fiscalCode, Page: page})
	keep("receipts", receipts, err)
	answers, _, err := h.store.Answers(ctx, fiscalCode, positions.NoticeNumber(walkResources["nav"]), page)
	keep("answers", answers, err)
	deliveries, _, err := h.store.Deliveries(ctx, positions.DeliveryFilter{OrganizationFiscalCode: fiscalCode, Page: page})
	keep("deliveries", deliveries, err)
	return all
}

func TestNoOperationLetsTheWrongCallerIn(t *testing.T) {
	h := openHouse(t)
	filled := settle(t, h)
	before := map[string]map[string]any{ente: organizationOf(t, h, ente), other: organizationOf(t, h, other)}
	known, _, _ := strings.Cut(h.keys["writer"], ".")
	operations := operationsToWalk(t)
	if len(operations) < 20 {
		t.Errorf("only %d operations are walked", len(operations))
	}
	for _, w := range operations {
		t.Run(w.name, func(t *testing.T) {
			_, elsewhere := organizationElsewhere[w.name]
			switch {
			case strings.Contains(w.path, "/organizations/") && w.access == "PUBLIC":
				t.Error("it opens an organization to everybody")
			case w.method != "GET" && w.access != "WRITER" && w.access != "OPERATOR" && publicChange[w.name] == "" && !elsewhere:
				t.Errorf("it changes things and takes a %s", w.access)
			case strings.Contains(w.path, "api-keys") && w.access != "OPERATOR":
				t.Error("keys are not the operator's")
			case !w.named && !elsewhere && (w.access == "READER" || w.access == "WRITER"):
				t.Error("its organization is not in the path: say in organizationElsewhere where it is")
			}
			if w.access == "PUBLIC" {
				if publicChange[w.name] == "" {
					h.want(t, 200, w.by("", ente, filled))
				}
				return
			}
			for _, e := range w.expectations(known) {
				c := w.by(e.key, e.organization, filled)
				a := h.ask(t, c) // holds the answer to the document, and a refusal to being a problem
				if !slices.Contains(e.statuses, a.status) {
					t.Errorf("%s, for %s: %d, want one of %v: %s", e.who, e.organization, a.status, e.statuses, a.body)
				}
				if !e.blind {
					continue
				}
				// Who is refused may read what it sent, and nothing else.
				for _, secret := range append([]string{filled["iupd"], filled["nav"], filled["receiptId"]}, walkSecrets...) {
					if strings.Contains(string(a.body), secret) && !strings.Contains(c.path, url.PathEscape(secret)) && !strings.Contains(c.body, secret) {
						t.Errorf("%s, for %s, reads %q: %s", e.who, e.organization, secret, a.body)
					}
				}
			}
		})
	}
	for fiscalCode, was := range before {
		if diff := cmp.Diff(was, organizationOf(t, h, fiscalCode), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the walk changed organization %s (-before +after):\n%s", fiscalCode, diff)
		}
	}
}

// TestEveryOperationLetsTheRightCallerIn calls every operation as the walk does,
// with the key that opens it: otherwise a refusal in the walk would prove
// nothing.
func TestEveryOperationLetsTheRightCallerIn(t *testing.T) {
	for _, w := range operationsToWalk(t) {
		if w.access == "PUBLIC" {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			h := openHouse(t) // of its own: some take everything away
			filled := settle(t, h)
			key := map[string]string{"READER": "reader", "WRITER": "writer", "OPERATOR": "admin"}[w.access]
			a := h.ask(t, w.by(key, ente, filled))
			// A state that forbids it is fine, a request that could not be understood is not.
			if a.status >= 300 && !slices.Contains([]int{409, 412, 422}, a.status) {
				t.Errorf("%s: %d %s", key, a.status, a.body)
			}
		})
	}
}

func TestWithoutAnOperatorsKeyNobodyIsTheOperator(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.AdminKey = "" })
	filled := map[string]string{"organizationFiscalCode": ente, "id": "abc"}
	for _, w := range operationsToWalk(t) {
		if w.access == "OPERATOR" {
			h.want(t, 401, w.by(adminKey, ente, filled))
			h.want(t, 401, w.by("", ente, filled))
		}
	}
}
