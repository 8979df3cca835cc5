package positions

import (
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Receipt is a payment receipt (RT) as the Nodo sent it to one organization.
type Receipt struct {
	// OrganizationFiscalCode is who it was sent to (idPA); with ReceiptID it
	// identifies the receipt for ever.
	OrganizationFiscalCode string `json:"organizationFiscalCode"`
	ReceiptID              string `json:"receiptId"`
	// CreditorFiscalCode is the primary creditor (receipt.fiscalCode), another
	// organization when the receipt was broadcast.
	CreditorFiscalCode  string       `json:"creditorFiscalCode"`
	NAV                 NoticeNumber `json:"nav"`
	CreditorReferenceID string       `json:"creditorReferenceId,omitempty"`
	StationCode         string       `json:"stationCode"`
	Operation           string       `json:"operation"` // paSendRT or paSendRTV2
	Outcome             string       `json:"outcome,omitempty"`
	PaymentAmount       money.Cents  `json:"paymentAmount"` // what the payer paid, never a reason to refuse
	// NotificationFee is what the receipt's own metadata says, nil when it does
	// not say.
	NotificationFee *money.Cents `json:"notificationFee,omitempty"`
	PSPFee          money.Cents  `json:"fee,omitempty"`
	PSPCompanyName  string       `json:"pspCompanyName,omitempty"`
	PaymentMethod   string       `json:"paymentMethod,omitempty"`
	PaymentDateTime time.Time    `json:"paymentDateTime,omitzero"`
	ApplicationDate string       `json:"applicationDate,omitempty"`
	TransferDate    string       `json:"transferDate,omitempty"`
	StandIn         bool         `json:"standIn,omitempty"`
	// Flags tell what was odd: schema problems as element paths, and the
	// verdicts below. They hold no values.
	Flags      []string  `json:"flags,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
	// LastAnswered is the amount that the last activation of the notice asked,
	// nil when none is on record; the difference is under- or over-collection.
	LastAnswered *money.Cents `json:"lastAnswered,omitempty"`
	// AnonymizedAt is when the retention took away what could name people; zero:
	// the receipt is whole.
	AnonymizedAt time.Time `json:"anonymizedAt,omitzero"`
	// Message is the whole SOAP message as received, empty when anonymised. Lists
	// leave it out.
	Message []byte `json:"-"`
	// Outgoing is what the caller wants to leave once the receipt is stored.
	Outgoing Outgoing `json:"-"`
	// Unjudged is why the receipt was stored with [FlagNotJudged], for the log. It
	// is never kept.
	Unjudged error `json:"-"`
}

// Flags of a receipt's verdict.
const (
	FlagUnknownNotice = "UNKNOWN_NOTICE" // no such notice here; kept, harmless (broadcast, other brokers)
	FlagAlreadyPaid   = "ALREADY_PAID"   // a second payment of a paid notice: to be refunded
	FlagBroadcast     = "BROADCAST"      // the primary creditor is another organization
	FlagNotOwed       = "NOT_OWED"       // paid when nothing was owed here: withdrawn, handed over, closed, not in force yet
	FlagNotOK         = "OUTCOME_NOT_OK" // the receipt itself does not say OK
	FlagNotJudged     = "NOT_JUDGED"     // our books would not take it: kept, but its position does not know; see Unjudged
)

// Settle applies a receipt to its position: it marks the option paid, unless it
// is paid already or the receipt's outcome is not OK, and reports whether the
// position changed. What is odd is added to r.Flags. The amount is never a
// reason to refuse (SANP, "Best practice": receipts tell what happened), nor is
// what became of the position meanwhile: it is flagged for somebody to look at. asked
// tells which part of it was SEND's fee.
func (p *Position) Settle(r *Receipt, asked Asked, now time.Time) (changed bool) {
	o := p.Option(r.NAV)
	if o == nil {
		r.Flags = append(r.Flags, FlagUnknownNotice)
		return false
	}
	if r.Outcome == "KO" {
		r.Flags = append(r.Flags, FlagNotOK)
		return false
	}
	n, _ := NewNotice(p, r.NAV, nil)
	switch refusal := n.RefusalAt(now); {
	case n.settled():
		r.Flags = append(r.Flags, FlagAlreadyPaid)
		if o.Paid() {
			return false
		}
	case refusal == RefusedCancelled, refusal == RefusedUnknown: // an expired or blocked one was activated in time
		r.Flags = append(r.Flags, FlagNotOwed)
	}
	date := r.PaymentDateTime
	if date.IsZero() {
		date = now
	}
	payment := OptionPayment{
		Date: date, Method: r.PaymentMethod, PSP: r.PSPCompanyName,
		ReceiptID: r.ReceiptID, Amount: r.PaymentAmount, PSPFee: r.PSPFee,
	}
	payment.SetFee(o.feePaid(p.OrganizationFiscalCode, r, asked))
	p.settle(o, payment)
	return true
}

// Anonymize takes from a receipt what could name people: the message, which tells
// debtor and payer, and who collected for the payer and how. What remains, numbers,
// amounts and days, is what the books of the organization need.
func (r *Receipt) Anonymize(now time.Time) {
	r.Message, r.PSPCompanyName, r.PaymentMethod = nil, "", ""
	r.AnonymizedAt = now
}
