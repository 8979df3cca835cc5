package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/tccosto"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestTCCosto(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"the evidence is what SEND and the service said":            evidenceIsTrue,
		"what does not pass says why":                               evidenceThatFails,
		"a notice notified by another administration is scenario 2": evidenceOfAnotherSender,
	})
}

// collector asks the ente's service with a key that may only read.
func (e *ente) collector(t *testing.T) *tccosto.Collector {
	t.Helper()
	var reader struct{ Key string }
	e.mustREST(t, http.MethodPost, "/api-keys", e.h.adminKey, object{"name": "tc-costo", "role": "READER"}, http.StatusCreated, &reader)
	return &tccosto.Collector{
		Endpoint: e.h.endpoint(), API: "http://" + e.h.address("api"), Key: reader.Key, HTTP: e.h.client,
		Organization: e.fiscalCode, Broker: demoBroker, Station: demoStation,
	}
}

func (e *ente) evidence(t *testing.T, s tccosto.Scenario, nav positions.NoticeNumber) tccosto.Evidence {
	t.Helper()
	report, err := e.collector(t).Report(t.Context(), s, []positions.NoticeNumber{nav})
	if err != nil || len(report.Notices) != 1 || report.Passed != (report.Notices[0].Passed && !report.Notices[0].PerfectedAt.IsZero()) {
		t.Fatalf("%+v %v", report, err)
	}
	return report.Notices[0]
}

// deposited publishes a notice and has the ente, or another administration, notify
// it by a script.
func (e *ente) deposited(t *testing.T, sender, script string) (debt, sandbox.Notification) {
	t.Helper()
	d := e.publish(t, digital, func(_, option object) {
		if sender != e.fiscalCode {
			option["senderFiscalCode"] = sender
		}
	})
	n, err := e.h.sim.Notify(sandbox.Request{
		SenderTaxID: sender, Script: script,
		Recipients: []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err == nil {
		n, err = e.h.sim.Finish(n.IUN)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, n
}

func evidenceIsTrue(t *testing.T, h *house) {
	e := h.ente(t)
	d, n := e.deposited(t, e.fiscalCode, "two-890")
	began := time.Now()
	got := e.evidence(t, tccosto.SenderIsCreditor, d.nav)
	price, _ := h.sim.Price(e.fiscalCode, string(d.nav))
	if !got.Passed || len(got.Reasons) > 0 || len(got.Notes) > 0 || got.Source != positions.SourceLive {
		t.Errorf("%s", show(got))
	}
	if got.IUN != n.IUN || got.Cost == nil || *got.Cost != 2557 || got.Base != d.amount || got.Fee != 2557 || got.Amount != d.amount+2557 || got.Told != got.Amount {
		t.Errorf("amounts: %s", show(got))
	}
	if got.ValidationAt.Before(began.Add(-time.Millisecond)) || got.ValidationAt.After(time.Now()) || got.Send == nil || got.Send.Status == nil ||
		*got.Send.Status != http.StatusOK || got.Send.RequestedAt.Before(got.ValidationAt) || got.Send.AnsweredAt.Before(got.Send.RequestedAt) {
		t.Errorf("instants: %s", show(got))
	}
	refined, err := time.Parse(time.RFC3339Nano, price.RefinementDate)
	if err != nil || got.RefinedAt.Sub(refined).Abs() > time.Microsecond || !got.PerfectedAt.Equal(got.RefinedAt) || !got.ViewedAt.IsZero() {
		t.Errorf("perfected at %s, SEND says %s: %v", show(got), show(price), err)
	}

	// The price cannot grow any more: SEND is not asked again, and the report tells
	// when it was.
	again := e.evidence(t, tccosto.SenderIsCreditor, d.nav)
	if !again.Passed || again.Source != positions.SourceFinal || again.Send != nil || len(again.Notes) != 1 ||
		again.FetchedAt.Before(began.Add(-time.Millisecond)) || !again.ValidationAt.After(got.ValidationAt) || e.calls(d) != 1 {
		t.Errorf("again, after %d calls: %s", e.calls(d), show(again))
	}
}

func evidenceOfAnotherSender(t *testing.T, h *house) {
	e := h.ente(t)
	d, n := e.deposited(t, demoBeneficiary, "digital-viewed")
	got := e.evidence(t, tccosto.SenderIsAnother, d.nav)
	if !got.Passed || got.Sender != demoBeneficiary || got.IUN != n.IUN || got.ViewedAt.IsZero() || !got.PerfectedAt.Equal(got.ViewedAt) || got.RefinedAt.IsZero() {
		t.Errorf("%s", show(got))
	}
	if got := e.evidence(t, tccosto.SenderIsCreditor, d.nav); got.Passed || !strings.HasPrefix(got.Reasons[0], "scenario 1:") {
		t.Errorf("as scenario 1: %s", show(got))
	}
	own, _ := e.deposited(t, e.fiscalCode, "digital-viewed")
	if got := e.evidence(t, tccosto.SenderIsAnother, own.nav); got.Passed || !strings.HasPrefix(got.Reasons[0], "scenario 2:") {
		t.Errorf("as scenario 2: %s", show(got))
	}
}

func evidenceThatFails(t *testing.T, h *house) {
	for name, c := range map[string]struct {
		notice func(*ente) positions.NoticeNumber
		source positions.FeeSource
		reason string
	}{
		"no such notice":       {func(*ente) positions.NoticeNumber { return newNotice(t, digital) }, "", "l'ente non ha un avviso con questo numero"},
		"not bound to SEND":    {func(e *ente) positions.NoticeNumber { return e.publish(t, digital, unbound).nav }, positions.SourceNotBound, "non è legata a SEND"},
		"not accepted by SEND": {func(e *ente) positions.NoticeNumber { return e.publish(t, notAccepted).nav }, positions.SourceNoCost, "non c'è un costo"},
		"paid":                 {func(e *ente) positions.NoticeNumber { d := e.publish(t, digital); e.pay(t, d); return d.nav }, "", "PAA_PAGAMENTO_DUPLICATO"},
		"SEND does not answer": {func(e *ente) positions.NoticeNumber {
			e.inject(t, sandbox.Fault{Kind: sandbox.Hang})
			return e.publish(t, digital).nav
		}, positions.SourceNone, "SEND non ha risposto in tempo e un costo non era noto: importo senza costo di notifica (timeout)"},
		"SEND refuses the key, and a price is known": {func(e *ente) positions.NoticeNumber {
			d := e.publish(t, digital)
			e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
			e.inject(t, sandbox.Fault{Kind: sandbox.WithStatus, Status: http.StatusForbidden})
			return d.nav
		}, positions.SourceLastKnown, "il costo è l'ultimo noto (denied)"},
	} {
		e := h.ente(t, askEveryTime)
		got := e.evidence(t, tccosto.SenderIsCreditor, c.notice(e))
		if got.Passed || got.Source != c.source || !strings.Contains(strings.Join(got.Reasons, "\n"), c.reason) {
			t.Errorf("%s: %s", name, show(got))
		}
	}

	e := h.ente(t)
	nav := e.publish(t, digital).nav
	elsewhere := e.collector(t)
	elsewhere.Endpoint = h.sim.URL + "/soap/paForNode" // nobody's paForNode
	report, err := elsewhere.Report(t.Context(), tccosto.SenderIsCreditor, []positions.NoticeNumber{nav})
	if err != nil || report.Passed || !strings.Contains(report.Notices[0].Reasons[0], "la risposta non è quella di paForNode") {
		t.Errorf("towards another endpoint: %s %v", show(report), err)
	}
	foreign := e.collector(t)
	foreign.Key = h.ente(t).key // another organization is a 404
	report, err = foreign.Report(t.Context(), tccosto.SenderIsCreditor, []positions.NoticeNumber{nav})
	if err != nil || report.Passed {
		t.Errorf("with another organization's key: %s %v", show(report), err)
	}
}

func unbound(_, option object) { option["sendBound"] = false }

// Who reads the JSON finds what the Markdown says, and nothing personal.
func TestTheReportsOfTheSandboxAgree(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	if code := run(t.Context(), []string{"tc-costo", "--sandbox", "--format=json"}, stdio{out: &out, err: &progress}); code != exitOK {
		t.Fatalf("exit code %d: %s", code, progress.String())
	}
	var document tccosto.Document
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if !document.Passed || !document.Simulated || len(document.Reports) != 2 {
		t.Fatalf("%s", out.String())
	}
	var text bytes.Buffer
	if err := document.WriteMarkdown(&text); err != nil {
		t.Fatal(err)
	}
	wantCost := map[tccosto.Scenario][]money.Cents{tccosto.SenderIsCreditor: {200, 2557}, tccosto.SenderIsAnother: {200, 1424}}
	for _, r := range document.Reports {
		for i, e := range r.Notices {
			if *e.Cost != wantCost[r.Scenario][i] || e.Amount != e.Base+*e.Cost || e.IUN == "" || e.PerfectedAt.IsZero() {
				t.Errorf("scenario %d: %s", r.Scenario, show(e))
			}
			for _, said := range []string{e.IUN, string(e.Notice), e.Cost.String(), e.Told.String()} {
				if !strings.Contains(text.String(), said) {
					t.Errorf("the Markdown does not hold %s", said)
				}
			}
		}
	}
	if strings.Contains(text.String(), "Cittadina di prova") || strings.Contains(out.String(), "Cittadina di prova") {
		t.Error("a report names the debtor")
	}
}
