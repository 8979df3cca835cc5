package positions

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// MissingReceipt is a notice that was activated and of which no receipt came: a
// suspicion, no loss. The Nodo sends receipts of payments that succeeded only;
// one that failed, or that the payer left halfway, has none for ever, and the
// Nodo then activates the same notice again without a word. A receipt that was
// sent and not taken is sent again every hour, 48 times (SANP, paSendRT); what is
// still missing then can be asked for with PagoPA's getOrganizationReceipt.
type MissingReceipt struct {
	NAV NoticeNumber
	// IUPD and Status are of the notice's position, empty when it is not here any
	// more. Status is as it reads at the filter's Now.
	IUPD   string
	Status Status
	// ActivatedAt is the last activation, and Amount what it asked, in cents.
	ActivatedAt time.Time
	Amount      money.Cents
	Activations int // of the period
}

// MissingReceiptFilter says where a list of missing receipts looks.
type MissingReceiptFilter struct {
	OrganizationFiscalCode string
	// From and To bound the last activation, To excluded; see [MissingReceiptPeriod].
	From, To         time.Time
	Now              time.Time // the clock of Status; zero: the machine's
	SegregationCodes []string  // only notice numbers of aux digit 3 with one of them
	Page             Page
}

// MissingReceipts finds activations that no receipt followed. Errors are as in
// [Store].
type MissingReceipts interface {
	// MissingReceipts lists the notices of an organization whose last activation
	// that was answered OK lies in a period, and of which no receipt arrived since
	// and none is unneeded because the option is paid: the latest activation first,
	// and how many there are. A notice that was activated once more after the
	// period is not of the period. A receipt of another creditor (broadcast) is
	// about another notice of the same number.
	MissingReceipts(ctx context.Context, f MissingReceiptFilter) ([]MissingReceipt, int, error)
}

// The age from which an activation without a receipt is listed. A payment has at
// most an hour: the Nodo's token is valid for 30 minutes, 60 in app IO (Nodo's
// configuration keys), and the receipt follows at once.
const (
	DefaultMissingAge = 2 * time.Hour
	MinMissingAge     = time.Hour
)

// Bounds of the period that a list of missing receipts looks at, in days.
const (
	MaxMissingDays     = 92 // three months
	DefaultMissingDays = 30
)

// MissingReceiptPeriod is the period of a [MissingReceiptFilter], for what was
// asked at now: activations from from, before to, and at least age ago. A zero to
// is now, a zero from is [DefaultMissingDays] days before the end. Invalid, at from,
// to or olderThan, when the age is below [MinMissingAge], from lies after to, or the
// period is longer than [MaxMissingDays] calendar days. An end before the begin is
// an empty period: nothing in it is old enough.
func MissingReceiptPeriod(from, to, now time.Time, age time.Duration) (begin, end time.Time, err error) {
	var ps problems
	ps.check(age >= MinMissingAge, "olderThan", "must be at least 1h: a payment may take that long")
	if to.IsZero() || to.After(now) {
		to = now
	}
	end = to
	if old := now.Add(-age); old.Before(end) {
		end = old
	}
	begin = from
	if begin.IsZero() {
		begin = end.In(calendar.Rome).AddDate(0, 0, -DefaultMissingDays)
	}
	ps.check(from.IsZero() || !from.After(to), "from", "lies after to, or ahead")
	ps.check(!to.After(begin.In(calendar.Rome).AddDate(0, 0, MaxMissingDays)), "from", "lies more than 92 days before to")
	if len(ps) > 0 {
		return begin, end, &Error{Code: Invalid, Message: "parameter " + ps[0].Pointer + " " + ps[0].Detail, Problems: ps}
	}
	return begin.UTC(), end.UTC(), nil
}
