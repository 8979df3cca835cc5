package positions

import (
	"context"
	"time"
)

// Kept names records that are kept for a while and not for ever.
type Kept string

// What is kept for a while.
const (
	KeptAnswers    Kept = "answers"    // what the Nodo was told: deleted
	KeptReceipts   Kept = "receipts"   // receipts: anonymised, see [Receipt.Anonymize]
	KeptDeliveries Kept = "deliveries" // deliveries that are not PENDING: deleted
	// REPRICED and LAPSED reconciliations of no payment: deleted. Those of payments are
	// the organization's accounts, and the sums that the metrics tell; they name nobody
	// by themselves and stay.
	KeptReconciliations Kept = "reconciliations"
)

// KeptNotified are the notices of notifications, counted by notification: deleted,
// each as a whole. SEND tells them again.
const KeptNotified Kept = "notifications"

// Retention ends the keeping of records whose time is over: the law wants
// personal data kept no longer than needed (GDPR, art. 5(1)(e)). The time of an
// answer begins with the request, of a receipt with its arrival, of a delivery
// with its end, of a notification when its notices were first told, of a
// reconciliation with its verdict. Errors are as in [Store]; Invalid for records of
// another name.
type Retention interface {
	// Expire deletes or anonymises at most limit records, in one short transaction,
	// whose time began before an instant, and tells how many: fewer than limit when
	// no more are left. Several replicas may do it at once; each record is counted
	// once.
	Expire(ctx context.Context, what Kept, before time.Time, limit int) (int, error)
	// CountExpired tells how many records Expire would find in all, and changes
	// nothing.
	CountExpired(ctx context.Context, what Kept, before time.Time) (int, error)
}

// UnknownKept is the error of a store that is asked for records of a name that
// it does not know.
func UnknownKept(what Kept) error {
	return Errorf(Invalid, "no records are called %q", string(what))
}
