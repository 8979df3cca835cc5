package positions

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// A Reconciliation is what an answer without SEND's price left to find out: it
// was given as LAST_KNOWN, BASE or NONE, or the Nodo collected in stand-in and
// asked nobody. Once SEND answers again, a notice that nobody has paid yet is
// priced anew, and of one that was paid the difference is recorded.
//
// There is one for a notice that is not paid, however many such answers it was
// given, and one for each payment that such an answer led to.
//
// An answer is evidence, and waits for nothing but its own record: with it the
// store notes, in the same commit, that something is to be opened. Opening follows in
// a commit of its own, by [OpenedBy], and takes the note away: at once where nobody
// is in the way, else by the next round of the reconciliation, whatever happened in
// between. A receipt opens first what is noted of its notice, so that [AfterReceipt]
// judges as if the answer had opened it.
type Reconciliation struct {
	ID                     int64
	OrganizationFiscalCode string
	NAV                    NoticeNumber
	IUPD                   string // of the position; empty until it was looked at
	// ReceiptID names the payment's receipt; empty while nobody has paid, and of
	// payments that were reported without one.
	ReceiptID string
	State     ReconciliationState

	// Source, Operation, AnsweredAt and Amount are of the answer: why it is
	// doubtful, when it was given and what it asked for in all. Of a stand-in
	// payment Amount is what was paid, and nothing was answered.
	Source     FeeSource
	Operation  string
	AnsweredAt time.Time
	Amount     money.Cents
	// ChargedFee is the fee that was asked for, and once it was paid the fee that
	// the payment really covered. DueFee is what should have been charged.
	ChargedFee, DueFee money.Cents
	// IUN is the notification that DueFee was told of, empty before and when there
	// is no cost.
	IUN string

	OpenedAt time.Time // when the first such answer was given, or the receipt of a stand-in payment arrived
	PaidAt   time.Time // zero: not paid
	JudgedAt time.Time // zero: OPEN

	// Attempts counts the times that SEND was asked in vain, and DueAt is when it
	// is asked next, of an OPEN one.
	Attempts int
	DueAt    time.Time
	// Revision grows with every write, so that of two writers the second notices.
	Revision int64
}

// ReconciliationState is what became of a reconciliation.
type ReconciliationState string

// The states of a reconciliation. Only the last three are of payments.
const (
	ReconciliationOpen     ReconciliationState = "OPEN"            // SEND has not answered yet
	ReconciliationRepriced ReconciliationState = "REPRICED"        // its price was known again before anybody paid: nothing is lost
	ReconciliationLapsed   ReconciliationState = "LAPSED"          // nothing left to judge: the notice or the payment is gone, or nobody can tell the fee any more
	ReconciliationEven     ReconciliationState = "EVEN"            // paid with the right fee
	ReconciliationUnder    ReconciliationState = "UNDER_COLLECTED" // paid with a fee too small
	ReconciliationOver     ReconciliationState = "OVER_COLLECTED"  // paid with a fee too large
)

// ReconciliationStates are all of them, in the order of a report.
var ReconciliationStates = []ReconciliationState{
	ReconciliationOpen, ReconciliationRepriced, ReconciliationLapsed, ReconciliationEven, ReconciliationUnder, ReconciliationOver,
}

// SourceStandIn stands in a reconciliation, never in an answer, for a payment
// that the Nodo collected without asking, by what it had been told before (SANP,
// "Stand In": possibly without SEND's fee).
const SourceStandIn FeeSource = "STAND_IN"

// Degraded tells that an answer with a fee from this source was given without
// SEND's, which may have been another.
func (s FeeSource) Degraded() bool {
	return s == SourceLastKnown || s == SourceBase || s == SourceNone
}

// Difference is what is missing of the fee, in cents: above zero too little was
// collected, below zero too much. It is zero as long as nobody has paid.
func (r *Reconciliation) Difference() money.Cents {
	if r.State != ReconciliationUnder && r.State != ReconciliationOver {
		return 0
	}
	return r.DueFee - r.ChargedFee
}

// OpenedBy returns what some answers leave to reconcile: one for each notice, by
// its last answer that was given without SEND's price, in a fixed order, in which
// writers wait for each other and never in a circle.
//
// Stores open by the order of what happened, not of what arrived, so that doing it
// late or twice is harmless. An answer changes the notice's reconciliation that is
// of no payment only when it came after the answer of that one and after its verdict.
// It opens none when it came before the answer of a payment that has a
// reconciliation, or before its date or verdict unless that is LAPSED.
func OpenedBy(answers []Answer) []Reconciliation {
	var opened []Reconciliation
	for i := range answers {
		if a := &answers[i]; a.Doubtful() {
			opened = append(opened, Reconciliation{
				OrganizationFiscalCode: a.OrganizationFiscalCode, NAV: a.NAV, State: ReconciliationOpen,
				Source: a.Source, Operation: a.Operation, AnsweredAt: a.At, Amount: a.Amount, ChargedFee: a.NotificationFee,
				OpenedAt: a.At, DueAt: a.At,
			})
		}
	}
	sameNotice := func(a, b Reconciliation) int {
		return cmp.Or(cmp.Compare(a.OrganizationFiscalCode, b.OrganizationFiscalCode), cmp.Compare(a.NAV, b.NAV))
	}
	slices.SortStableFunc(opened, func(a, b Reconciliation) int {
		return cmp.Or(sameNotice(a, b), b.AnsweredAt.Compare(a.AnsweredAt))
	})
	return slices.CompactFunc(opened, func(a, b Reconciliation) bool { return sameNotice(a, b) == 0 })
}

// AfterReceipt tells what a receipt that settled the notice p of NAV leaves to
// reconcile, nil for nothing new. waiting is the notice's reconciliation so far
// that is of no payment, nil when there is none: what is returned takes its place.
// last is the last activation that was answered OK, nil when none is on record; it
// is what the payer was asked.
//
// An activation with SEND's price ends what an answer before it began. Where none
// is on record although an answer without SEND's price is, that one counts.
func AfterReceipt(waiting *Reconciliation, p *Position, r *Receipt, last *Answer) *Reconciliation {
	o := p.Option(r.NAV)
	if o == nil || o.Payment == nil {
		return nil
	}
	var next Reconciliation
	open := waiting != nil && waiting.State == ReconciliationOpen
	if waiting != nil {
		next = *waiting
	}
	switch {
	case r.StandIn && o.SendBound:
		next.Source, next.Operation, next.AnsweredAt, next.Amount = SourceStandIn, "", time.Time{}, r.PaymentAmount
	case !r.StandIn && last != nil && last.Source.Degraded():
		next.Source, next.Operation, next.AnsweredAt, next.Amount = last.Source, last.Operation, last.At, last.Amount
	case open && (last == nil || r.PaymentAmount < last.Amount): // it followed an earlier answer
	case open:
		next.State, next.DueFee, next.JudgedAt = ReconciliationRepriced, o.Payment.NotificationFee, r.ReceivedAt
		return &next
	default:
		return nil
	}
	next.OrganizationFiscalCode, next.NAV, next.IUPD = p.OrganizationFiscalCode, o.NAV, p.IUPD
	if !open {
		next.OpenedAt = next.AnsweredAt
		if next.OpenedAt.IsZero() {
			next.OpenedAt = r.ReceivedAt
		}
	}
	next.State, next.DueFee, next.IUN, next.JudgedAt = ReconciliationOpen, 0, "", time.Time{}
	next.ReceiptID, next.PaidAt, next.ChargedFee = r.ReceiptID, o.Payment.Date, o.Payment.NotificationFee
	next.Attempts, next.DueAt = 0, r.ReceivedAt
	return &next
}

// Moot tells that SEND need not be asked any more: the notice is gone (n is nil),
// SEND no longer notifies it, or its payment was taken back.
func (r *Reconciliation) Moot(n *Notice) bool {
	if n == nil || !n.Option.SendBound {
		return true
	}
	paid := n.Option.Payment
	if r.PaidAt.IsZero() {
		return n.Option.Paid() && paid == nil // nobody knows what was paid
	}
	return !n.Option.Paid() || paid == nil || paid.ReceiptID != r.ReceiptID
}

// Lapse ends a reconciliation that cannot be judged.
func (r *Reconciliation) Lapse(now time.Time) {
	r.State, r.JudgedAt, r.DueFee = ReconciliationLapsed, now, 0
}

// Judge settles an open reconciliation by the notice as it is, which must not be
// moot, and by n.Price, which SEND gave since the answer. elsewhere is what was
// found missing (or, below zero, too much) of the fee with other notices of the
// same notification and recipient, see [Reconciliations.MissingElsewhere]: the
// cost was spent once, and is missed once.
//
// SEND's price of today is the best there is. A letter that left after the payment
// counts too; SEND stops sending letters once it hears of the payment.
func (r *Reconciliation) Judge(n *Notice, elsewhere money.Cents, now time.Time) {
	o := &n.Option
	r.IUPD, r.JudgedAt, r.IUN, r.DueFee = n.Position.IUPD, now, "", 0
	if _, carries := o.FeeTransfer(n.Position.OrganizationFiscalCode); carries && n.Price.NoCost == "" {
		r.DueFee = max(0, n.Price.TotalPrice-n.Price.PaidElsewhere-elsewhere)
		if iunPattern.MatchString(n.Price.IUN) {
			r.IUN = n.Price.IUN
		}
	}
	if !o.Paid() {
		r.State = ReconciliationRepriced
		return
	}
	if n.Price.NoCost == NotPayable { // a relay says no more of what is paid
		r.Lapse(now)
		return
	}
	r.PaidAt, r.ReceiptID, r.ChargedFee = o.Payment.Date, o.Payment.ReceiptID, o.Payment.NotificationFee
	if r.PaidAt.IsZero() {
		r.PaidAt = now
	}
	switch {
	case r.DueFee > r.ChargedFee:
		r.State = ReconciliationUnder
	case r.DueFee < r.ChargedFee:
		r.State = ReconciliationOver
	default:
		r.State = ReconciliationEven
	}
}

// Reconciliations keeps what is to be reconciled. Errors are as in [Store].
type Reconciliations interface {
	// OpenReconciliations opens what recorded answers left to reconcile and nobody
	// has opened yet, see [OpenedBy], in one transaction: of at most limit answers
	// (above 0) after the one of an earlier call, 0 for the first. next is where to go
	// on, 0 when there are no more. Reconciliations that somebody else is writing are
	// not waited for: they are left, to be found from 0 again.
	OpenReconciliations(ctx context.Context, after int64, limit int) (next int64, err error)
	// OrganizationsToReconcile returns the organizations, at most limit, with an
	// OPEN reconciliation that is due by now, the longest due first, except those
	// that are held.
	OrganizationsToReconcile(ctx context.Context, now time.Time, limit int) ([]ReconciliationQueue, error)
	// HoldReconciliations leaves an organization alone until an instant, because of
	// as many failures in a row; none ends the hold.
	HoldReconciliations(ctx context.Context, fiscalCode string, failures int, until time.Time) error
	// DueReconciliations returns the OPEN reconciliations of an organization that
	// are due by now, at most limit, the longest due first.
	DueReconciliations(ctx context.Context, fiscalCode string, now time.Time, limit int) ([]Reconciliation, error)
	// SettleReconciliation writes what became of a reconciliation and fills its
	// Revision. Stale when it was written since the caller read it, by an answer or
	// a receipt for example: nothing is written then, and it is read again in time.
	// Conflict when another one is of the same receipt.
	SettleReconciliation(ctx context.Context, r *Reconciliation) error
	// MissingElsewhere returns what reconciliations found missing of the fee of one
	// notification, in cents, with paid notices of a recipient other than one; below
	// zero it was too much. Recipients are as in [Store.FeesPaid], whose result it
	// corrects; so is the bound.
	MissingElsewhere(ctx context.Context, fiscalCode, iun, recipient string, except NoticeNumber) (money.Cents, error)
	// Reconciliations lists reconciliations.
	Reconciliations(ctx context.Context, f ReconciliationFilter) ([]Reconciliation, error)
	// ReconciliationTotals adds up all that the filter leaves, whatever its page.
	ReconciliationTotals(ctx context.Context, f ReconciliationFilter) (ReconciliationTotals, error)
	// ReconciliationSums are the totals of all organizations that can be had without
	// reading what ended well: UnderCollected, OverCollected and Open.
	ReconciliationSums(ctx context.Context) (ReconciliationTotals, error)
}

// ReconciliationQueue is an organization with something due.
type ReconciliationQueue struct {
	OrganizationFiscalCode string
	Failures               int // of its last hold, in a row; 0: all was well
}

// ReconciliationFilter narrows reconciliations. Zero fields do not filter.
type ReconciliationFilter struct {
	OrganizationFiscalCode string
	State                  ReconciliationState
	From, To               time.Time // by OpenedAt, To excluded
	SegregationCodes       []string  // only notice numbers of aux digit 3 with one of them
	// AfterID, not nil, asks for those with a larger ID, in the order of their IDs,
	// so that all can be read in parts while some change; nil: the newest first.
	AfterID *int64
	Page    Page
}

// ReconciliationTotals are sums over reconciliations, in cents, and how many of
// them there are.
type ReconciliationTotals struct {
	UnderCollected, OverCollected money.Cents // neither is ever negative
	Open, Repriced, Count         int
}

// Net is what is missing in all, in cents; below zero, more was collected than
// was due.
func (t *ReconciliationTotals) Net() money.Cents { return t.UnderCollected - t.OverCollected }

// Add counts one more.
func (t *ReconciliationTotals) Add(r *Reconciliation) {
	t.Count++
	switch r.State {
	case ReconciliationOpen:
		t.Open++
	case ReconciliationRepriced:
		t.Repriced++
	case ReconciliationUnder:
		t.UnderCollected += r.Difference()
	case ReconciliationOver:
		t.OverCollected -= r.Difference()
	}
}
