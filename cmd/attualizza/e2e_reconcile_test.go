package main

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/reconciliation"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// doing is what a payer does about a notice, and when.
type doing int

const (
	nothing        doing = iota
	verifyDuring         // asks during the outage, and no more
	activateDuring       // activates during the outage and does not pay
	payDuring            // activates and pays during the outage
	payLate              // activates during the outage, and pays when all is well again
	payAnew              // activates during the outage, and again afterwards, and pays that
	standInDuring        // the Nodo collects 100.00 during the outage and asks nobody
)

// outage is the script: what happens to each notice of 100.00, and what the
// reconciliation must make of it.
//
// What a notice costs by SEND: 1.00 for SEND and 1.00 for the sender are 2.00. A
// letter of 10.03 with 22 % VAT is 12.2366, and 2.00 + 12.2366 is 14.24 in cents.
// Cancelled, it costs nothing.
var outage = []struct {
	name         string
	policy       positions.SendUnavailable
	letterBefore bool // a letter leaves before the outage
	known        bool // the price before the outage was asked for
	letterDuring bool // a letter leaves during the outage
	cancelDuring bool // the notification is cancelled during the outage
	payer        doing

	asked      money.Cents // the fee that was asked for during the outage
	state      positions.ReconciliationState
	charged    money.Cents // the fee that was paid, or asked for
	due        money.Cents // the fee by SEND afterwards
	difference money.Cents // due - charged, of payments
}{
	{
		name: "an old price, the letter left meanwhile", policy: positions.OnUnavailableLastKnown, known: true, letterDuring: true, payer: payDuring,
		asked: 200, state: positions.ReconciliationUnder, charged: 200, due: 1424, difference: 1224, // 14.24 - 2.00
	},
	{
		name: "never asked before", policy: positions.OnUnavailableLastKnown, payer: payDuring,
		asked: 0, state: positions.ReconciliationUnder, charged: 0, due: 200, difference: 200, // 2.00 - 0
	},
	{
		name: "never asked before, the letter left meanwhile", policy: positions.OnUnavailableLastKnown, letterDuring: true, payer: payDuring,
		asked: 0, state: positions.ReconciliationUnder, charged: 0, due: 1424, difference: 1424, // 14.24 - 0
	},
	{
		name: "the old price is right", policy: positions.OnUnavailableLastKnown, known: true, payer: payDuring,
		asked: 200, state: positions.ReconciliationEven, charged: 200, due: 200, difference: 0, // 2.00 - 2.00
	},
	{
		name: "cancelled meanwhile", policy: positions.OnUnavailableLastKnown, letterBefore: true, known: true, cancelDuring: true, payer: payDuring,
		asked: 1424, state: positions.ReconciliationOver, charged: 1424, due: 0, difference: -1424, // 0 - 14.24
	},
	{
		name: "an old price that the policy does not use", policy: positions.OnUnavailableBase, known: true, payer: payDuring,
		asked: 0, state: positions.ReconciliationUnder, charged: 0, due: 200, difference: 200, // 2.00 - 0
	},
	{
		name: "a higher one that the policy does not use", policy: positions.OnUnavailableBase, letterBefore: true, known: true, payer: payDuring,
		asked: 0, state: positions.ReconciliationUnder, charged: 0, due: 1424, difference: 1424, // 14.24 - 0
	},
	{
		name: "not used, and cancelled meanwhile", policy: positions.OnUnavailableBase, known: true, cancelDuring: true, payer: payDuring,
		asked: 0, state: positions.ReconciliationEven, charged: 0, due: 0, difference: 0, // 0 - 0
	},
	{
		name: "activated and never paid", policy: positions.OnUnavailableLastKnown, known: true, letterDuring: true, payer: activateDuring,
		asked: 200, state: positions.ReconciliationRepriced, charged: 200, due: 1424, difference: 0, // nobody paid
	},
	{
		name: "verified and never paid", policy: positions.OnUnavailableBase, letterDuring: true, payer: verifyDuring,
		asked: 0, state: positions.ReconciliationRepriced, charged: 0, due: 1424, difference: 0, // nobody paid
	},
	{
		name: "paid by a new activation", policy: positions.OnUnavailableLastKnown, letterDuring: true, payer: payAnew,
		asked: 0, state: positions.ReconciliationRepriced, charged: 0, due: 1424, difference: 0, // 14.24 was paid in the end
	},
	{
		name: "paid late, by the activation of the outage", policy: positions.OnUnavailableLastKnown, known: true, letterDuring: true, payer: payLate,
		asked: 200, state: positions.ReconciliationUnder, charged: 200, due: 1424, difference: 1224, // 14.24 - 2.00
	},
	{
		name: "collected in stand-in", policy: positions.OnUnavailableBase, letterBefore: true, payer: standInDuring,
		state: positions.ReconciliationUnder, charged: 0, due: 1424, difference: 1424, // 14.24 - 0
	},
	{
		name: "nobody asked", policy: positions.OnUnavailableLastKnown, known: true, letterDuring: true, payer: nothing,
	},
}

// The sums of the script, by hand:
// 12.24 + 2.00 + 14.24 + 2.00 + 14.24 + 12.24 + 14.24 = 71.20 too little,
// 14.24 too much, 71.20 - 14.24 = 56.96 missing.
const (
	outageUnder = 7120
	outageOver  = 1424
	outageNet   = 5696
)

// TestAnOutageOfSENDReplayed has a house of its own for each deployment: the
// metrics are of all organizations.
func TestAnOutageOfSENDReplayed(t *testing.T) {
	t.Parallel()
	for _, deploy := range deployments {
		t.Run(deploy.name, func(t *testing.T) {
			t.Parallel()
			database, redis := deploy.start(t)
			replay(t, newHouse(t, database, redis))
		})
	}
}

// scripted is a notice of the script as it is played.
type scripted struct {
	debt
	e       *ente
	step    func(sandbox.Event)
	receipt *pafornode.Request // of the activation in the outage
}

func replay(t *testing.T, h *house) {
	enti, probes, faults := map[positions.SendUnavailable]*ente{}, map[*ente]debt{}, map[*ente]string{}
	played := make([]scripted, len(outage))
	for i, c := range outage {
		e := enti[c.policy]
		if e == nil {
			e = h.ente(t, askEveryTime, policy("onSendUnavailable", c.policy))
			enti[c.policy], probes[e] = e, e.publish(t, digital)
		}
		d := e.publish(t, digital)
		played[i] = scripted{debt: d, e: e, step: e.notify(t, d)}
		if c.letterBefore {
			played[i].step(sandbox.AnalogSend)
		}
		if c.known {
			fee := money.Cents(200)
			if c.letterBefore {
				fee = 1424
			}
			wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+fee)
		}
	}

	for e := range probes {
		faults[e] = e.inject(t, sandbox.Fault{Kind: sandbox.WithStatus, Status: 503})
	}
	for i, c := range outage {
		s := &played[i]
		if c.letterDuring {
			s.step(sandbox.AnalogSend)
		}
		if c.cancelDuring {
			s.step(sandbox.RequestCancellation)
		}
		s.play(t, c.payer, c.asked)
	}
	// The service makes rounds of its own; after this one everybody is left alone.
	for round := range 2 {
		sum, err := h.reconcileAt(0).Round(t.Context())
		if err != nil || sum.Judged() != 0 || round > 0 && sum.Held+sum.Postponed != 0 {
			t.Errorf("round %d during the outage came to %+v, %v", round, sum, err)
		}
	}
	for _, e := range enti {
		if r := e.reconciliations(t, ""); r.Totals.Net != 0 || r.Totals.Open != r.Totals.Count || r.Totals.Open == 0 {
			t.Errorf("during the outage the totals are %+v", r.Totals)
		}
	}

	for e, id := range faults {
		e.mend(t, id)
		e.recoversWithin(t, probes[e], 20*time.Second)
	}
	if _, err := h.reconcileAt(time.Hour).Round(t.Context()); err != nil { // the pauses are over by then
		t.Fatal(err)
	}
	for i, c := range outage {
		switch s := &played[i]; c.payer {
		case payLate:
			s.e.wantsReconciliation(t, s.nav, positions.ReconciliationRepriced)
			s.e.accepted(t, s.receipt)
		case payAnew:
			s.e.pay(t, s.debt)
		}
	}
	if _, err := h.reconcileAt(2 * time.Hour).Round(t.Context()); err != nil {
		t.Fatal(err)
	}

	for i, c := range outage {
		s := &played[i]
		if c.state == "" {
			for _, r := range s.e.reconciliations(t, "").Reconciliations {
				if r.Nav == s.nav {
					t.Errorf("%s: there is %s", c.name, show(&r))
				}
			}
			continue
		}
		r := s.e.wantsReconciliation(t, s.nav, c.state)
		if r.ChargedFee != c.charged || r.DueFee == nil || *r.DueFee != c.due || r.Difference != c.difference {
			t.Errorf("%s: charged %s, due %s, difference %s; want %s, %s, %s", c.name, r.ChargedFee, show(r.DueFee), r.Difference, c.charged, c.due, c.difference)
		}
		fee := c.due // of today for who has not paid, and paid for with a new activation
		if c.state != positions.ReconciliationRepriced {
			fee = c.charged // what was paid is what is shown, whatever it should have been
		}
		var o rest.PaymentOptionWithDebtor
		s.e.mustREST(t, http.MethodGet, "/paymentoptions/"+string(s.nav), s.e.key, nil, http.StatusOK, &o)
		if o.NotificationFee != fee || o.Amount != s.amount+fee {
			t.Errorf("%s: its option shows %s with a fee of %s, want %s", c.name, o.Amount, o.NotificationFee, fee)
		}
	}
	h.reportsTheOutage(t, enti)
	h.nothingPersonal(t)
	h.nothingPersonalInMetrics(t)
}

// reportsTheOutage holds the API, the report and the metrics to the sums of the
// script.
func (h *house) reportsTheOutage(t *testing.T, enti map[positions.SendUnavailable]*ente) {
	t.Helper()
	var wanted, under, over, net money.Cents
	for _, c := range outage {
		wanted += c.difference
	}
	for _, e := range enti {
		all := e.reconciliations(t, "")
		under, over, net = under+all.Totals.UnderCollected, over+all.Totals.OverCollected, net+all.Totals.Net
		if all.Totals.Open != 0 || all.Totals.Count != len(all.Reconciliations) {
			t.Errorf("the totals are %+v of %d", all.Totals, len(all.Reconciliations))
		}
		if some := e.reconciliations(t, "&state=UNDER_COLLECTED"); some.Totals.UnderCollected != all.Totals.UnderCollected || some.Totals.OverCollected != 0 {
			t.Errorf("of those with too little the totals are %+v", some.Totals)
		}
	}
	if wanted != outageNet || under != outageUnder || over != outageOver || net != outageNet {
		t.Errorf("by the API %s too little, %s too much, %s missing, want %d, %d, %d; the script has %s", under, over, net, outageUnder, outageOver, outageNet, wanted)
	}

	var report, said bytes.Buffer
	if code := run(t.Context(), []string{"reconcile", "--database-url=" + string(h.cfg.DatabaseURL)}, stdio{out: &report, err: &said}); code != exitOK {
		t.Fatalf("the report ends with %d: %s", code, said.String())
	}
	rows, err := csv.NewReader(bytes.NewReader(report.Bytes())).ReadAll()
	if err != nil || len(rows) < len(outage) {
		t.Fatalf("the report has %d lines, %v", len(rows), err)
	}
	var sum money.Cents
	for _, row := range rows[1:] {
		cents, err := strconv.ParseInt(row[14], 10, 64)
		if err != nil {
			t.Errorf("%v: %v", row, err)
		}
		sum += money.Cents(cents)
	}
	if rows[0][14] != "difference_cents" || sum != outageNet {
		t.Errorf("the column %s of the report adds up to %s, want %d", rows[0][14], sum, outageNet)
	}
	if !strings.Contains(said.String(), money.Cents(outageNet).String()) {
		t.Errorf("the totals of the report are not there:\n%s", said.String())
	}
	eventually(t, 20*time.Second, "the metrics tell it", func() bool {
		return h.counter(t, "attualizza_under_collected_cents_total") == outageUnder &&
			h.counter(t, "attualizza_over_collected_cents_total") == outageOver && h.counter(t, "attualizza_reconciliation_open") == 0
	})
}

// notify has SEND notify a notice, and lets things happen to the notification.
func (e *ente) notify(t *testing.T, d debt) func(sandbox.Event) {
	t.Helper()
	n, err := e.h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	step := func(event sandbox.Event) {
		t.Helper()
		s := sandbox.Step{Event: event}
		if event == sandbox.AnalogSend {
			s.Cost = 1003
		}
		if _, err := e.h.sim.Advance(n.IUN, s); err != nil {
			t.Fatal(err)
		}
	}
	step(sandbox.Accept)
	return step
}

// play lets a payer do something during the outage.
func (s *scripted) play(t *testing.T, payer doing, fee money.Cents) {
	t.Helper()
	switch payer {
	case verifyDuring:
		wants(t, s.e.ask(t, pafornode.VerifyPaymentNotice, s.nav), s.amount+fee)
		s.e.answersOnRecord(t, s.nav, 1)
	case activateDuring, payDuring, payLate, payAnew:
		before := len(s.e.answers(t, s.nav))
		s.receipt = s.e.receipt(t, s.debt, pafornode.GetPaymentV2)
		if got := s.receipt.Receipt.PaymentAmount; got != s.amount+fee {
			t.Errorf("%s was asked during the outage, want %s", got, s.amount+fee)
		}
		s.e.answersOnRecord(t, s.nav, before+1)
		if payer == payDuring {
			s.e.accepted(t, s.receipt)
		}
	case standInDuring:
		request := s.e.request(pafornode.GetPaymentV2, s.nav)
		receipt := nodo.ReceiptFor(request, &pafornode.Payment{
			CreditorReferenceID: s.nav.IUV(), Amount: s.amount, Description: "Verbale di prova", CompanyName: "Comune di Prova",
			Debtor:    pafornode.Subject{EntityType: "F", EntityCode: debtorCode, FullName: debtorName},
			Transfers: []pafornode.Transfer{{IDTransfer: 1, Amount: s.amount, FiscalCodePA: s.e.fiscalCode, IBAN: "IT60X0542811101000000123456", RemittanceInformation: "Verbale", TransferCategory: "9/0101100IM/"}},
		}, time.Now())
		receipt.Receipt.StandIn = true
		s.e.accepted(t, receipt)
	}
}

// reconcileAt makes rounds of the service's with a clock that is ahead.
func (h *house) reconcileAt(ahead time.Duration) *reconciliation.Reconciler {
	cfg := h.reconciler.Config
	cfg.Now = func() time.Time { return time.Now().Add(ahead) }
	return reconciliation.New(cfg)
}

// reconciliations reads an ente's by REST, the newest first.
func (e *ente) reconciliations(t testing.TB, query string) rest.ReconciliationList {
	t.Helper()
	var list rest.ReconciliationList
	e.mustREST(t, http.MethodGet, "/reconciliation?limit=50"+query, e.key, nil, http.StatusOK, &list)
	return list
}

// wantsReconciliation holds the one of a notice to a state.
func (e *ente) wantsReconciliation(t testing.TB, nav positions.NoticeNumber, state positions.ReconciliationState) rest.Reconciliation {
	t.Helper()
	var found []rest.Reconciliation
	for _, r := range e.reconciliations(t, "").Reconciliations {
		if r.Nav == nav {
			found = append(found, r)
		}
	}
	if len(found) != 1 || found[0].State != state {
		t.Fatalf("notice %s has %s, want one that is %s", nav, show(&found), state)
	}
	return found[0]
}
