package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// scenario is one call of the API and what must and must not be in its answer.
// Scenarios of a list run in order on one house.
type scenario struct {
	name            string
	call            call
	status          int
	contains, lacks []string
}

func (h *house) play(t *testing.T, scenarios []scenario) {
	t.Helper()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			a := h.do(t, s.call)
			if a.status != s.status {
				t.Fatalf("status %d, want %d: %s", a.status, s.status, a.body)
			}
			for _, want := range s.contains {
				if !strings.Contains(string(a.body), want) {
					t.Errorf("no %s in %s", want, a.body)
				}
			}
			for _, unwanted := range s.lacks {
				if strings.Contains(string(a.body), unwanted) {
					t.Errorf("%s in %s", unwanted, a.body)
				}
			}
		})
	}
}

func TestOrganizations(t *testing.T) {
	h := openHouse(t)
	put := func(body string) call { return call{method: "PUT", path: base, key: "admin", body: body} }
	get := call{method: "GET", path: base, key: "admin"}
	with := func(section string) string {
		return `{"companyName":"Comune","brokerCode":"99999999990","stations":[{"stationCode":"S_01","broadcast":true}],` + section + `}`
	}
	h.play(t, []scenario{
		{"an organization that is not registered is not found", get, 404, []string{`"NOT_FOUND"`}, nil},
		{
			"registering is 201, with the defaults of the policy", put(organizationJSON), 201,
			[]string{`"onSendUnavailable":"LAST_KNOWN"`, `"priceFreshFor":"15m"`, `"notificationFeeMetadata":"CENTS"`, `"duplicateReceipt":"OK"`, `"saturday":"WORKING"`, `"route":"DIRECT"`, `"apiKey":"set"`},
			[]string{"segreto", "patronSaint", "privateKey"},
		},
		{"reading shows that a secret is set, never the secret", get, 200, []string{`"apiKey":"set"`, `"mode":"FORBIDDEN"`}, []string{"segreto"}},
		{"registering again is 200", put(organizationJSON), 200, nil, nil},
		{
			"a policy is taken over", put(with(`"send":{},"policy":{"onSendUnavailable":"REFUSE","priceFreshFor":"0s","patronSaint":"06-24"}`)), 200,
			[]string{`"REFUSE"`, `"priceFreshFor":"0s"`, `"06-24"`, `"broadcast":true`, `"apiKey":"set"`},
			nil,
		},
		{"a secret that reads set is kept", put(with(`"send":{"apiKey":"set"}`)), 200, []string{`"apiKey":"set"`}, nil},
		{"null deletes a secret", put(with(`"send":{"apiKey":null}`)), 200, nil, []string{"apiKey"}},
		{"set keeps nothing where nothing is", put(with(`"send":{"apiKey":"set"}`)), 200, nil, []string{"apiKey"}},
		{
			"a section that is left out takes its secrets along", put(with(`"delivery":{"url":"https://g.example/r","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`)), 200,
			[]string{`"secret":"set"`},
			[]string{"send", "whsec"},
		},
		{"an address of receipts keeps the secret that is stored", put(with(`"delivery":{"url":"https://g.example/s"}`)), 200, []string{`"secret":"set"`, `"https://g.example/s"`}, nil},
		{
			"the secret cannot be deleted while there is an address", put(with(`"delivery":{"url":"https://g.example/s","secret":null}`)), 400,
			[]string{`{"detail":"is needed with delivery.url: receipts are not sent unsigned","pointer":"/delivery/secret"}`},
			nil,
		},
		{"and is kept when that is refused", get, 200, []string{`"secret":"set"`}, nil},
		{
			"the relay's data and secrets are stored", put(with(`"relay":{"kind":"LEGACY","url":"http://127.0.0.1:9/x","username":"u","password":"p"}`)), 200,
			[]string{`"kind":"LEGACY"`, `"password":"set"`, `"username":"u"`},
			[]string{"delivery"},
		},
		{
			"asking a relay needs what its contract needs: a token", put(with(`"send":{"route":"RELAY"},"relay":{"kind":"NATIVE","url":"https://r.example","token":null}`)), 400,
			[]string{`"/relay/token"`, "NATIVE"},
			nil,
		},
		{
			"or user and password", put(with(`"send":{"route":"RELAY"},"relay":{"kind":"LEGACY","url":"https://r.example","password":null}`)), 400,
			[]string{`{"detail":"is needed with kind LEGACY","pointer":"/relay/username"}`, `{"detail":"is needed with kind LEGACY","pointer":"/relay/password"}`},
			nil,
		},
		{
			"a legacy relay has no token", put(with(`"relay":{"kind":"LEGACY","url":"https://r.example","username":"u","password":"p","token":"t"}`)), 400,
			[]string{`"pointer":"/relay/token"`, "not for kind LEGACY"},
			[]string{`"/relay/password"`, `"/relay/username"`},
		},
		{
			"a native relay has neither user nor password", put(with(`"relay":{"kind":"NATIVE","url":"https://r.example","username":"u","password":"p","token":"t"}`)), 400,
			[]string{`"pointer":"/relay/username"`, `"pointer":"/relay/password"`, "not for kind NATIVE"},
			[]string{`"/relay/token"`},
		},
		{
			"and a base address, to which paths can be added", put(with(`"send":{"route":"RELAY"},"relay":{"kind":"NATIVE","url":"https://r.example/amount-update","token":"not a header"}`)), 400,
			[]string{`"/relay/url"`, "base", `"/relay/token"`},
			[]string{"not a header"},
		},
		{
			"an address with a query is no base", put(with(`"relay":{"kind":"NATIVE","url":"https://r.example/?key=1"}`)), 400,
			[]string{`"/relay/url"`, "query"},
			nil,
		},
		{"a refused registration changes nothing", get, 200, []string{`"kind":"LEGACY"`}, []string{"RELAY"}},
		{
			"a legacy relay is asked with the password that is kept", put(with(`"send":{"route":"RELAY"},"relay":{"kind":"LEGACY","url":"https://r.example","username":"u","password":"set"}`)), 200,
			[]string{`"route":"RELAY"`, `"password":"set"`},
			nil,
		},
		{
			"a native relay is asked with a token", put(with(`"send":{"route":"RELAY"},"relay":{"kind":"NATIVE","url":"https://r.example/atti/","token":"gettone"}`)), 200,
			[]string{`"route":"RELAY"`, `"token":"set"`},
			[]string{"gettone"},
		},
		{
			"whose requests are signed says who signs", put(with(`"send":{"route":"RELAY","pdnd":{"mode":"FORBIDDEN","privateKey":"` + pemKey(t) + `"}},"relay":{"kind":"NATIVE","url":"https://r.example","token":"set"}`)), 400,
			[]string{`"/send/pdnd/clientId"`, `"/send/pdnd/keyId"`},
			nil,
		},
		{
			"a PDND key that is none is refused without quoting it", put(with(`"send":{"pdnd":{"mode":"REQUIRED","clientId":"c","keyId":"k","purposeId":"p","privateKey":"non-una-chiave"}}`)), 400,
			[]string{`"/send/pdnd/privateKey"`, "PEM"},
			[]string{"non-una-chiave"},
		},
		{
			"a PDND key is needed where a voucher is", put(with(`"send":{"pdnd":{"mode":"REQUIRED","clientId":"c","keyId":"k","purposeId":"p"}}`)), 400,
			[]string{`"/send/pdnd/privateKey"`, "REQUIRED"},
			nil,
		},
		{
			"a real PDND key is taken", put(with(`"send":{"pdnd":{"mode":"REQUIRED","clientId":"c","keyId":"k","purposeId":"p","privateKey":"` + pemKey(t) + `"}}`)), 200,
			[]string{`"privateKey":"set"`},
			[]string{"BEGIN"},
		},
		{
			"an address of receipts needs a secret, because they are not sent unsigned", put(with(`"delivery":{"url":"https://g.example/r"}`)), 400,
			[]string{`"pointer":"/delivery/secret"`, "unsigned"},
			[]string{`"/delivery/url"`},
		},
		{"a secret that was deleted with its section cannot be kept", put(with(`"delivery":{"url":"https://g.example/r","secret":"set"}`)), 400, []string{`"pointer":"/delivery/secret"`}, nil},
		{"a webhook secret has its form", put(with(`"delivery":{"url":"https://g.example","secret":"whsec_no"}`)), 400, []string{`"/delivery/secret"`}, nil},
		{"an empty secret is no secret", put(with(`"send":{"apiKey":""}`)), 400, []string{`"/send/apiKey"`}, nil},
		{
			"everything wrong is told at once", put(`{"companyName":5,"stations":[{"stationCode":"a"},{"stationCode":"a"}],"policy":{"saturday":"MAYBE","priceFreshFor":"soon"},"delivery":{"url":"http://far.example"}}`), 400,
			[]string{`"/companyName"`, `"/brokerCode"`, `"/stations/1/stationCode"`, `"/policy/saturday"`, `"/policy/priceFreshFor"`, `"/delivery/url"`},
			nil,
		},
		{"a mistyped member is not ignored", put(with(`"polciy":{}`)), 400, []string{`"/polciy"`, "policy"}, nil},
		{"what a read shows can be written back", put(with(`"organizationFiscalCode":"` + ente + `","createdAt":"2026-01-01T00:00:00Z","comment":"ours"`)), 200, nil, []string{"comment"}},
		{"a tax code is 11 digits", call{method: "PUT", path: "/v1/organizations/123", key: "admin", body: organizationJSON}, 400, []string{"11 digits"}, nil},
		{
			"organizations are listed",
			call{method: "GET", path: "/v1/organizations?limit=5", key: "admin"},
			200,
			[]string{`"organizationFiscalCode":"` + ente + `"`, `"page_info":{"items_found":1,"limit":5,"page":0,"total_pages":1}`},
			nil,
		},
		{"a page beyond the last is empty", call{method: "GET", path: "/v1/organizations?page=7", key: "admin"}, 200, []string{`"organizations":[]`}, nil},
		{"a page has a size", call{method: "GET", path: "/v1/organizations?limit=51", key: "admin"}, 400, []string{`"pointer":"limit"`}, nil},
		{"a page is a number", call{method: "GET", path: "/v1/organizations?page=x", key: "admin"}, 400, []string{`"pointer":"page"`}, []string{"strconv"}},
		{"unregistering is 204", call{method: "DELETE", path: base, key: "admin"}, 204, nil, nil},
		{"and the second time 404", call{method: "DELETE", path: base, key: "admin"}, 404, nil, nil},
	})
	if _, ok := h.directory.Organization(ente); ok {
		t.Error("an unregistered organization is still in force")
	}
	h.want(t, 201, put(organizationJSON))
	org, ok := h.directory.Organization(ente)
	if !ok {
		t.Fatal("a registration is not in force when its answer arrives")
	}
	credential, err := org.Credential()
	must(t, err)
	if credential.APIKey != "segreto-di-send" {
		t.Error("the sealed key does not open to what was sent")
	}
}

func TestSecretsNeedAMasterKey(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.Box = nil })
	h.play(t, []scenario{
		{
			"a secret is refused, and the operator told what to set",
			call{method: "PUT", path: base, key: "admin", body: organizationJSON},
			422,
			[]string{"ATTUALIZZA_MASTER_KEY", `"/send/apiKey"`},
			[]string{"segreto"},
		},
		{"nothing was stored", call{method: "GET", path: base, key: "admin"}, 404, nil, nil},
		{"an organization without secrets is registered all the same", call{method: "PUT", path: base, key: "admin", body: strings.Replace(organizationJSON, `"apiKey": "segreto-di-send", `, "", 1)}, 201, nil, nil},
	})
}

func TestAPIKeys(t *testing.T) {
	h := openHouse(t).furnish(t)
	keys := base + "/api-keys"
	h.play(t, []scenario{
		{"a key of nobody is not issued", call{method: "POST", path: "/v1/organizations/11111111111/api-keys", key: "admin", body: `{"name":"x","role":"READER"}`}, 404, nil, nil},
		{
			"everything wrong with a key is told at once",
			call{method: "POST", path: keys, key: "admin", body: `{"name":"","role":"BOSS","segregationCodes":["1","01","x1"]}`},
			400,
			[]string{`"/name"`, `"/role"`, `"/segregationCodes/0"`, `"/segregationCodes/2"`},
			[]string{`"/segregationCodes/1"`},
		},
		{"keys are listed without their secrets", call{method: "GET", path: keys, key: "admin"}, 200, []string{`"gestionale"`, `"segregationCodes":["02"]`}, []string{`"key"`, "hash", "altri"}},
		{"the keys of nobody are not found", call{method: "GET", path: "/v1/organizations/11111111111/api-keys", key: "admin"}, 404, nil, nil},
		{"a key that is not there is not revoked", call{method: "DELETE", path: keys + "/nonesuch", key: "admin"}, 404, nil, nil},
	})
	id, _, _ := strings.Cut(h.keys["writer"], ".")
	h.want(t, 404, call{method: "DELETE", path: "/v1/organizations/" + other + "/api-keys/" + id, key: "admin"})
	h.want(t, 404, call{method: "GET", path: base + "/debtpositions/x", key: "writer"})
	h.want(t, 204, call{method: "DELETE", path: keys + "/" + id, key: "admin"})
	h.want(t, 401, call{method: "GET", path: base + "/debtpositions/x", key: "writer"})
	stored, err := h.store.Keys(t.Context(), ente)
	must(t, err)
	for _, k := range stored {
		if strings.Contains(h.keys["reader"], string(k.Hash)) || len(k.Hash) != 32 {
			t.Error("a key is stored as something else than a hash")
		}
	}
}

func TestAKeyMayComeInThreeHeaders(t *testing.T) {
	h := openHouse(t).furnish(t)
	key := h.keys["reader"]
	get := func(header http.Header) call {
		return call{method: "GET", path: base + "/debtpositions/none", header: header}
	}
	for name, header := range map[string]http.Header{
		"GPD's":        {"Ocp-Apim-Subscription-Key": {key}},
		"ours":         {"X-Api-Key": {key}},
		"bearer":       {"Authorization": {"Bearer " + key}},
		"bearer, low":  {"Authorization": {"bearer  " + key}},
		"the same two": {"X-Api-Key": {key}, "Authorization": {"Bearer " + key}},
		"an empty one": {"Ocp-Apim-Subscription-Key": {key}, "X-Api-Key": {""}, "Authorization": {"Bearer "}},
	} {
		if a := h.do(t, get(header)); a.status != 404 {
			t.Errorf("%s header: %d", name, a.status)
		}
	}
	for name, header := range map[string]http.Header{
		"two keys":       {"X-Api-Key": {key}, "Ocp-Apim-Subscription-Key": {h.keys["writer"]}},
		"twice X-Api":    {"X-Api-Key": {key, adminKey}},
		"basic":          {"Authorization": {"Basic " + key}},
		"cut":            {"X-Api-Key": {key[:len(key)-1]}},
		"id only":        {"X-Api-Key": {key[:16]}},
		"endless":        {"X-Api-Key": {key + strings.Repeat("a", 4000)}},
		"an admin's end": {"X-Api-Key": {adminKey + " "}, "Authorization": {"Bearer x"}},
	} {
		if a := h.do(t, get(header)); a.status != 401 || a.header.Get("Www-Authenticate") == "" {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

func TestDebtPositions(t *testing.T) {
	h := openHouse(t).furnish(t)
	const iuv, nav = "01000000000000177", "301000000000000177"
	create := func(body string) call {
		return call{method: "POST", path: base + "/debtpositions", key: "writer", body: body}
	}
	good := positionJSON("P-1", iuv)
	edit := func(old, new string) string {
		return strings.Replace(positionJSON("P-2", "01000000000000278"), old, new, 1)
	}
	const at = "/paymentOption/0"
	h.play(t, []scenario{
		{
			"a position is created as a draft, its notice number made of the IUV", create(good), 201,
			[]string{`"status":"DRAFT"`, `"lifecycle":"OPEN"`, `"nav":"` + nav + `"`, `"amount":12000`, `"notificationFee":0`, `"sendBound":true`, `"dueDate":"2031-01-31T10:00:00Z"`, `"payStandIn":true`, `"idTransfer":"2"`, `"PO_UNPAID"`, `"organizationFiscalCode":"88888888888"`, `"organizationFiscalCode":"` + ente + `"`},
			[]string{`":999`, "price", "publishDate"},
		},
		{"the same iupd again is a conflict", create(strings.Replace(good, iuv, "01000000000000379", 1)), 409, []string{`"CONFLICT"`}, nil},
		{"the same IUV again is a conflict", create(strings.Replace(good, "P-1", "P-9", 1)), 409, nil, []string{"Verdi"}},
		{"it reads as it was created", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{`"iupd":"P-1"`, `"fullName":"Luca Verdi"`, `"key":"pratica"`}, nil},
		{"one that is not there is not found", call{method: "GET", path: base + "/debtpositions/P-0", key: "reader"}, 404, nil, nil},
		{"a draft cannot be invalidated", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 409, []string{"DRAFT"}, nil},
		{"a stale If-Match is refused", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer", header: http.Header{"If-Match": {`"7"`}}}, 412, []string{`"STALE"`, "version 1"}, nil},
		{"a weak tag never matches", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer", header: http.Header{"If-Match": {`W/"1"`}}}, 412, nil, nil},
		{"it is published on the version that was read", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer", header: http.Header{"If-Match": {`"7", "1"`}}}, 200, []string{`"status":"VALID"`, `"publishDate"`, `"validityDate"`}, nil},
		{"it is published once", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}, 409, []string{"VALID"}, nil},
		{"it is withdrawn", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer", header: http.Header{"If-Match": {`*`}}}, 200, []string{`"status":"INVALID"`}, nil},
		{"what is not there cannot be published", call{method: "POST", path: base + "/debtpositions/P-0/publish", key: "writer"}, 404, nil, nil},

		{"toPublish publishes at once", call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-3", "01000000000000379")}, 201, []string{`"status":"VALID"`}, nil},
		{"toPublish is true or false", call{method: "POST", path: base + "/debtpositions?toPublish=maybe", key: "writer", body: positionJSON("P-4", "01000000000000480")}, 400, []string{`"pointer":"toPublish"`}, nil},
		{
			"a validity date ahead leaves it PUBLISHED",
			call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: strings.Replace(positionJSON("P-5", "01000000000000581"), `"switchToExpired"`, `"validityDate":"2030-01-01T00:00:00+02:00","switchToExpired"`, 1)},
			201,
			[]string{`"status":"PUBLISHED"`, `"validityDate":"2029-12-31T22:00:00Z"`},
			nil,
		},
		{
			"a date without a zone is UTC, as GPD has it",
			call{method: "POST", path: base + "/debtpositions", key: "writer", lenient: true, body: strings.Replace(positionJSON("P-10", "01000000000000987"), "10:00:00Z", "10:00:00.5", 1)},
			201,
			[]string{`"dueDate":"2031-01-31T10:00:00.5Z"`},
			nil,
		},
		{"an iupd may hold what a URL must escape", create(strings.Replace(positionJSON("A/B è 1", "01000000000000682"), `"amount": 12000`, `"amount":12000`, 1)), 201, []string{`"A/B è 1"`}, nil},
		{"and is found again", call{method: "GET", path: base + "/debtpositions/A%2FB%20%C3%A8%201", key: "reader"}, 200, []string{`"A/B è 1"`}, nil},

		{
			"a wrong IBAN and a wrong notice number are warned of, and taken", create(strings.Replace(strings.Replace(positionJSON("P-6", "01000000000000701"), "IT60X", "IT61X", 1), `"iuv"`, `"nav": "301000000000000701", "iuv"`, 1)), 201,
			[]string{`"warnings":[`, `"/paymentOption/0/nav"`, `"/paymentOption/0/transfer/0/iban"`},
			[]string{`"/paymentOption/0/transfer/1/iban"`},
		},
		{"amounts that do not add up are refused", create(edit(`"amount": 10000`, `"amount": 9999`)), 400, []string{at + `/amount`, "11999"}, nil},
		{"everything wrong is told at once, types and rules", create(edit(`"amount": 10000`, `"amount": "10000", "idTransfer": "7"`) + ""), 400, []string{at + "/transfer/1/amount", at + "/transfer/1/idTransfer"}, nil},
		{"rules of the rest of the body are told beside wrong types", create(strings.Replace(edit(`"type": "F"`, `"type": "X"`), `"isPartialPayment": false`, `"isPartialPayment": "no"`, 1)), 400, []string{`"/type"`, at + "/isPartialPayment"}, nil},
		{"what is missing is told", create(`{"iupd":"x","paymentOption":[{}]}`), 400, []string{`"/fullName"`, `"/switchToExpired"`, at + "/iuv", at + "/amount", at + "/dueDate"}, nil},
		{"null is missing", create(edit(`"fullName": "Luca Verdi"`, `"fullName": null`)), 400, []string{`"/fullName"`}, nil},
		{"an IUV that makes no notice number is told where the number is missing", create(edit("01000000000000278", "RF98ABC")), 400, []string{at + "/nav", "17 digits"}, nil},
		{"an IUV of another notice is refused", create(edit(`"iuv"`, `"nav":"301000000000000379","iuv"`)), 400, []string{at + "/iuv"}, nil},
		{"the probe's number is no debt", create(edit(`"iuv": "01000000000000278"`, `"nav":"000000000000000000","iuv": "000000000000000"`)), 400, []string{"probe"}, nil},
		{"an impossible date is refused", create(edit("2031-01-31", "2031-02-31")), 400, []string{at + "/dueDate"}, nil},
		{"six transfers are refused", create(edit(`"transfer": [`, `"transfer": [`+strings.Repeat(`{"idTransfer":"3","amount":1,"remittanceInformation":"a","category":"b","iban":"IT60X0542811101000000123456"},`, 4))), 400, []string{"6 transfers"}, nil},
		{"the reserved metadata key is a conflict, as GPD has it", create(edit(`"pratica"`, `"NOTIFICATION_FEE"`)), 409, []string{"NOTIFICATION_FEE"}, nil},
		{"SEND's fee needs a transfer to carry it", create(edit(`{"idTransfer": "2", `, `{"idTransfer": "2", "organizationFiscalCode": "99999999999", `)), 422, []string{at + "/transfer"}, nil},
		{"wrong amount rules are refused, not ignored", create(edit(`"iuv"`, `"amountRules": [{"anchor":"DATE"}], "components": [{"code":"FINE","amount":12000}], "iuv"`)), 400, []string{at + "/amountRules/0/effect", at + "/components"}, nil},
		{"a sender's mistyped extension is refused", create(edit(`"sendBound"`, `"send_bound"`)), 400, []string{at + "/send_bound", "sendBound"}, nil},
		{"one of another case too", create(edit(`"sendBound"`, `"SendBound"`)), 400, []string{at + "/SendBound"}, nil},
		{"an extension in the wrong place is refused", create(edit(`"iupd"`, `"sendBound": true, "iupd"`)), 400, []string{`"/sendBound"`, "paymentOption"}, nil},
		{"members that GPD does not know are ignored", create(edit(`"iupd"`, `"whatever": {"a":[1,2,{}]}, "whatever": 1, "iupd"`)), 201, nil, []string{"whatever"}},
		{"GPD's own names are told apart by case", create(strings.Replace(positionJSON("P-7", "01000000000000886"), `"fullName"`, `"fullname"`, 1)), 400, []string{`"/fullName"`}, nil},
		{"empty rules ask for nothing", create(strings.Replace(positionJSON("P-8", "01000000000000886"), `"iuv"`, `"amountRules": [], "components": null, "iuv"`, 1)), 201, nil, nil},
	})
	a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"})
	if tag := a.header.Get("ETag"); !strings.HasPrefix(tag, `"3-`) {
		t.Errorf("ETag is %s after two changes", tag)
	}
	versions, err := h.store.Versions(t.Context(), ente, "P-1")
	must(t, err)
	id, _, _ := strings.Cut(h.keys["writer"], ".")
	for i, action := range []string{"INVALIDATE", "PUBLISH", "CREATE"} {
		if v := versions[i]; v.Action != action || v.Actor != (positions.Actor{Kind: "KEY", ID: id}) {
			t.Errorf("version %d was %s by %v", v.Version, v.Action, v.Actor)
		}
	}
}

func TestWhatIsAnsweredIsWhatIsStored(t *testing.T) {
	h := openHouse(t).furnish(t)
	read := call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}
	same := func(a answer) {
		t.Helper()
		if b := h.want(t, 200, read); string(a.body) != string(b.body) || a.header.Get("ETag") != b.header.Get("ETag") {
			t.Errorf("answered %s\nstored   %s", a.body, b.body)
		}
	}
	same(h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", "01000000000000177")}))
	same(h.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}))
	same(h.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}))
	organization := call{method: "PUT", path: base, key: "admin", body: organizationJSON}
	put := h.want(t, 200, organization)
	if get := h.want(t, 200, call{method: "GET", path: base, key: "admin"}); string(put.body) != string(get.body) {
		t.Errorf("answered %s\nstored   %s", put.body, get.body)
	}
}

func TestAmountsReadWithTheFeeLastKnown(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
	h.play(t, []scenario{
		{
			"a notice is known without asking SEND",
			call{method: "GET", path: base + "/notices/" + nav, key: "reader"},
			200,
			[]string{`"exists":true`, `"iupd":"P-1"`, `"payable":true`, `"amount":12000`, `"notificationFee":0`, `"status":"VALID"`},
			[]string{"fault"},
		},
	})
	if n := h.sendCalls.Load(); n != 0 {
		t.Errorf("SEND was asked %d times", n)
	}
	h.play(t, []scenario{
		{
			"a quote asks SEND",
			call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"},
			200,
			[]string{`"amount":12710`, `"baseAmount":12000`, `"amountByRules":12000`, `"notificationFee":710`, `"source":"LIVE"`, `"totalPrice":710`, `"analogCost":418`, `"component":"NOTIFICATION_FEE"`, `"changesAt":[]`, `"dueDate":"2031-01-31"`},
			[]string{"fault"},
		},
		{
			"a quote at an instant asks nobody",
			call{method: "GET", path: base + "/notices/" + nav + "/quote?at=2027-01-01T00:00:00%2B01:00", key: "reader"},
			200,
			[]string{`"at":"2026-12-31T23:00:00Z"`, `"amount":12710`, `"source":"CACHE"`},
			nil,
		},
		{"an unescaped plus is still a zone", call{method: "GET", path: base + "/notices/" + nav + "/quote?at=2027-01-01T00:00:00+01:00", key: "reader"}, 200, []string{`"at":"2026-12-31T23:00:00Z"`}, nil},
		{"an instant is one", call{method: "GET", path: base + "/notices/" + nav + "/quote?at=tomorrow", key: "reader"}, 400, []string{`"pointer":"at"`}, nil},
		{
			"the fee is in the amounts of the option and of its carrier, and told apart",
			call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"},
			200,
			[]string{`"amount":12710`, `"amount":10710`, `"amount":2000`, `"notificationFee":710`, `"price":{`, `"source":"LAST_KNOWN"`},
			nil,
		},
		{"the notice reads the fee too", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 200, []string{`"amount":12710`, `"notificationFee":710`}, nil},
		{"no such notice", call{method: "GET", path: base + "/notices/301000000000000278", key: "reader"}, 404, nil, nil},
		{"no such notice to quote", call{method: "GET", path: base + "/notices/301000000000000278/quote", key: "reader"}, 404, nil, nil},
		{"the probe's number is unknown", call{method: "GET", path: base + "/notices/000000000000000000", key: "reader"}, 404, nil, nil},
		{"a notice number is 18 digits", call{method: "GET", path: base + "/notices/30100000000000027x/quote", key: "reader"}, 400, []string{`"pointer":"nav"`}, nil},
		{"a withdrawn position", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 200, []string{`"amount":12710`}, nil},
		{
			"is quoted as not payable, with the Nodo's fault",
			call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"},
			200,
			[]string{`"payable":false`, `"fault":"PAA_PAGAMENTO_ANNULLATO"`, `"amount":0`, `"baseAmount":12000`, `"lines":[]`},
			[]string{`"price"`},
		},
		{"and the debt is still that much", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 200, []string{`"payable":false`, `"amount":12710`, `"status":"INVALID"`}, nil},
	})
	if n := h.sendCalls.Load(); n != 1 {
		t.Errorf("SEND was asked %d times", n)
	}
}

func TestAQuoteWithoutSEND(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.send.Store(sendAnswers(500, `{}`))
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
	quote := call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"}
	h.play(t, []scenario{
		{"is the base amount when no price was ever known", quote, 200, []string{`"payable":true`, `"amount":12000`, `"source":"NONE"`}, []string{`"price"`}},
		{"the organization prefers to refuse", call{method: "PUT", path: base, key: "admin", body: strings.Replace(organizationJSON, `"officeName"`, `"policy":{"onSendUnavailable":"REFUSE"},"officeName"`, 1)}, 200, nil, nil},
		{"then it says which fault the Nodo is given", quote, 200, []string{`"payable":false`, `"fault":"PAA_SYSTEM_ERROR"`, `"amount":0`, `"source":"NONE"`}, nil},
	})
}

func TestAnExpiredNoticeSaysSo(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	body := strings.NewReplacer(`"switchToExpired": false`, `"switchToExpired": true`, `"sendBound": true`, `"sendBound": false`).Replace(positionJSON("P-1", nav[1:]))
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: body})
	h.clock.Store(int64(10 * 365 * 24 * time.Hour))
	h.play(t, []scenario{
		{"as a notice", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 200, []string{`"status":"EXPIRED"`, `"fault":"PAA_PAGAMENTO_SCADUTO"`}, nil},
		{"as a position", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{`"status":"EXPIRED"`}, nil},
		{"as a quote", call{method: "GET", path: base + "/notices/" + nav + "/quote", key: "reader"}, 200, []string{`"PAA_PAGAMENTO_SCADUTO"`}, nil},
	})
}

func TestAnswersAndReceipts(t *testing.T) {
	h := openHouse(t).furnish(t)
	ctx := t.Context()
	const nav positions.NoticeNumber = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", string(nav[1:]))})
	at := time.Date(2026, 11, 1, 9, 30, 0, 0, time.UTC)
	must(t, h.store.RecordAnswers(ctx, []positions.Answer{
		{
			At: at, OrganizationFiscalCode: ente, NAV: nav, Operation: "paVerifyPaymentNotice", StationCode: "S", Duration: 212500 * time.Microsecond, Outcome: "OK",
			Amount: 12710, BaseAmount: 12000, NotificationFee: 710, Source: positions.SourceLive, PositionVersion: 1,
			Send: &positions.SendExchange{RequestedAt: at, AnsweredAt: at.Add(200 * time.Millisecond), Status: 200}, Price: &positions.Price{TotalPrice: 710, FetchedAt: at},
		},
		{At: at.Add(time.Minute), OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", StationCode: "S", Outcome: "KO", Fault: "PAA_SYSTEM_ERROR"},
		{At: at.Add(2 * time.Minute), OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", StationCode: "S", Outcome: "OK", Amount: 12710, BaseAmount: 12000, NotificationFee: 710, Source: positions.SourceCache},
	}))
	for i, id := range []string{"rcpt-1", "rcpt/2"} {
		_, err := h.store.SaveReceipt(ctx, &positions.Receipt{
			OrganizationFiscalCode: ente, ReceiptID: id, CreditorFiscalCode: ente, NAV: nav, StationCode: "S", Operation: "paSendRTV2", Outcome: "OK",
			PaymentAmount: 12700, PSPFee: 150, PSPCompanyName: "Banca", PaymentMethod: "creditCard", PaymentDateTime: at, StandIn: i == 1,
			ReceivedAt: at.Add(time.Duration(i) * time.Hour), Message: []byte("<Luca Verdi/>"),
		})
		must(t, err)
	}
	h.play(t, []scenario{
		{
			"answers are told, newest first, with SEND's part",
			call{method: "GET", path: base + "/notices/" + string(nav) + "/answers", key: "reader"},
			200,
			[]string{`"durationMs":212.5`, `"source":"LIVE"`, `"fault":"PAA_SYSTEM_ERROR"`, `"answeredAt":"2026-11-01T09:30:00.2Z"`, `"items_found":3`},
			nil,
		},
		{"a page of them", call{method: "GET", path: base + "/notices/" + string(nav) + "/answers?page=2&limit=1", key: "reader"}, 200, []string{`"paVerifyPaymentNotice"`, `"total_pages":3`}, []string{"paGetPaymentV2"}},
		{"a notice nobody asked about has none", call{method: "GET", path: base + "/notices/301000000000000278/answers", key: "reader"}, 200, []string{`"answers":[]`, `"total_pages":0`}, nil},
		{
			"receipts are listed with the difference to what was asked",
			call{method: "GET", path: base + "/receipts", key: "reader"},
			200,
			[]string{`"receiptId":"rcpt-1"`, `"difference":-10`, `"lastAnswered":12710`, `"ALREADY_PAID"`, `"standIn":true`, `"items_found":2`},
			[]string{"Verdi"},
		},
		{"only the flagged ones", call{method: "GET", path: base + "/receipts?flagged=true", key: "reader"}, 200, []string{`"rcpt/2"`}, []string{"rcpt-1"}},
		{"only those of a time", call{method: "GET", path: base + "/receipts?from=2026-11-01T09:00:00Z&to=2026-11-01T10:00:00Z", key: "reader"}, 200, []string{"rcpt-1"}, []string{"rcpt/2"}},
		{"only those of a notice", call{method: "GET", path: base + "/receipts?nav=301000000000000278", key: "reader"}, 200, []string{`"receipts":[]`}, nil},
		{"a time is one", call{method: "GET", path: base + "/receipts?from=2026-13-01T09:00:00Z", key: "reader"}, 400, []string{`"pointer":"from"`}, nil},
		{"a receipt is read by its id", call{method: "GET", path: base + "/receipts/rcpt%2F2", key: "reader"}, 200, []string{`"rcpt/2"`, `"fee":150`, `"pspCompanyName":"Banca"`}, []string{"Verdi"}},
		{"one that is not there is not found", call{method: "GET", path: base + "/receipts/nope", key: "reader"}, 404, nil, nil},
		{"the position is paid", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{`"status":"PAID"`, `"PO_PAID"`, `"idReceipt":"rcpt-1"`, `"paymentMethod":"creditCard"`, `"lifecycle":"CLOSED"`}, nil},
		{"and cannot be withdrawn", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 409, []string{"PAID"}, nil},
	})
}

func TestSegregationCodesHideOtherNotices(t *testing.T) {
	h := openHouse(t).furnish(t)
	const mine, theirs = "302000000000000178", "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("OF-1", theirs[1:])})
	for id, nav := range map[string]positions.NoticeNumber{"r1": theirs, "r2": mine} {
		_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{OrganizationFiscalCode: ente, ReceiptID: id, CreditorFiscalCode: ente, NAV: nav, Operation: "paSendRT", PaymentAmount: 1, ReceivedAt: time.Now()})
		must(t, err)
	}
	h.play(t, []scenario{
		{"one's own code is open", call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "segregated", body: positionJSON("OF-2", mine[1:])}, 201, nil, nil},
		{"another code cannot be written", call{method: "POST", path: base + "/debtpositions", key: "segregated", body: positionJSON("OF-3", "01000000000000278")}, 403, []string{"segregation"}, nil},
		{"its positions are not there", call{method: "GET", path: base + "/debtpositions/OF-1", key: "segregated"}, 404, nil, []string{"Verdi"}},
		{"cannot be published", call{method: "POST", path: base + "/debtpositions/OF-1/publish", key: "segregated"}, 404, nil, nil},
		{"nor its notices", call{method: "GET", path: base + "/notices/" + theirs, key: "segregated"}, 404, nil, nil},
		{"nor quotes", call{method: "GET", path: base + "/notices/" + theirs + "/quote", key: "segregated"}, 404, nil, nil},
		{"nor answers", call{method: "GET", path: base + "/notices/" + theirs + "/answers", key: "segregated"}, 404, nil, nil},
		{"nor a receipt", call{method: "GET", path: base + "/receipts/r1", key: "segregated"}, 404, nil, nil},
		{"nor receipts of such a notice", call{method: "GET", path: base + "/receipts?nav=" + theirs, key: "segregated"}, 404, nil, nil},
		{"all receipts are those of its notices", call{method: "GET", path: base + "/receipts", key: "segregated"}, 200, []string{`"receiptId":"r2"`, `"items_found":1`}, []string{"r1"}},
		{"those of its own notice are", call{method: "GET", path: base + "/receipts?nav=" + mine, key: "segregated"}, 200, nil, nil},
		{"its own notice is", call{method: "GET", path: base + "/notices/" + mine, key: "segregated"}, 200, nil, nil},
	})
}

func TestService(t *testing.T) {
	h := openHouse(t)
	h.play(t, []scenario{
		{"info", call{method: "GET", path: "/info"}, 200, []string{`"name":"attualizza"`, `"version":"1.2.3"`, `"environment":"test"`}, nil},
		{"info where GPD has it", call{method: "GET", path: "/v1/info"}, 200, []string{`"attualizza"`}, nil},
		{"status", call{method: "GET", path: "/status"}, 200, []string{`"status":200`}, nil},
		{"the document", call{method: "GET", path: "/openapi.yaml"}, 200, []string{"openapi: 3.0.3"}, nil},
		{"the page, from this host alone", call{method: "GET", path: "/docs"}, 200, []string{"<!DOCTYPE html>", "/v1/organizations/{organizationFiscalCode}/debtpositions", "PaymentOptionInput", `id="INVALID"`}, []string{"<script", "src=", "@import", "&lt;no value"}},
		{"a path of nothing", call{method: "GET", path: "/v1/nothing"}, 404, []string{`"NOT_FOUND"`}, nil},
		{"a method of nothing", call{method: "PATCH", path: "/info"}, 405, []string{`"METHOD_NOT_ALLOWED"`}, nil},
	})
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.play(t, []scenario{
		{"a database that does not answer", call{method: "GET", path: "/status"}, 503, []string{`"UNAVAILABLE"`}, nil},
		{"is no reason to call a key unknown", call{method: "GET", path: base + "/debtpositions/x", key: "abcdefghijklmnop.x"}, 503, nil, nil},
	})
	if a := h.do(t, call{method: "GET", path: "/status"}); a.header.Get("Retry-After") == "" {
		t.Error("a 503 without Retry-After")
	}
}
