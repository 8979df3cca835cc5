package rules

import (
	"slices"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// Limits of one notice.
const (
	MaxRules      = 20
	MaxComponents = 12
	MaxLabel      = 140  // characters
	MaxCode       = 35   // characters of a component's code
	MaxDays       = 3660 // of a term; ten years and some days
)

// The components with a meaning of their own; any other code is the caller's.
const (
	// Whole is the one component of a debt that names none.
	Whole = "AMOUNT"
	// Interest is where [Accrue] puts its result. It need not be declared.
	Interest = "INTEREST"
)

// Component is a part of a debt: the fine, the tax, the sanction.
type Component struct {
	Code   string      `json:"code"`
	Amount money.Cents `json:"amount"`
	// TransferID is the transfer that the part is paid through, 1 to 5.
	TransferID int `json:"idTransfer,omitempty"`
}

// Anchor is what the terms of a rule are counted from.
type Anchor string

// The anchors.
const (
	// Notification is the day on which the notification took effect.
	Notification Anchor = "NOTIFICATION"
	// Date is a given day.
	Date Anchor = "DATE"
)

// Rule changes an amount, or forbids to pay it, from a first day to a last one.
type Rule struct {
	// Label tells the payer what it is, in Italian.
	Label  string `json:"label,omitempty"`
	Anchor Anchor `json:"anchor"`
	// Date is the day that terms are counted from when Anchor is [Date].
	Date calendar.Day `json:"date,omitzero"`
	// From or After gives the first day: the last day of From's span, or the day
	// after the end of After. Neither: the rule holds already before the anchor is
	// known.
	From  *Term `json:"from,omitempty"`
	After *Term `json:"after,omitempty"`
	// Until gives the last day, included; nil: for ever.
	Until  *Term  `json:"until,omitempty"`
	Effect Effect `json:"effect"`
}

// Term is a length of time that ends on a day.
type Term struct {
	calendar.Span
	// Roll moves an end on a holiday to the next working day.
	Roll bool `json:"roll,omitempty"`
	// PostponedTo is the end that an operator gave the term for this one notice;
	// what counts is the later of the two. The zero Day: none.
	PostponedTo calendar.Day `json:"postponedTo,omitzero"`
}

// EffectType is what a rule does.
type EffectType string

// The effects.
const (
	Proportion  EffectType = "PERCENT"      // Value of each component, added to it, or to To
	Set         EffectType = "SET"          // Amount replaces the component
	Add         EffectType = "ADD"          // Amount is added to the component
	Accrue      EffectType = "INTEREST"     // simple interest since the first day, into [Interest]
	PerSemester EffectType = "PER_SEMESTER" // Value for each whole semester since the first day
	NotPayable  EffectType = "NOT_PAYABLE"  // nothing can be paid
)

// Effect is what a rule does while it holds, to the values that the rules before
// it left. Each new value of a component is rounded half up to a cent, once.
type Effect struct {
	Type EffectType `json:"type"`
	// Components are those that the rule reads: their sum when the result goes
	// elsewhere, otherwise each for itself.
	Components []string `json:"components,omitempty"`
	// Value is the part of them, for [Proportion] and [PerSemester].
	Value Rate `json:"value,omitzero"`
	// To is the component that the result is added to; empty: to each that was
	// read.
	To string `json:"to,omitempty"`
	// Max bounds what the rule adds or takes in all, in cents; 0: no bound.
	Max money.Cents `json:"max,omitempty"`
	// Amount is the cents of [Set] and [Add].
	Amount money.Cents `json:"amount,omitempty"`
	// Annual is the yearly rate of [Accrue], Legal the legal one instead, and Plus
	// the points more.
	Annual Rate `json:"annualRate,omitzero"`
	Legal  bool `json:"legal,omitempty"`
	Plus   Rate `json:"plus,omitzero"`
}

// RuleSet is what one notice consists of: its parts and the rules about them.
type RuleSet struct {
	Parts []Component
	Rules []Rule
	// Carrier is the transfer that interest is paid through when no part is
	// [Interest].
	Carrier int
}

// MakesInterest reports whether a rule accrues interest that no part is there for.
func (s *RuleSet) MakesInterest() bool {
	return slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.Effect.Type == Accrue }) &&
		!slices.ContainsFunc(s.Parts, func(c Component) bool { return c.Code == Interest })
}

// Moment is when a set is evaluated, and by which calendar.
type Moment struct {
	Today calendar.Day
	// Notified is the day on which the notification took effect, or
	// [calendar.Unknown].
	Notified calendar.Day
	Holidays calendar.Holidays
	// Legal are the legal interest rates; nil: [LegalInterest] as published.
	Legal *LegalRates
}
