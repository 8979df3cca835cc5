package positions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Share is the new amount of one transfer of an option.
type Share struct {
	TransferID int // 1 to 5
	Amount     money.Cents
}

// SetAmount makes amount what a notice is owed, without SEND's fee and before
// amount rules, and reports whether that changed anything: it is absolute, so
// doing it twice is doing it once. shares may be left out when the option has one
// transfer, parts when it has at most one component; otherwise they name every
// one, and add up to amount.
//
// NotFound when the position has no such notice, Conflict when its state
// forbids it or the notice is paid, [Invalid] with problems at the pointers of
// {amount, transfers: [{idTransfer, amount}], components: [{code, amount}]}.
func (p *Position) SetAmount(nav NoticeNumber, amount money.Cents, shares []Share, parts []Part, now time.Time) (changed bool, err error) {
	o, err := p.open(nav, EventAmount, now)
	if err != nil {
		return false, err
	}
	q := *o
	var problems, more []Problem
	q.Transfers, problems = o.shared(amount, shares)
	q.Components, more = o.parted(amount, parts)
	q.Amount = amount
	if problems = append(problems, more...); len(problems) == 0 {
		problems = q.checkAmounts(p.OrganizationFiscalCode)
	}
	if len(problems) > 0 {
		return false, &Error{Code: Invalid, Message: "the amount is not valid", Problems: problems}
	}
	changed = amount != o.Amount || !slices.Equal(q.Components, o.Components)
	for i := range q.Transfers {
		changed = changed || q.Transfers[i].Amount != o.Transfers[i].Amount
	}
	*o = q
	return changed, nil
}

// open returns the option of a notice that an event may change: one that is owed
// still.
func (p *Position) open(nav NoticeNumber, e Event, now time.Time) (*PaymentOption, error) {
	o := p.Option(nav)
	if o == nil {
		return nil, Errorf(NotFound, "there is no such notice")
	}
	if err := p.Permit(e, now); err != nil {
		return nil, err
	}
	if n, _ := NewNotice(p, nav, nil); n.settled() {
		return nil, Errorf(Conflict, "a notice that is paid, or that a payment beside it replaced, cannot be %s; the position is in status %s and lifecycle %s",
			participles[e], p.StatusAt(now), p.LifecycleAt(now))
	}
	return o, nil
}

// checkAmounts returns what is wrong with new amounts by the option's components
// and rules, at the pointers of the body that brings them.
func (o *PaymentOption) checkAmounts(organization string) []Problem {
	var found problems
	o.validateRules(&found, "", organization)
	for i := range found {
		if strings.HasPrefix(found[i].Pointer, "/amountRules") {
			found[i] = against("/amount", found[i])
		}
	}
	return found
}

// against tells at the pointer of a body what is wrong with the rules that the
// notice has.
func against(pointer string, p Problem) Problem {
	return Problem{pointer, "does not go with " + p.Pointer + " of the notice: it " + p.Detail}
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
		at := pointerAt("/transfers", i)
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

func pointerAt(list string, index int) string { return fmt.Sprintf("%s/%d", list, index) }
