// Package tccosto gathers the evidence that PagoPA asks for in its acceptance
// test TC-COSTO-01, "attualizzazione della posizione debitoria": when a payment is
// validated (paVerifyPaymentNotice), the creditor's system asks SEND what the
// notification costs and adds it to the amount.
//
// A [Collector] sends the verify as the Nodo does, then reads by REST what the
// service put on record about its answer; [Evidence.judge] tells whether that
// passes. Nothing in the report is computed from anything else than those two.
//
// Source: SEND's list of integration tests, TC-COSTO-01, scenarios 1 and 2, which
// wants the validation's instant, the perfection's instant, the cost and the IUN.
package tccosto

import (
	"fmt"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
)

// Scenario is one of the two of TC-COSTO-01.
type Scenario int

// The scenarios: the administration that notifies is the creditor itself, or it
// is another one, which the position names (senderFiscalCode).
const (
	SenderIsCreditor Scenario = 1
	SenderIsAnother  Scenario = 2
)

// Document is a report: one or both scenarios of an organization, or of the
// simulated one.
type Document struct {
	Test string    `json:"test"` // TC-COSTO-01
	At   time.Time `json:"generatedAt"`
	// Version of the program that wrote it.
	Version string `json:"version"`
	// Simulated: against the simulator of SEND, which proves the program and
	// nothing about an organization.
	Simulated bool     `json:"simulated"`
	Passed    bool     `json:"passed"`
	Reports   []Report `json:"scenarios"`
}

// Report is the evidence of one scenario.
type Report struct {
	Scenario     Scenario `json:"scenario"`
	Organization string   `json:"organizationFiscalCode"`
	Broker       string   `json:"brokerCode"`
	Station      string   `json:"stationCode"`
	Endpoint     string   `json:"endpoint"`
	// Passed: there is a notice, all of them pass, and the instant of a perfection is
	// among the evidence. Reasons tell in Italian what is missing beside the notices'
	// own.
	Passed  bool       `json:"passed"`
	Reasons []string   `json:"reasons"`
	Notices []Evidence `json:"notices"`
}

// Evidence is what happened with one notice. Amounts are cents, instants UTC;
// what is not known is absent.
type Evidence struct {
	Notice positions.NoticeNumber `json:"nav"`
	// Sender is the administration that notifies, by the position.
	Sender string `json:"senderFiscalCode,omitempty"`
	// ValidationAt is when the validation request arrived, by the service's record.
	ValidationAt time.Time `json:"validationAt,omitzero"`
	Outcome      string    `json:"outcome,omitempty"`
	Fault        string    `json:"fault,omitempty"`
	// Told is what the answer to the Nodo said, the other amounts are on record.
	Told   money.Cents `json:"amountAnswered"`
	Amount money.Cents `json:"amountRecorded"`
	Base   money.Cents `json:"baseAmount"`
	Fee    money.Cents `json:"notificationFee"`
	// Source of the fee; Cost and IUN are SEND's, FetchedAt when SEND gave them.
	Source    positions.FeeSource `json:"source,omitempty"`
	Cost      *money.Cents        `json:"cost,omitempty"`
	IUN       string              `json:"iun,omitempty"`
	FetchedAt time.Time           `json:"costFetchedAt,omitzero"`
	// ViewedAt and RefinedAt are the two dates of the perfection that SEND gave,
	// PerfectedAt is the one that counts: the earlier, a refinement only when it is
	// not in the future (SEND, API 2.3).
	ViewedAt    time.Time `json:"notificationViewDate,omitzero"`
	RefinedAt   time.Time `json:"refinementDate,omitzero"`
	PerfectedAt time.Time `json:"perfectedAt,omitzero"`
	// Send is the request to SEND that was made for this very answer, nil when the
	// price was known already.
	Send   *rest.SendExchange `json:"send,omitempty"`
	Passed bool               `json:"passed"`
	// Reasons tell in Italian why it did not pass, Notes what else has to be known.
	Reasons []string `json:"reasons"`
	Notes   []string `json:"notes"`
}

// record takes over what the service put on record.
func (e *Evidence) record(a *rest.Answer) {
	e.ValidationAt, e.Outcome, e.Amount, e.Base, e.Fee, e.Send = a.At, a.Outcome, a.Amount, a.BaseAmount, a.NotificationFee, a.Send
	if a.Fault != nil {
		e.Fault = *a.Fault
	}
	if a.Source != nil {
		e.Source = *a.Source
	}
	p := a.Price
	if p == nil {
		return
	}
	e.FetchedAt = p.FetchedAt
	if e.Source != positions.SourceNoCost {
		e.Cost = &p.TotalPrice
	}
	if p.Iun != nil {
		e.IUN = *p.Iun
	}
	var dates positions.Price
	if p.NotificationViewDate != nil {
		dates.NotificationViewDate, e.ViewedAt = *p.NotificationViewDate, *p.NotificationViewDate
	}
	if p.RefinementDate != nil {
		dates.RefinementDate, e.RefinedAt = *p.RefinementDate, *p.RefinementDate
	}
	e.PerfectedAt = dates.EffectiveAt(a.At)
}

// why explains the sources that do not pass.
var why = map[positions.FeeSource]string{
	"":                        "non è stato calcolato alcun importo",
	positions.SourceNotBound:  "la posizione non è legata a SEND (sendBound): il costo non viene chiesto",
	positions.SourceNoCost:    "SEND risponde che per questo avviso non c'è un costo: notifica mai depositata, non ancora accettata, rifiutata o annullata",
	positions.SourcePushed:    "il costo è stato impostato da un altro sistema e non chiesto a SEND",
	positions.SourceLastKnown: "SEND non ha risposto in tempo: il costo è l'ultimo noto",
	positions.SourceBase:      "SEND non ha risposto in tempo: importo senza costo di notifica",
	positions.SourceNone:      "SEND non ha risposto in tempo e un costo non era noto: importo senza costo di notifica",
}

// judge says whether the evidence passes: the cost is SEND's, asked for this
// validation or known from a request that is told, and the amount is the base
// plus the cost.
func (e *Evidence) judge(s Scenario, organization string) {
	fail := func(format string, args ...any) { e.Reasons = append(e.Reasons, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { e.Notes = append(e.Notes, fmt.Sprintf(format, args...)) }
	switch another := e.Sender != "" && e.Sender != organization; {
	case s == SenderIsAnother && e.Sender == "":
		fail("scenario 2: la posizione non indica l'ente mittente (senderFiscalCode)")
	case s == SenderIsAnother && !another:
		fail("scenario 2: l'ente mittente della posizione è l'ente creditore")
	case s == SenderIsCreditor && another:
		fail("scenario 1: l'ente mittente della posizione (%s) non è l'ente creditore", e.Sender)
	}
	switch {
	case e.ValidationAt.IsZero():
		if len(e.Reasons) == 0 {
			fail("la risposta non risulta registrata")
		}
	case e.Outcome != "OK":
		fail("la validazione è stata rifiutata: %s", e.Fault)
	case e.Source != positions.SourceLive && e.Source != positions.SourceCache && e.Source != positions.SourceFinal:
		reason, known := why[e.Source]
		if !known {
			reason = "origine del costo sconosciuta: " + string(e.Source)
		}
		if e.Send != nil && e.Send.Code != nil {
			reason += " (" + *e.Send.Code + ")"
		}
		fail("%s", reason)
	case e.Cost == nil || e.FetchedAt.IsZero():
		fail("il costo di SEND non risulta registrato")
	case e.Source == positions.SourceLive && (e.Send == nil || e.Send.Status == nil || *e.Send.Status != 200):
		fail("la richiesta a SEND non risulta registrata con esito 200")
	default:
		if sum, err := e.Base.Add(e.Fee); err != nil || sum != e.Amount {
			fail("l'importo registrato %s non è importo base %s + spese di notifica %s", e.Amount, e.Base, e.Fee)
		}
		switch {
		case e.Fee > *e.Cost:
			fail("le spese di notifica %s superano il costo di SEND %s", e.Fee, *e.Cost)
		case e.Fee < *e.Cost:
			note("delle spese di notifica, %s, una parte risulta già pagata con un altro avviso della stessa notifica: ne restano %s", *e.Cost, e.Fee)
		}
		if e.Source != positions.SourceLive {
			note("il costo era già noto: SEND lo ha comunicato alla richiesta delle %s", instant(e.FetchedAt))
		}
		if *e.Cost == 0 {
			note("il costo comunicato da SEND è zero: notifica a tariffa forfettaria (FLAT_RATE), o avviso senza applyCost")
		}
		if e.PerfectedAt.IsZero() {
			note("la notifica non è ancora perfezionata: per l'evidenza della data ripetere la prova dopo il perfezionamento")
		}
	}
	if !e.ValidationAt.IsZero() && e.Told != e.Amount {
		fail("l'importo della risposta %s non è quello registrato %s", e.Told, e.Amount)
	}
	e.Passed = len(e.Reasons) == 0
}

// judge says whether a scenario passes. PagoPA asks for the instant of the
// perfection that SEND returned: a notification that has one must be among them.
func (r *Report) judge() {
	r.Passed = len(r.Notices) > 0
	perfected := false
	for i := range r.Notices {
		r.Passed = r.Passed && r.Notices[i].Passed
		perfected = perfected || !r.Notices[i].PerfectedAt.IsZero()
	}
	if r.Passed && !perfected {
		r.Passed = false
		r.Reasons = append(r.Reasons, "manca l'evidenza della data di perfezionamento: ripetere la prova con almeno un avviso la cui notifica è perfezionata")
	}
}
