package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestNoticesThatCannotBePaid(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"every state has its fault, and SEND is not asked": everyState,
		"an instalment and the whole exclude each other":   instalments,
		"every change of a position is a version of it":    versions,
		"a payment that was revoked is asked for again":    reopened,
		"whoever is not known here is refused in order":    parties,
	})
}

func everyState(t *testing.T, h *house) {
	e := h.ente(t)
	move := func(verb string, body object) func(debt) {
		body["reason"] = "prova"
		return func(d debt) {
			e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/"+verb, e.key, body, http.StatusOK, nil)
		}
	}
	for _, c := range []struct {
		name   string
		change func(position, option object)
		draft  bool
		then   func(debt)
		want   string
	}{
		{name: "a draft", draft: true, want: "PAA_PAGAMENTO_SCONOSCIUTO"},
		{name: "valid from tomorrow", want: "PAA_PAGAMENTO_SCONOSCIUTO", change: func(p, _ object) {
			p["validityDate"] = time.Now().AddDate(0, 0, 1).UTC().Format(time.RFC3339)
		}},
		{name: "past its due date", want: "PAA_PAGAMENTO_SCADUTO", change: func(p, o object) {
			p["switchToExpired"], o["dueDate"] = true, time.Now().Add(300*time.Millisecond).UTC().Format(time.RFC3339Nano)
		}, then: func(debt) { time.Sleep(400 * time.Millisecond) }},
		{name: "invalidated", want: "PAA_PAGAMENTO_ANNULLATO", then: func(d debt) {
			e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/invalidate", e.key, nil, http.StatusOK, nil)
		}},
		{name: "blocked", want: "PAA_PAGAMENTO_IN_CORSO", then: move("block", object{})},
		{name: "transferred", want: "PAA_PAGAMENTO_ANNULLATO", then: move("transfer", object{"toOrganizationFiscalCode": "11111111111"})},
		{name: "closed without a payment", want: "PAA_PAGAMENTO_ANNULLATO", then: move("close", object{})},
	} {
		d, position := e.position(t, digital)
		if c.change != nil {
			c.change(position, position["paymentOption"].([]object)[0])
		}
		path := "/debtpositions?toPublish=true"
		if c.draft {
			path = "/debtpositions"
		}
		e.mustREST(t, http.MethodPost, path, e.key, position, http.StatusCreated, nil)
		if c.then != nil {
			c.then(d)
		}
		for i, op := range bothWays {
			reply := e.ask(t, op, d.nav)
			if fault(reply) != c.want {
				t.Errorf("%s: %s answers %s", c.name, op, fault(reply))
			}
			wantsFault(t, reply, c.want)
			if a := e.answersOnRecord(t, d.nav, i+1)[0]; a.Outcome != "KO" || *a.Fault != c.want || a.Amount != 0 {
				t.Errorf("%s: on record is %+v", c.name, a)
			}
		}
		var quote rest.Quote
		e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
		if quote.Payable || quote.Fault == nil || *quote.Fault != c.want || quote.Amount != 0 {
			t.Errorf("%s: the quote is %+v", c.name, quote)
		}
		if n := e.calls(d); n != 0 {
			t.Errorf("%s: SEND was called %d times", c.name, n)
		}
	}
	for _, nav := range []positions.NoticeNumber{newNotice(t, digital), positions.ProbeNotice} {
		for _, op := range bothWays {
			wantsFault(t, e.ask(t, op, nav), "PAA_PAGAMENTO_SCONOSCIUTO")
		}
		if n := h.sim.Calls(e.fiscalCode, string(nav)); n != 0 {
			t.Errorf("SEND was called %d times about a notice that does not exist", n)
		}
	}
}

// plan publishes a position of the whole and two instalments.
func (e *ente) plan(t *testing.T) (whole, first, second debt) {
	t.Helper()
	option := func(d *debt, amount money.Cents) object {
		d.nav, d.amount = newNotice(t, digital), amount
		return object{
			"nav": d.nav, "iuv": d.nav.IUV(), "amount": amount, "description": "Rata", "isPartialPayment": true,
			"dueDate": time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339), "sendBound": true, "transfer": []object{transfer("1", amount)},
		}
	}
	whole = e.publish(t, digital, func(position, o object) {
		position["paymentOption"] = []object{o, option(&first, 6000), option(&second, 4000)}
	})
	return whole, first, second
}

func instalments(t *testing.T, h *house) {
	e := h.ente(t)
	whole, first, second := e.plan(t)
	for _, d := range []debt{whole, first, second} {
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	}
	e.pay(t, first)
	wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, first.nav), "PAA_PAGAMENTO_DUPLICATO")
	wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, whole.nav), "PAA_PAGAMENTO_DUPLICATO")
	wants(t, e.ask(t, pafornode.GetPaymentV2, second.nav), second.amount+200)
	e.wantsStatus(t, whole.iupd, positions.PartiallyPaid)
	e.pay(t, second)
	e.wantsStatus(t, whole.iupd, positions.Paid)

	whole, first, second = e.plan(t)
	e.pay(t, whole)
	for _, d := range []debt{whole, first, second} {
		wantsFault(t, e.ask(t, pafornode.GetPaymentV2, d.nav), "PAA_PAGAMENTO_DUPLICATO")
	}
	e.wantsStatus(t, whole.iupd, positions.Paid)
}

func (e *ente) wantsStatus(t *testing.T, iupd string, status positions.Status) {
	t.Helper()
	var position rest.PaymentPosition
	e.mustREST(t, http.MethodGet, "/debtpositions/"+iupd, e.key, nil, http.StatusOK, &position)
	if position.Status != status {
		t.Errorf("the position is %s, want %s", position.Status, status)
	}
}

func versions(t *testing.T, h *house) {
	e := h.ente(t)
	d, position := e.position(t, digital)
	e.mustREST(t, http.MethodPost, "/debtpositions", e.key, position, http.StatusCreated, nil)
	e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/publish", e.key, nil, http.StatusOK, nil)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	if a := e.wantsSource(t, d.nav, reply, positions.SourceLive, 200); a.PositionVersion != 2 {
		t.Errorf("the answer is of version %d", a.PositionVersion)
	}
	e.pay(t, d)
	all, err := h.store.Versions(t.Context(), e.fiscalCode, d.iupd)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d versions, %v; want created, published, paid", len(all), err)
	}
	for i, want := range []positions.Status{positions.Paid, positions.Valid, positions.Draft} {
		v := all[i]
		if v.Status != want || v.Version != int64(3-i) || v.At.IsZero() || v.Actor.Kind == "" || v.Action == "" {
			t.Errorf("version %d is %+v, want %s", 3-i, v, want)
		}
	}
}

func reopened(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	reopen := func() {
		e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/reopen", e.key, object{"reason": "revoca"}, http.StatusOK, nil)
	}
	first := e.pay(t, d)
	wantsFault(t, e.ask(t, pafornode.GetPaymentV2, d.nav), "PAA_PAGAMENTO_DUPLICATO")
	reopen()
	e.wantsStatus(t, d.iupd, positions.Valid)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	e.accepted(t, first) // the Nodo resubmits what is known already
	wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount+200)

	e.mustREST(t, http.MethodPut, "/notices/"+string(d.nav)+"/amount", e.key, object{"amount": d.amount + 300, "reason": "interessi"}, http.StatusOK, nil)
	wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount+500)
	e.pay(t, d)
	e.wantsStatus(t, d.iupd, positions.Paid)
	e.mustREST(t, http.MethodPut, "/notices/"+string(d.nav)+"/amount", e.key, object{"amount": d.amount, "reason": "sconto"}, http.StatusConflict, nil)
	var list rest.VersionList
	e.mustREST(t, http.MethodGet, "/debtpositions/"+d.iupd+"/versions", e.key, nil, http.StatusOK, &list)
	var story []string
	for _, v := range list.Versions {
		story = append(story, v.Action)
	}
	if got := strings.Join(story, " "); got != "PAY AMOUNT REOPEN PAY CREATE" {
		t.Errorf("the history tells %s", got)
	}
	for _, r := range e.kept(t, d.nav) {
		if len(r.Flags) > 0 {
			t.Errorf("receipt %s is flagged %v", r.ReceiptID, r.Flags)
		}
	}
}

func parties(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	for _, c := range []struct {
		name   string
		change func(*pafornode.Request)
		want   string
	}{
		{"broker, station and organization", func(r *pafornode.Request) {
			r.IDBrokerPA, r.IDStation, r.IDPA = "99999999999", "99999999999_01", "99999999999"
		}, "PAA_ID_INTERMEDIARIO_ERRATO"},
		{"station and organization", func(r *pafornode.Request) { r.IDStation, r.IDPA = demoBroker+"_99", "99999999999" }, "PAA_STAZIONE_INT_ERRATA"},
		{"organization", func(r *pafornode.Request) { r.IDPA = "99999999999" }, "PAA_ID_DOMINIO_ERRATO"},
		{"organization of the notice", func(r *pafornode.Request) { r.QRCode.FiscalCode = "99999999999" }, "PAA_ID_DOMINIO_ERRATO"},
		{"notice", func(r *pafornode.Request) { r.QRCode.NoticeNumber = string(newNotice(t, digital)) }, "PAA_PAGAMENTO_SCONOSCIUTO"},
	} {
		for _, op := range bothWays {
			request := e.request(op, d.nav)
			c.change(request)
			reply := h.send(t, request)
			if fault(reply) != c.want {
				t.Errorf("wrong %s: %s answers %s, want %s", c.name, op, fault(reply), c.want)
			}
		}
	}
	wantsFault(t, h.send(t, &pafornode.Request{
		Operation: pafornode.DemandPaymentNotice, IDPA: e.fiscalCode, IDBrokerPA: demoBroker, IDStation: demoStation,
		IDServizio: "00001", IDSoggettoServizio: "00001", DatiSpecificiServizioRequest: "PGRhdGkvPg==",
	}), "PAA_SEMANTICA")
	if n := e.calls(d); n != 0 {
		t.Errorf("SEND was called %d times", n)
	}
}
