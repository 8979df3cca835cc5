package positions

import (
	"errors"
	"fmt"
	"time"
)

// ValidateDates returns what is wrong with the dates of a position about to be
// created, by GPD's rules (pagopa-debt-position, DebtPositionValidation): it is
// not payable from a day that is past, every option falls due neither before the
// position is payable nor before now, and is kept no shorter than that. Instants
// that are equal are in order.
//
// It stands apart from [Position.Validate] because a position that was created
// elsewhere may be old and right.
func (p *Position) ValidateDates(now time.Time) error {
	var ps problems
	ps.check(p.ValidityDate.IsZero() || !p.ValidityDate.Before(now), "/validityDate", "is past")
	return p.validateTerms(ps, now)
}

// ValidateReplacementDates is [Position.ValidateDates] for a position that takes
// the place of an earlier version of itself: it may have been payable for a while.
func (p *Position) ValidateReplacementDates(now time.Time) error { return p.validateTerms(nil, now) }

func (p *Position) validateTerms(ps problems, now time.Time) error {
	for i := range p.Options {
		o := &p.Options[i]
		at := fmt.Sprintf("/paymentOption/%d", i)
		switch {
		case o.DueDate.IsZero(): // Validate tells
		case o.DueDate.Before(now):
			ps.add(at+"/dueDate", "is past")
		case o.DueDate.Before(p.ValidityDate):
			ps.add(at+"/dueDate", "lies before validityDate")
		}
		ps.check(o.RetentionDate.IsZero() || !o.RetentionDate.Before(o.DueDate), at+"/retentionDate", "lies before dueDate")
	}
	if len(ps) > 0 {
		return &Error{Code: Invalid, Message: "the dates of the position are not in order", Problems: ps}
	}
	return nil
}

// The causes of a refusal of [Position.PublishInTime], beside the status.
var (
	ErrValidityPast   = errors.New("the validity date has passed")
	ErrDuePast        = errors.New("a due date has passed")
	ErrDueBeforeValid = errors.New("a due date lies before the validity date")
)

// PublishInTime is [Position.Publish] for a draft that may have waited too long:
// GPD refuses (409) when its validity date or the due date of one of its options
// has passed, or when one falls due before the position is payable.
func (p *Position) PublishInTime(now time.Time) error {
	if p.Status != Draft {
		return p.Publish(now) // which says why not
	}
	for i := range p.Options {
		switch o := &p.Options[i]; {
		case o.DueDate.Before(p.ValidityDate):
			return &Error{Code: Conflict, Message: "notice " + string(o.NAV) + " falls due before the validity date of its position: replace the position first", Err: ErrDueBeforeValid}
		case o.DueDate.Before(now):
			return &Error{Code: Conflict, Message: "the due date of notice " + string(o.NAV) + " has passed: replace the position with a later one first", Err: ErrDuePast}
		}
	}
	if !p.ValidityDate.IsZero() && p.ValidityDate.Before(now) {
		return &Error{Code: Conflict, Message: "the validity date has passed: replace the position with a later one, or with none, first", Err: ErrValidityPast}
	}
	return p.Publish(now)
}
