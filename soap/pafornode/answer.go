package pafornode

import (
	"errors"
	"fmt"

	"github.com/attualizza/attualizza/internal/money"
)

// noDueDate is what an activation answers when there is no due date: the
// schema wants one and the Nodo does not act on it.
const noDueDate = "2099-12-31"

// ErrUnanswerable is wrapped by the errors of [VerifyOK.Check] and
// [Payment.Check].
var ErrUnanswerable = errors.New("cannot be answered over paForNode")

func unanswerable(what string) error { return fmt.Errorf("%s: %w", what, ErrUnanswerable) }

// Check says whether the answer can be written without changing what is asked
// of the payer: its amount must be 0.01..999999999.99 and FiscalCodePA 11
// digits.
func (r *VerifyOK) Check() error {
	switch {
	case !payable(r.Amount):
		return unanswerable("amount out of range")
	case !fiscalCodePA.good(r.FiscalCodePA):
		return unanswerable("fiscalCodePA is not 11 digits")
	}
	return nil
}

// Check says whether the answer to op can be written without changing what is
// asked of the payer or who gets it: amounts must be 0.01..999999999.99, there
// must be 1 to 5 transfers with an idTransfer of 1 to 5 and a beneficiary of
// 11 digits, and stamps, which only GetPaymentV2 can carry, need a base64 hash
// and a province of two capital letters.
func (p *Payment) Check(op Operation) error {
	switch {
	case op != GetPayment && op != GetPaymentV2:
		return unanswerable("not an activation")
	case !payable(p.Amount):
		return unanswerable("amount out of range")
	case len(p.Transfers) == 0 || len(p.Transfers) > 5:
		return unanswerable("not 1 to 5 transfers")
	}
	for i := range p.Transfers {
		t := &p.Transfers[i]
		switch {
		case t.IDTransfer < 1 || t.IDTransfer > 5:
			return unanswerable("idTransfer is not 1 to 5")
		case !payable(t.Amount):
			return unanswerable("transfer amount out of range")
		case !fiscalCodePA.good(t.FiscalCodePA):
			return unanswerable("beneficiary is not 11 digits")
		case t.Stamp != nil && op == GetPayment:
			return unanswerable("a stamp in version 1")
		case t.Stamp != nil && !documentHash.good(t.Stamp.HashDocument):
			return unanswerable("stamp without a base64 hash")
		case t.Stamp != nil && !country.good(t.Stamp.Province):
			return unanswerable("stamp without a province")
		}
	}
	return nil
}

func payable(c money.Cents) bool { return c > 0 && c <= money.Max }

// AppendVerifyOK appends the answer to a verify. An answer that fails
// [VerifyOK.Check] is written as a KO with PAA_SYSTEM_ERROR.
func AppendVerifyOK(dst []byte, r *VerifyOK) []byte {
	if r.Check() != nil {
		return appendUnanswerable(dst, VerifyPaymentNotice, r.FiscalCodePA)
	}
	w := writer(dst)
	w.begin(names[VerifyPaymentNotice].response)
	w.known("outcome", "OK")
	w.raw("<paymentList><paymentOptionDescription>")
	w.amount("amount", r.Amount)
	w.known("options", "EQ")
	w.exactly("dueDate", r.DueDate, date)
	w.optional("detailDescription", r.DetailDescription, 140)
	w.boolean("allCCP", r.AllCCP)
	w.raw("</paymentOptionDescription></paymentList>")
	w.required("paymentDescription", r.PaymentDescription, 140)
	w.known("fiscalCodePA", r.FiscalCodePA)
	w.required("companyName", r.CompanyName, 140)
	w.optional("officeName", r.OfficeName, 140)
	w.end(names[VerifyPaymentNotice].response)
	return w
}

// AppendPaymentOK appends the answer to an activation; op is GetPayment or
// GetPaymentV2. An answer that fails [Payment.Check] is written as a KO with
// PAA_SYSTEM_ERROR.
func AppendPaymentOK(dst []byte, op Operation, p *Payment) []byte {
	if p.Check(op) != nil {
		id := ""
		if len(p.Transfers) > 0 {
			id = p.Transfers[0].FiscalCodePA
		}
		return appendUnanswerable(dst, op, id)
	}
	w := writer(dst)
	w.begin(names[op].response)
	w.known("outcome", "OK")
	w.open("data")
	w.required("creditorReferenceId", p.CreditorReferenceID, 35)
	w.amount("paymentAmount", p.Amount)
	if date.check(p.DueDate) == "" {
		w.known("dueDate", p.DueDate)
	} else {
		w.known("dueDate", noDueDate)
	}
	w.exactly("retentionDate", p.RetentionDate, dateTime)
	if p.HasLastPayment {
		w.boolean("lastPayment", p.LastPayment)
	}
	w.required("description", p.Description, 140)
	if op == GetPaymentV2 {
		w.required("companyName", p.CompanyName, 140)
	} else {
		w.optional("companyName", p.CompanyName, 140)
	}
	w.optional("officeName", p.OfficeName, 140)
	w.subject("debtor", &p.Debtor)
	w.open("transferList")
	for i := range p.Transfers {
		w.transfer(op, &p.Transfers[i])
	}
	w.close("transferList")
	w.metadata(p.Metadata)
	w.close("data")
	w.end(names[op].response)
	return w
}

func (w *writer) transfer(op Operation, t *Transfer) {
	w.open("transfer")
	w.integer("idTransfer", t.IDTransfer)
	w.amount("transferAmount", t.Amount)
	w.known("fiscalCodePA", t.FiscalCodePA)
	if op == GetPaymentV2 {
		w.optional("companyName", t.CompanyName, 140)
	}
	if t.Stamp != nil {
		w.open("richiestaMarcaDaBollo")
		w.known("hashDocumento", t.Stamp.HashDocument)
		w.known("tipoBollo", "01")
		w.known("provinciaResidenza", t.Stamp.Province)
		w.close("richiestaMarcaDaBollo")
	} else {
		w.required("IBAN", t.IBAN, 35)
	}
	w.required("remittanceInformation", t.RemittanceInformation, 140)
	w.required("transferCategory", t.TransferCategory, 140)
	w.metadata(t.Metadata)
	w.close("transfer")
}

// AppendReceiptOK appends the answer that accepts a receipt; op is SendRT or
// SendRTV2.
func AppendReceiptOK(dst []byte, op Operation) []byte {
	w := writer(dst)
	w.begin(names[op].response)
	w.known("outcome", "OK")
	w.end(names[op].response)
	return w
}

// AppendKO appends a refusal, in any operation.
func AppendKO(dst []byte, op Operation, f *Fault) []byte {
	w := writer(dst)
	w.begin(names[op].response)
	w.known("outcome", "KO")
	w.open("fault")
	if !w.text("faultCode", f.Code, 35) {
		w.known("faultCode", "PAA_SYSTEM_ERROR")
	}
	w.required("faultString", f.String, maxFaultText)
	w.required("id", f.ID, 35)
	w.optional("description", f.Description, maxFaultText)
	w.close("fault")
	w.end(names[op].response)
	return w
}

// maxFaultText bounds, in characters, texts that the schema leaves unbounded.
const maxFaultText = 1024

// AppendSOAPFault appends a SOAP 1.1 Fault that puts the blame on the client
// (SOAP 1.1, §4.4.1). It is to be sent with HTTP 500 (§6.2).
func AppendSOAPFault(dst []byte, text string) []byte {
	w := writer(dst)
	w.raw(envelopeStart + "<soapenv:Fault><faultcode>soapenv:Client</faultcode>")
	w.required("faultstring", text, maxFaultText)
	w.raw("</soapenv:Fault>" + envelopeEnd)
	return w
}

func appendUnanswerable(dst []byte, op Operation, id string) []byte {
	if op != VerifyPaymentNotice && op != GetPayment && op != GetPaymentV2 {
		op = GetPaymentV2
	}
	return AppendKO(dst, op, &Fault{
		Code:        "PAA_SYSTEM_ERROR",
		String:      "Errore generico.",
		ID:          id,
		Description: "Importo o beneficiari non rappresentabili sul Nodo.",
	})
}
