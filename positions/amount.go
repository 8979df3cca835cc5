package positions

import (
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Share is the new amount of one transfer of an option.
type Share struct {
	TransferID int // 1 to 5
	Amount     money.Cents
}

// SetAmount makes amount what a notice is owed, without SEND's fee, and reports
// whether that changed anything: it is absolute, so doing it twice is doing it
// once. shares may be left out when the option has one transfer; otherwise they
// name every transfer, and add up to amount.
//
// NotFound when the position has no such notice, Conflict when its state
// forbids it or the notice is paid, [Invalid] with problems at the pointers of
// {amount, transfers: [{idTransfer, amount}]}.
func (p *Position) SetAmount(nav NoticeNumber, amount money.Cents, shares []Share, now time.Time) (changed bool, err error) {
	o := p.Option(nav)
	if o == nil {
		return false, Errorf(NotFound, "there is no such notice")
	}
	if err := p.Permit(EventAmount, now); err != nil {
		return false, err
	}
	if n, _ := NewNotice(p, nav, nil); n.settled() {
		return false, Errorf(Conflict, "a notice that is paid, or that a payment beside it replaced, cannot be given another amount; the position is in status %s and lifecycle %s",
			p.StatusAt(now), p.LifecycleAt(now))
	}
	transfers, problems := o.shared(amount, shares)
	if len(problems) > 0 {
		return false, &Error{Code: Invalid, Message: "the amount is not valid", Problems: problems}
	}
	for i := range transfers {
		changed = changed || transfers[i].Amount != o.Transfers[i].Amount
	}
	changed = changed || amount != o.Amount
	o.Amount, o.Transfers = amount, transfers
	return changed, nil
}

// shared returns the option's transfers with their new amounts, or everything
// that keeps the shares from being them.
func (o *PaymentOption) shared(amount money.Cents, shares []Share) ([]Transfer, []Problem) {
	ps := problems(CheckAmount(amount))
	transfers := slices.Clone(o.Transfers)
	if len(shares) == 0 && len(transfers) == 1 {
		transfers[0].Amount = amount
		return transfers, ps
	}
	var sum money.Cents
	named := map[int]bool{}
	for i, s := range shares {
		at := fmt.Sprintf("/transfers/%d", i)
		index := slices.IndexFunc(transfers, func(t Transfer) bool { return t.ID == s.TransferID })
		switch {
		case index < 0:
			ps.add(at+"/idTransfer", "the notice has no such transfer")
		case named[s.TransferID]:
			ps.add(at+"/idTransfer", "this transfer is there twice")
		default:
			transfers[index].Amount = s.Amount
		}
		named[s.TransferID] = true
		ps.check(s.Amount >= 1 && s.Amount <= money.Max, at+"/amount", "must be between 1 and 99999999999 cents")
		if s.Amount > 0 && s.Amount <= money.Max && i < MaxTransfers { // five of them cannot overflow
			sum += s.Amount
		}
	}
	for _, t := range transfers {
		if !named[t.ID] {
			ps.add("/transfers", "transfer %d is not named: the notice has %d, and each needs its new amount", t.ID, len(transfers))
		}
	}
	if len(ps) == 0 && sum != amount {
		ps.add("/amount", "is %d, but the transfers add up to %d", amount, sum)
	}
	return transfers, ps
}

// CheckAmount returns what is wrong with the amount of a notice, at the pointers
// of its body.
func CheckAmount(amount money.Cents) []Problem {
	var ps problems
	ps.check(amount >= 1 && amount <= money.Max, "/amount", "must be between 1 and 99999999999 cents")
	return ps
}
