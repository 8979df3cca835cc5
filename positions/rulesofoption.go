package positions

import (
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// rules counts the amount rules of all options.
func (p *Position) rules() (n int) {
	for i := range p.Options {
		n += len(p.Options[i].AmountRules)
	}
	return n
}

// HasRules reports whether the amount of the option can change from day to day.
func (o *PaymentOption) HasRules() bool { return len(o.AmountRules) > 0 }

// HangsOnNotification reports whether a rule is counted from the day on which the
// notification took effect, so that a date that SEND moves changes the amount.
func (o *PaymentOption) HangsOnNotification() bool {
	return slices.ContainsFunc(o.AmountRules, func(r rules.Rule) bool { return r.Anchor == rules.Notification })
}

// ForbiddenOn reports whether a rule that hangs on a given date forbids to pay at
// an instant, so that nobody need be asked about the notification.
func (o *PaymentOption) ForbiddenOn(policy *Policy, at time.Time) bool {
	if !o.HasRules() {
		return false
	}
	m := Moment(policy, nil, at, at)
	return slices.ContainsFunc(o.AmountRules, func(r rules.Rule) bool {
		return r.Effect.Type == rules.NotPayable && r.Anchor == rules.Date && r.HoldsOn(&m)
	})
}

// RuleSet returns the parts of the option and the rules about them. Parts that
// name no transfer are paid through the one that also carries SEND's fee, see
// [PaymentOption.FeeTransfer]; an option without components is one part.
func (o *PaymentOption) RuleSet(organization string) *rules.RuleSet {
	set := &rules.RuleSet{Rules: o.AmountRules}
	if i, ok := o.FeeTransfer(organization); ok {
		set.Carrier = o.Transfers[i].ID
	}
	if len(o.Components) == 0 {
		set.Parts = []rules.Component{{Code: rules.Whole, Amount: o.Amount, TransferID: set.Carrier}}
		return set
	}
	set.Parts = slices.Clone(o.Components)
	for i := range set.Parts {
		if set.Parts[i].TransferID == 0 {
			set.Parts[i].TransferID = set.Carrier
		}
	}
	return set
}

// validateRules adds everything wrong with the components and the rules of an
// option whose amounts and transfers are right.
func (o *PaymentOption) validateRules(ps *problems, at, organization string) {
	if len(o.Components) == 0 && !o.HasRules() {
		return
	}
	set := o.RuleSet(organization)
	if set.Carrier == 0 && (o.defaultsTransfer() || set.MakesInterest()) {
		ps.add(at+"/transfer", "no transfer of the organization itself, other than a stamp, is there for the components that name none and for interest")
		return
	}
	if len(o.Components) == 0 && len(o.Transfers) > 1 {
		ps.add(at+"/components", "is needed: with several transfers the rules must know which part of the debt goes to which")
		return
	}
	set.Check(o.forRules(), func(pointer, detail string) { ps.add(at+pointer, "%s", detail) })
}

// defaultsTransfer reports whether a component names no transfer.
func (o *PaymentOption) defaultsTransfer() bool {
	return len(o.Components) == 0 || slices.ContainsFunc(o.Components, func(c rules.Component) bool { return c.TransferID == 0 })
}

// forRules is what rules must know of the transfers.
func (o *PaymentOption) forRules() rules.Transfers {
	transfers := make(rules.Transfers, len(o.Transfers))
	for i := range o.Transfers {
		transfers[o.Transfers[i].ID] = rules.Transfer{Amount: o.Transfers[i].Amount, Stamp: o.Transfers[i].Stamp != nil}
	}
	return transfers
}

// TransfersBy returns the option's transfers with the amounts that the parts of an
// evaluation of its rules give them. It is Unprocessable when one comes to
// nothing, which [Position.Validate] sees to.
func (o *PaymentOption) TransfersBy(parts []rules.Component) ([]Transfer, error) {
	transfers := slices.Clone(o.Transfers)
	for i := range transfers {
		t := &transfers[i]
		t.Amount = 0
		for _, part := range parts {
			if part.TransferID == t.ID {
				t.Amount += part.Amount // their sum is at most money.Max
			}
		}
		if t.Amount <= 0 {
			return nil, Errorf(Unprocessable, "notice %s: its amount rules leave nothing of transfer %d", o.NAV, t.ID)
		}
	}
	return transfers, nil
}

// Moment is when and by which calendar the rules of a notice of an organization
// are evaluated. price is what is known of the notification, nil when nothing is.
// Whatever at is, a date counts only once it has come by now, see
// [Price.EffectiveAt].
func Moment(policy *Policy, price *Price, at, now time.Time) rules.Moment {
	m := rules.Moment{Today: calendar.DayOf(at), Notified: calendar.Unknown, Holidays: policy.Holidays()}
	if now.Before(at) {
		at = now
	}
	if price != nil {
		m.Notified = calendar.DayOf(price.EffectiveAt(at))
	}
	return m
}

// Holidays are the days on which terms of the organization do not end.
func (p *Policy) Holidays() calendar.Holidays {
	h := calendar.Holidays{SaturdayToo: p.Saturday == "HOLIDAY"}
	if p.PatronSaint != "" {
		h.Patron, _ = calendar.ParseMonthDay(p.PatronSaint) // what does not parse was refused
	}
	return h
}

// Part is the new amount of one component of an option.
type Part struct {
	Code   string
	Amount money.Cents
}

// parted returns the option's components with their new amounts, or everything
// that keeps the parts from being them. One that is alone follows the amount.
func (o *PaymentOption) parted(amount money.Cents, parts []Part) ([]rules.Component, []Problem) {
	var ps problems
	components := slices.Clone(o.Components)
	if len(components) == 0 && len(parts) == 1 && parts[0] == (Part{rules.Whole, amount}) {
		return nil, nil // as quotes call it
	}
	if len(parts) == 0 && len(components) <= 1 {
		for i := range components {
			components[i].Amount = amount
		}
		return components, nil
	}
	named := map[string]bool{}
	for i, part := range parts {
		at := pointerAt("/components", i)
		index := slices.IndexFunc(components, func(c rules.Component) bool { return c.Code == part.Code })
		switch {
		case index < 0:
			ps.add(at+"/code", "the notice has no such component")
		case named[part.Code]:
			ps.add(at+"/code", "this component is there twice")
		default:
			components[index].Amount = part.Amount
		}
		named[part.Code] = true
		ps.check(part.Amount >= 0 && part.Amount <= money.Max, at+"/amount", "must be between 0 and 99999999999 cents")
	}
	for _, c := range components {
		if !named[c.Code] {
			ps.add("/components", "component %s is not named: the notice has %d, and each needs its new amount", c.Code, len(components))
		}
	}
	return components, ps
}
