package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestWithSENDHealthy(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"verify and both activations answer base plus totalPrice after one call to SEND": baseAndPrice,
		"the quote by REST is the answer by SOAP":                                        quoteIsAnswer,
		"the metadata follow the organization's policy":                                  metadataByPolicy,
		"the fee goes on the organization's first transfer that is not a stamp":          feeOnTheRightTransfer,
		"a notice that is not SEND-bound never causes a call":                            notBound,
		"no cost is an answer":                         noCost,
		"a viewed notification is never asked again":   finalPrice,
		"a price that grew is asked after its time":    growingPrice,
		"a total that SOAP cannot carry is refused":    tooLarge,
		"notices of another organization stay its own": foreignNotice,
	})
}

// bothWays are the operations that ask what a notice costs.
var bothWays = []pafornode.Operation{pafornode.VerifyPaymentNotice, pafornode.GetPaymentV2, pafornode.GetPayment}

func baseAndPrice(t *testing.T, h *house) {
	for kind, price := range map[int64]money.Cents{digital: 200, oneLetter: 1424, twoLetters: 2557} {
		e := h.ente(t)
		d := e.publish(t, kind)
		for i, op := range bothWays {
			reply := e.ask(t, op, d.nav)
			wants(t, reply, d.amount+price)
			source := positions.SourceCache
			if i == 0 {
				source = positions.SourceLive
			}
			a := e.wantsSource(t, d.nav, reply, source, price)
			if a.Price == nil || a.Price.TotalPrice != price || a.PositionVersion != 1 || a.DurationMs <= 0 || *a.StationCode != demoStation {
				t.Errorf("the journal lacks the price, the version, the station or the time: %+v", a)
			}
			switch x := a.Send; {
			case i == 0 && (x == nil || x.Status == nil || *x.Status != 200 || x.AnsweredAt == nil):
				t.Errorf("the exchange with SEND is not on record: %+v", x)
			case i > 0 && x != nil:
				t.Errorf("an exchange with SEND is on record that never was: %+v", *x)
			}
			if payment := reply.Response.Payment; payment != nil {
				if got := payment.Transfers[0].Amount; got != d.amount+price {
					t.Errorf("%s: the transfer carries %s", op, got)
				}
			}
		}
		if n := e.calls(d); n != 1 {
			t.Errorf("SEND was called %d times", n)
		}
		if all := e.answersOnRecord(t, d.nav, len(bothWays)); len(all) != len(bothWays) {
			t.Errorf("%d answers on record, %d were given", len(all), len(bothWays))
		}
	}
}

func quoteIsAnswer(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, oneLetter)
	var quote rest.Quote
	e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, quote.Amount)
	if quote.Amount != d.amount+1424 || quote.BaseAmount != d.amount || quote.NotificationFee != 1424 || !quote.Payable ||
		*quote.Source != positions.SourceLive || quote.Price.TotalPrice != 1424 || len(quote.Lines) != 2 {
		t.Errorf("the quote is %+v", quote)
	}
	e.wantsSource(t, d.nav, reply, positions.SourceCache, 1424) // the quote had asked
	if *quote.DueDate != reply.Response.Payment.DueDate {
		t.Errorf("due date %s by REST, %s by SOAP", *quote.DueDate, reply.Response.Payment.DueDate)
	}
	var notice rest.Notice
	e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav), e.key, nil, http.StatusOK, &notice)
	if notice.Amount != quote.Amount || !notice.Payable || notice.Iupd != d.iupd {
		t.Errorf("the notice is %+v", notice)
	}
	var position rest.PaymentPosition
	e.mustREST(t, http.MethodGet, "/debtpositions/"+d.iupd, e.key, nil, http.StatusOK, &position)
	if o := position.PaymentOption[0]; o.Amount != quote.Amount || o.NotificationFee != 1424 || o.Transfer[0].Amount != quote.Amount {
		t.Errorf("the option is %+v", o)
	}
	if n := e.calls(d); n != 1 {
		t.Errorf("SEND was called %d times", n)
	}
}

// metadata returns the value of NOTIFICATION_FEE and whether it is there.
func metadata(reply *nodo.Reply) (string, bool) {
	for _, m := range reply.Response.Payment.Metadata {
		if m.Key == positions.NotificationFeeKey {
			return m.Value, true
		}
	}
	return "", false
}

func metadataByPolicy(t *testing.T, h *house) {
	for unit, want := range map[string]string{"CENTS": "1424", "EURO": "14.24", "OFF": ""} {
		e := h.ente(t, policy("notificationFeeMetadata", unit))
		d := e.publish(t, oneLetter)
		for _, op := range []pafornode.Operation{pafornode.GetPayment, pafornode.GetPaymentV2} {
			if got, there := metadata(e.ask(t, op, d.nav)); got != want || there != (want != "") {
				t.Errorf("%s, %s: %q, %v", unit, op, got, there)
			}
		}
	}
}

func feeOnTheRightTransfer(t *testing.T, h *house) {
	e := h.ente(t)
	stamp := transfer("2", 1600)
	delete(stamp, "iban")
	stamp["stamp"] = object{"hashDocument": "x2QSBJ4ZZyEnMlC8f2cAv+qRo8CgbUIFlhlq9CbdXfE=", "stampType": "01", "provincialResidence": "RM"}
	others := transfer("1", 2000)
	others["organizationFiscalCode"], others["companyName"] = demoBeneficiary, "Provincia di Prova"
	d := e.publish(t, digital, func(_, option object) {
		option["transfer"] = []object{others, stamp, transfer("3", 4400), transfer("4", 2000)}
	})
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	for i, want := range []money.Cents{2000, 1600, 4600, 2000} {
		if got := reply.Response.Payment.Transfers[i].Amount; got != want {
			t.Errorf("transfer %d carries %s, want %s", i+1, got, want)
		}
	}
	wantsFault(t, e.ask(t, pafornode.GetPayment, d.nav), "PAA_SEMANTICA") // version 1 has no stamps

	_, unable := e.position(t, digital, func(_, option object) {
		option["transfer"] = []object{others, transfer("2", 8000)}
		option["transfer"].([]object)[1]["organizationFiscalCode"] = demoBeneficiary
	})
	e.mustREST(t, http.MethodPost, "/debtpositions?toPublish=true", e.key, unable, http.StatusUnprocessableEntity, nil)
}

func notBound(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital, func(_, option object) { option["sendBound"] = false })
	for _, op := range bothWays {
		reply := e.ask(t, op, d.nav)
		wants(t, reply, d.amount)
		e.wantsSource(t, d.nav, reply, positions.SourceNotBound, 0)
		if reply.Response.Payment != nil {
			if value, there := metadata(reply); there {
				t.Errorf("%s: NOTIFICATION_FEE %s", op, value)
			}
		}
	}
	if n := e.calls(d); n != 0 {
		t.Errorf("SEND was called %d times", n)
	}
}

func noCost(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, notAccepted)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount)
	e.wantsSource(t, d.nav, reply, positions.SourceNoCost, 0)
	if got, there := metadata(reply); got != "0" || !there {
		t.Errorf("NOTIFICATION_FEE %q, %v", got, there)
	}
}

func finalPrice(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, viewed)
	for i, source := range []positions.FeeSource{positions.SourceLive, positions.SourceFinal, positions.SourceFinal} {
		reply := e.ask(t, bothWays[i], d.nav)
		wants(t, reply, d.amount+200)
		e.wantsSource(t, d.nav, reply, source, 200)
	}
	if n := e.calls(d); n != 1 {
		t.Errorf("SEND was called %d times", n)
	}
}

func growingPrice(t *testing.T, h *house) {
	e := h.ente(t, policy("priceFreshFor", "1s"))
	d := e.publish(t, digital)
	notification, err := h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	advance := func(step sandbox.Step) {
		t.Helper()
		if _, err := h.sim.Advance(notification.IUN, step); err != nil {
			t.Fatal(err)
		}
	}
	advance(sandbox.Step{Event: sandbox.Accept})
	reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	before := asked(reply)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, before-d.amount)
	advance(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
	time.Sleep(1100 * time.Millisecond)
	reply = e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+1424)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, 1424)
	if before >= d.amount+1424 {
		t.Errorf("the price did not grow: %s before the letter", before)
	}
	if n := e.calls(d); n != 2 {
		t.Errorf("SEND was called %d times", n)
	}
}

func tooLarge(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital, func(_, option object) {
		option["amount"] = money.Max
		option["transfer"] = []object{transfer("1", money.Max)}
	})
	wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_SEMANTICA")
	wantsFault(t, e.ask(t, pafornode.GetPaymentV2, d.nav), "PAA_SEMANTICA")
}

func foreignNotice(t *testing.T, h *house) {
	mine, other := h.ente(t), h.ente(t)
	d := mine.publish(t, digital)
	wantsFault(t, other.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_SCONOSCIUTO")
	for _, path := range []string{"/notices/" + string(d.nav), "/notices/" + string(d.nav) + "/answers", "/debtpositions/" + d.iupd} {
		mine.mustREST(t, http.MethodGet, path, mine.key, nil, http.StatusOK, nil)
		mine.mustREST(t, http.MethodGet, path, other.key, nil, http.StatusNotFound, nil)
	}
	mine.mustREST(t, http.MethodGet, "/notices/"+string(d.nav), "wrong", nil, http.StatusUnauthorized, nil)
}
