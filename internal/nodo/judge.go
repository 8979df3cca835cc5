package nodo

import (
	"fmt"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// semanticProblems are the faults that the schema does not see and for which
// the Nodo tells the PSP PPT_STAZIONE_INT_PA_ERRORE_RESPONSE. Source: the Nodo's
// own test suite, features paVerifyPaymentNoticeRes and paGetPaymentRes, and
// SANP "Integrazione tramite API sincrone".
func semanticProblems(r *pafornode.Response) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if r.Outcome == "KO" {
		if r.Fault == nil {
			add("outcome KO without a fault")
		}
		if r.Verify != nil || r.Payment != nil {
			add("outcome KO with data")
		}
		return found
	}
	if r.Fault != nil {
		add("outcome OK with a fault")
	}
	switch r.Operation {
	case pafornode.VerifyPaymentNotice:
		found = append(found, verifyProblems(r)...)
	case pafornode.GetPayment, pafornode.GetPaymentV2:
		found = append(found, paymentProblems(r.Payment)...)
	}
	return found
}

func verifyProblems(r *pafornode.Response) []string {
	var found []string
	v := r.Verify
	if v == nil {
		return append(found, "outcome OK without paymentList")
	}
	if r.Options != "EQ" {
		found = append(found, "options is "+r.Options+", only EQ is accepted")
	}
	for _, field := range []struct{ name, value string }{
		{"paymentDescription", v.PaymentDescription}, {"fiscalCodePA", v.FiscalCodePA}, {"companyName", v.CompanyName},
	} {
		if field.value == "" {
			found = append(found, field.name+" is missing")
		}
	}
	return found
}

func paymentProblems(p *pafornode.Payment) []string {
	if p == nil {
		return []string{"outcome OK without data"}
	}
	var found []string
	var sum money.Cents
	seen := map[int]bool{}
	for _, t := range p.Transfers {
		sum += t.Amount // five amounts of the schema cannot overflow
		if seen[t.IDTransfer] {
			found = append(found, fmt.Sprintf("idTransfer %d is there twice", t.IDTransfer))
		}
		seen[t.IDTransfer] = true
	}
	if sum != p.Amount {
		found = append(found, fmt.Sprintf("paymentAmount is %s but the transfers add up to %s", p.Amount.Euro(), sum.Euro()))
	}
	return found
}
