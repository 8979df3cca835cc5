package rest

import (
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestNotificationPrice(t *testing.T) {
	p := openPlatform(t)
	p.send.Store(sendAnswers(200, viewedPrice))
	a := p.want(t, 200, legacy(p.login(t, "reader"), legacyBody))
	a.wantMembers(t, map[string]any{
		"numeroAvviso": boundNav, "iun": "ABCD-EFGH-ILMN-202611-A-1", "speseNotifica": 710, "importoPosizione": 12710, "stato": "200",
		"dataVisualizzazione": "2026-02-06T23:59:59.999+01:00", "dataPerfezionamentoDecorrenzaTermini": "2026-02-20T23:59:59.999+01:00",
	})
	for _, absent := range []string{"codice", "dettaglio", "bilancio"} {
		if _, there := a.json(t)[absent]; there {
			t.Errorf("%s is told: %s", absent, a.body)
		}
	}
	// The key itself is a bearer token too, and SEND is not asked twice.
	p.want(t, 200, legacy(p.keys["writer"], legacyBody))
	if n := p.sendCalls.Load(); n != 1 {
		t.Errorf("SEND was asked %d times", n)
	}
}

func TestNotificationPriceWithOneDate(t *testing.T) {
	p := openPlatform(t)
	p.send.Store(sendAnswers(200, pendingPrice))
	a := p.want(t, 200, legacy(p.keys["reader"], legacyBody))
	a.wantMembers(t, map[string]any{"codice": nil, "importoPosizione": 12710, "dataVisualizzazione": nil, "dataPerfezionamentoDecorrenzaTermini": "2099-02-20T23:59:59.999+01:00"})
}

func TestNotificationPriceBusinessErrors(t *testing.T) {
	p := openPlatform(t) // SEND tells a price and no date
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-draft", "01000000000000500")})
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-gone", "01000000000000600")})
	p.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-gone/invalidate", key: "writer"})
	expired := strings.NewReplacer(`"switchToExpired": false`, `"switchToExpired": true`, "2031-01-31T10:00:00Z", p.now().Add(time.Minute).UTC().Format(time.RFC3339))
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: expired.Replace(positionJSON("P-late", "01000000000000700"))})
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: strings.Replace(positionJSON("P-plain", "01000000000000800"), `"sendBound": true,`, "", 1)})
	p.clock.Add(int64(2 * time.Minute))
	with := func(old, text string) call {
		return legacy(p.keys["reader"], strings.Replace(legacyBody, old, text, 1))
	}
	amounts := []string{"importoPosizione", "speseNotifica", "iun", "data"}
	p.play(t, []scenario{
		{"a notice that nobody knows", with(boundNav, "301000000000099999"), 200, []string{`"codice":"002"`, `"dettaglio":"Codice avviso sconosciuto"`, `"numeroAvviso":"301000000000099999"`, `"stato":"200"`}, amounts},
		{"a notice number that cannot be", with(boundNav, "901000000000000177"), 200, []string{`"codice":"002"`}, amounts},
		{"a draft", with(boundNav, "301000000000000500"), 200, []string{`"codice":"002"`}, amounts},
		{"another organization", with(ente, other), 200, []string{`"codice":"002"`}, amounts},
		{"this organization, by another's key", legacy(p.keys["foreign"], legacyBody), 200, []string{`"codice":"002"`}, amounts},
		{"outside of the segregation codes", legacy(p.keys["segregated"], legacyBody), 200, []string{`"codice":"002"`}, amounts},
		{"not notified yet", with("", ""), 200, []string{`"codice":"003"`, `"dettaglio":"Avviso non ancora notificato"`}, amounts},
		{"withdrawn", with(boundNav, "301000000000000600"), 200, []string{`"codice":"004"`, "ritirata"}, amounts},
		{"expired", with(boundNav, "301000000000000700"), 200, []string{`"codice":"004"`, "scaduti"}, amounts},
		{"of no notification at all", with(boundNav, "301000000000000800"), 200, []string{`"importoPosizione":12000`, `"speseNotifica":0`}, []string{"codice"}},
		{"of 17 digits", with(boundNav, boundNav[1:]), 400, []string{`"code":"INVALID"`, "/numeroAvviso"}, nil},
		{"without the amount of the position", with(`"S"`, `"N"`), 400, []string{"/importoPosizione"}, nil},
		{"without credential", call{method: "POST", path: "/notification-price", body: legacyBody}, 401, []string{`"code":"UNAUTHORIZED"`}, nil},
		{"by the operator", legacy(adminKey, legacyBody), 403, []string{`"code":"FORBIDDEN"`}, nil},
	})
	p.clock.Add(int64(time.Hour))
	p.send.Store(sendAnswers(404, `{"status":404,"errors":[{"code":"PN_DELIVERY_NOTIFICATION_CANCELLED"}]}`))
	p.play(t, []scenario{{"a cancelled notification", with("", ""), 200, []string{`"codice":"003"`}, amounts}})
}

func TestNotificationPriceOfAPaidNotice(t *testing.T) {
	p := openPlatform(t)
	_, err := p.store.SaveReceipt(t.Context(), &positions.Receipt{
		OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: boundNav, Operation: "paSendRTV2",
		Outcome: "OK", PaymentAmount: 12000, PaymentDateTime: p.now(), ReceivedAt: p.now(),
	})
	must(t, err)
	a := p.want(t, 200, legacy(p.keys["reader"], legacyBody))
	a.wantMembers(t, map[string]any{"codice": "004", "dettaglio": "Avviso non pagabile: risulta già pagato"})
	if a := p.do(t, p.ask(boundBody)); a.status != 409 || !strings.Contains(string(a.body), "PAA_PAGAMENTO_DUPLICATO") {
		t.Errorf("native: %d %s", a.status, a.body)
	}
}

func TestFacadesWhenAPriceIsNeededAndSendIsGone(t *testing.T) {
	p := openPlatform(t)
	p.want(t, 200, call{method: "PUT", path: base, key: "admin", body: strings.Replace(organizationJSON, `"send":`, `"policy":{"onSendUnavailable":"REFUSE"},"send":`, 1)})
	p.send.Store(sendAnswers(500, ""))
	for _, c := range []call{p.ask(boundBody), legacy(p.keys["reader"], legacyBody)} {
		a := p.want(t, 503, c)
		if !strings.Contains(string(a.body), `"code":"UNAVAILABLE"`) || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", c.path, a.body)
		}
	}
}

func TestFacadesTellTheirLimits(t *testing.T) {
	p := openPlatform(t, func(c *Config) { c.RateLimit = 8 })
	var last answer
	for range 20 {
		last = p.do(t, legacy(p.keys["reader"], legacyBody))
	}
	if last.status != 429 || !strings.Contains(string(last.body), `"code":"TOO_MANY_REQUESTS"`) || last.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", last.status, last.body)
	}
}
