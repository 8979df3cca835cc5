package main

import (
	"net/http"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestTwoNoticesOfOneNotification(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"the second instalment is asked without the fee that was paid with the first": feePaidOnce,
		"the fee is asked again when the payment is taken back":                       feeGivenBack,
		"what the cost grew by is asked with the second":                              feeGrown,
		"a payment told by REST carries its fee too":                                  feePaidByREST,
		"another recipient's notices carry a fee of their own":                        feeOfEachRecipient,
	})
}

// notified publishes two instalments and notifies their debtor of both at once.
// step lets something happen to the notification.
func (e *ente) notified(t *testing.T) (first, second debt, step func(sandbox.Step)) {
	t.Helper()
	_, first, second = e.plan(t)
	n, err := e.h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients: []sandbox.RecipientRequest{{Payments: []sandbox.Payment{
			{CreditorTaxID: e.fiscalCode, NoticeCode: string(first.nav)}, {CreditorTaxID: e.fiscalCode, NoticeCode: string(second.nav)},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	step = func(s sandbox.Step) {
		t.Helper()
		if _, err := e.h.sim.Advance(n.IUN, s); err != nil {
			t.Fatal(err)
		}
	}
	step(sandbox.Step{Event: sandbox.Accept})
	step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
	return first, second, step
}

// quoteLines are the lines of a quote by REST, which add up to its amount.
func (e *ente) quoteLines(t *testing.T, d debt) []money.Cents {
	t.Helper()
	var quote rest.Quote
	e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
	var lines []money.Cents
	var sum money.Cents
	for _, l := range quote.Lines {
		lines, sum = append(lines, l.Amount), sum+l.Amount
	}
	if sum != quote.Amount {
		t.Errorf("the lines %v do not add up to %s", lines, quote.Amount)
	}
	return lines
}

func feePaidOnce(t *testing.T, h *house) {
	e := h.ente(t)
	first, second, _ := e.notified(t)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, first.nav), first.amount+1424)
	e.pay(t, first)
	for i, op := range bothWays {
		reply := e.ask(t, op, second.nav)
		wants(t, reply, second.amount)
		source := positions.SourceCache
		if i == 0 {
			source = positions.SourceLive // SEND says 14.24 of this one too
		}
		if a := e.wantsSource(t, second.nav, reply, source, 0); a.Price == nil || a.Price.TotalPrice != 1424 {
			t.Errorf("the journal says what SEND did not: %s", show(a.Price))
		}
		if reply.Response.Payment != nil {
			if value, there := metadata(reply); value != "0" || !there {
				t.Errorf("%s: NOTIFICATION_FEE %q, %v", op, value, there)
			}
		}
	}
	if got := e.quoteLines(t, second); len(got) != 3 || got[0] != second.amount || got[1] != 1424 || got[2] != -1424 {
		t.Errorf("the lines are %v", got)
	}
	var notice rest.Notice
	e.mustREST(t, http.MethodGet, "/notices/"+string(second.nav), e.key, nil, http.StatusOK, &notice)
	if notice.Amount != second.amount || notice.NotificationFee != 0 {
		t.Errorf("the notice reads %s, fee %s", notice.Amount, notice.NotificationFee)
	}
	e.pay(t, second)
	var position rest.PaymentPosition
	e.mustREST(t, http.MethodGet, "/debtpositions/"+first.iupdOf(t, e), e.key, nil, http.StatusOK, &position)
	for i, want := range []money.Cents{1424, 0} {
		if o := position.PaymentOption[i+1]; o.NotificationFee != want {
			t.Errorf("instalment %d was paid with a fee of %s and reads %s", i+1, want, o.NotificationFee)
		}
	}
}

// iupdOf is the position of an instalment.
func (d debt) iupdOf(t *testing.T, e *ente) string {
	t.Helper()
	var notice rest.Notice
	e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav), e.key, nil, http.StatusOK, &notice)
	return notice.Iupd
}

func feeGivenBack(t *testing.T, h *house) {
	e := h.ente(t)
	first, second, _ := e.notified(t)
	e.pay(t, first)
	wants(t, e.ask(t, pafornode.GetPaymentV2, second.nav), second.amount)
	e.mustREST(t, http.MethodPost, "/debtpositions/"+first.iupdOf(t, e)+"/reopen", e.key, object{"reason": "revoca"}, http.StatusOK, nil)
	wants(t, e.ask(t, pafornode.GetPaymentV2, second.nav), second.amount+1424)
	if got := e.quoteLines(t, second); len(got) != 2 || got[1] != 1424 {
		t.Errorf("the lines are %v", got)
	}
}

func feeGrown(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	first, second, step := e.notified(t)
	// The second letter leaves before SEND hears that the first notice was paid.
	deaf, err := h.sim.Inject(sandbox.Fault{Endpoint: sandbox.EndpointPaymentEvents, Kind: sandbox.WithStatus, Status: http.StatusServiceUnavailable})
	if err != nil {
		t.Fatal(err)
	}
	defer e.mend(t, deaf.ID)
	e.pay(t, first)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, second.nav), second.amount)
	step(sandbox.Step{Event: sandbox.AnalogFail})
	step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
	reply := e.ask(t, pafornode.GetPaymentV2, second.nav)
	a := e.wantsSource(t, second.nav, reply, positions.SourceLive, asked(reply)-second.amount)
	if total := a.Price.TotalPrice; total <= 1424 || a.NotificationFee != total-1424 {
		t.Errorf("of %s, with 14.24 paid, %s is asked", total, a.NotificationFee)
	}
}

func feePaidByREST(t *testing.T, h *house) {
	e := h.ente(t)
	first, second, _ := e.notified(t)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, first.nav), first.amount+1424)
	e.mustREST(t, http.MethodPost, "/paymentoptions/"+string(first.nav)+"/pay", e.key,
		object{"paymentMethod": "contanti", "pspCompany": "Tesoriere", "idReceipt": "r-1", "fee": "0"}, http.StatusOK, nil)
	wants(t, e.ask(t, pafornode.GetPaymentV2, second.nav), second.amount)
}

func feeOfEachRecipient(t *testing.T, h *house) {
	e := h.ente(t)
	first := e.publish(t, digital)
	second := e.publish(t, digital, func(position, _ object) { position["fiscalCode"] = payerCode })
	n, err := h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients: []sandbox.RecipientRequest{
			{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(first.nav)}}},
			{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(second.nav)}}},
		},
	})
	if err == nil {
		_, err = h.sim.Advance(n.IUN, sandbox.Step{Event: sandbox.Accept})
	}
	if err != nil {
		t.Fatal(err)
	}
	reply := e.ask(t, pafornode.VerifyPaymentNotice, second.nav)
	before := asked(reply)
	if before <= second.amount {
		t.Fatalf("%s is asked of %s", before, second.amount)
	}
	e.pay(t, first)
	wants(t, e.ask(t, pafornode.GetPaymentV2, second.nav), before)
}
