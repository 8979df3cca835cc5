package rules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func TestOrdinarySetsAreAccepted(t *testing.T) {
	no := rules.Effect{Type: rules.NotPayable}
	for name, s := range map[string]*rules.RuleSet{
		"a fine":                    fine(),
		"an assessment":             assessment(),
		"no rules":                  setOf([]rules.Component{part("AMOUNT", 100)}),
		"not payable after a while": setOf([]rules.Component{part("AMOUNT", 100)}, rules.Rule{Anchor: rules.Notification, After: rolled(days(60)), Effect: no}),
		"a fine on its own":         setOf([]rules.Component{part("FINE", 17300)}, fine().Rules...),
		"a sanction that is waived beside a tax": setOf([]rules.Component{part("TAX", 1), part("SANCTION", 500)},
			rules.Rule{Anchor: rules.Notification, Until: days(60), Effect: percent("-100", "SANCTION")}),
		"reductions one after the other": setOf([]rules.Component{part("A", 10)},
			rules.Rule{Anchor: rules.Notification, Until: rolled(days(5)), Effect: add(-6, "A")},
			rules.Rule{Anchor: rules.Notification, After: rolled(days(5)), Until: rolled(days(60)), Effect: add(-6, "A")},
			rules.Rule{Anchor: rules.Notification, After: months(3), Effect: add(-6, "A")}),
		"reductions until and from given dates": setOf([]rules.Component{part("A", 10)},
			rules.Rule{Anchor: rules.Date, Date: day("2026-03-01"), Until: rolled(days(0)), Effect: add(-6, "A")},
			rules.Rule{Anchor: rules.Date, Date: day("2026-03-31"), From: days(0), Effect: add(-6, "A")}),
		"twenty rules": setOf([]rules.Component{part("A", 10000)}, slices.Repeat([]rules.Rule{always(percent("-5", "A"))}, 20)...),
	} {
		if wrong := problems(s, transfersOf(s)); len(wrong) > 0 {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}

func TestWrongSetsAreToldExactlyWhatIsWrong(t *testing.T) {
	two := rules.Transfers{1: {Amount: 100}, 2: {Amount: 50}}
	stamp := rules.Transfers{1: {Amount: 100}, 2: {Amount: 50, Stamp: true}}
	ab := []rules.Component{part("A", 100), {Code: "B", Amount: 50, TransferID: 2}}
	rule := func(change func(r *rules.Rule)) *rules.RuleSet {
		r := rules.Rule{Anchor: rules.Notification, Until: days(5), Effect: percent("-30", "A")}
		change(&r)
		return setOf(ab, r)
	}
	effect := func(e rules.Effect) *rules.RuleSet {
		return rule(func(r *rules.Rule) { r.From, r.Until, r.Effect = days(1), nil, e })
	}
	with := func(e rules.Effect, change func(e *rules.Effect)) rules.Effect {
		change(&e)
		return e
	}
	for _, c := range []struct {
		name      string
		set       *rules.RuleSet
		transfers rules.Transfers // nil: two
		want      []string
	}{
		{"too many rules", setOf(ab, slices.Repeat([]rules.Rule{always(percent("1", "A"))}, 21)...), nil, []string{"/amountRules: has 21 rules, at most 20 are allowed"}},
		{"too many components", setOf(slices.Repeat([]rules.Component{part("A", 1)}, 13)), nil, []string{"/components: has 13 components, at most 12 are allowed"}},
		{"codes", setOf([]rules.Component{part("", 10), part(" ", 10), part(strings.Repeat("è", 36), 10), part("\xff", 10), part("NOTIFICATION_FEE", 10), part("X", 30), part("X", 20), {Code: strings.Repeat("è", 35), Amount: 50, TransferID: 2}}), nil, []string{
			"/components/0/code: must be 1 to 35 characters", "/components/1/code: must be 1 to 35 characters", "/components/2/code: must be 1 to 35 characters", "/components/3/code: must be 1 to 35 characters",
			"/components/4/code: is the service's own: SEND's fee is never a component", "/components/6/code: another component has the same code",
		}},
		{"amounts and transfers", setOf([]rules.Component{part("A", -1), part("B", money.Max+1), {Code: "C", Amount: 1, TransferID: 3}, {Code: "D", Amount: 1}}), nil, []string{
			"/components/0/amount: must be between 0 and 99999999999 cents", "/components/1/amount: must be between 0 and 99999999999 cents", "/components/2/idTransfer: the notice has no such transfer", "/components/3/idTransfer: the notice has no such transfer",
		}},
		{"sums", setOf([]rules.Component{part("A", 99), part("B", 2)}), nil, []string{
			"/components: those of transfer 1 add up to 101, but the transfer is 100", "/components: those of transfer 2 add up to 0, but the transfer is 50",
		}},

		{"a long label", rule(func(r *rules.Rule) { r.Label = strings.Repeat("à", 141) }), nil, []string{"/amountRules/0/label: has 141 characters, at most 140 are allowed"}},
		{"a label that is no text", rule(func(r *rules.Rule) { r.Label = "\xff" }), nil, []string{"/amountRules/0/label: is not valid UTF-8"}},
		{"no anchor", rule(func(r *rules.Rule) { r.Anchor = "" }), nil, []string{"/amountRules/0/anchor: must be one of NOTIFICATION, DATE"}},
		{"a date with the notification", rule(func(r *rules.Rule) { r.Date = day("2026-01-01") }), nil, []string{"/amountRules/0/date: is for anchor DATE"}},
		{"no date", rule(func(r *rules.Rule) { r.Anchor = rules.Date }), nil, []string{`/amountRules/0/date: is needed with anchor DATE, such as "2026-12-28"`}},
		{"a date that is never", rule(func(r *rules.Rule) { r.Anchor, r.Date = rules.Date, calendar.Never }), nil, []string{`/amountRules/0/date: is needed with anchor DATE, such as "2026-12-28"`}},
		{"a date long ago", rule(func(r *rules.Rule) { r.Anchor, r.Date = rules.Date, day("1899-12-31") }), nil, []string{"/amountRules/0/date: must lie between the years 1900 and 9998"}},
		{"a date far off", rule(func(r *rules.Rule) { r.Anchor, r.Date = rules.Date, day("9999-01-01") }), nil, []string{"/amountRules/0/date: must lie between the years 1900 and 9998"}},
		{"the first date", rule(func(r *rules.Rule) { r.Anchor, r.Date = rules.Date, day("1900-01-01") }), nil, nil},
		{"the last date, and the longest term", rule(func(r *rules.Rule) { r.Anchor, r.Date, r.Until = rules.Date, day("9998-12-31"), days(3660) }), nil, nil},
		{"the first of January 1970", rule(func(r *rules.Rule) { r.Anchor, r.Date = rules.Date, day("1970-01-01") }), nil, nil},
		{"no date, and an effect that is none", rule(func(r *rules.Rule) { r.Anchor = rules.Date; r.Effect.Type = "HALVE" }), nil, []string{
			`/amountRules/0/date: is needed with anchor DATE, such as "2026-12-28"`, "/amountRules/0/effect/type: must be one of PERCENT, SET, ADD, INTEREST, PER_SEMESTER, NOT_PAYABLE",
		}},
		{"terms without a unit", rule(func(r *rules.Rule) { r.From, r.Until = &rules.Term{}, &rules.Term{Span: calendar.Span{Unit: "WEEKS"}} }), nil, []string{
			"/amountRules/0/from: needs exactly one of days, months, semesters", "/amountRules/0/until: needs exactly one of days, months, semesters",
		}},
		{"days below none", rule(func(r *rules.Rule) { r.Until = days(-1) }), nil, []string{"/amountRules/0/until/days: must be between 0 and 3660"}},
		{"days beyond", rule(func(r *rules.Rule) { r.Until = days(3661) }), nil, []string{"/amountRules/0/until/days: must be between 0 and 3660"}},
		{"months beyond", rule(func(r *rules.Rule) { r.After, r.Until = months(123), nil }), nil, []string{"/amountRules/0/after/months: must be between 0 and 122"}},
		{"semesters beyond", rule(func(r *rules.Rule) { r.Until = &rules.Term{Span: calendar.Span{Unit: calendar.Semesters, Count: 21}} }), nil, []string{"/amountRules/0/until/semesters: must be between 0 and 20"}},
		{"postponed too far", rule(func(r *rules.Rule) { r.Until.PostponedTo = calendar.Never }), nil, []string{"/amountRules/0/until/postponedTo: must lie between the years 1900 and 9998"}},
		{"two first days", rule(func(r *rules.Rule) { r.From, r.After = days(1), days(1) }), nil, []string{"/amountRules/0/after: excludes from: a rule has one first day"}},
		{"a first day that rolls", rule(func(r *rules.Rule) { r.From = rolled(days(1)) }), nil, []string{"/amountRules/0/from/roll: is for until and after: a first day does not move by itself"}},

		{"after its end", rule(func(r *rules.Rule) { r.After = days(5) }), nil, []string{never}},
		{"from the day after its end", rule(func(r *rules.Rule) { r.From = days(6) }), nil, []string{never}},
		{"on one day", rule(func(r *rules.Rule) { r.From = days(5) }), nil, nil},
		{"only when its end moves", rule(func(r *rules.Rule) { r.From, r.Until.Roll = days(6), true }), nil, nil},
		{"after its end, though that moves", rule(func(r *rules.Rule) { r.After, r.Until.Roll = rolled(days(5)), true }), nil, []string{never}},
		{"longer after its end than that ever moves", rule(func(r *rules.Rule) { r.From, r.Until.Roll = days(11), true }), nil, []string{never}},
		{"months after days", rule(func(r *rules.Rule) { r.After, r.Until = months(2), days(50) }), nil, []string{never}},
		{"days after months", rule(func(r *rules.Rule) { r.From, r.Until = days(500), months(12) }), nil, []string{never}},
		{"February may be shorter", rule(func(r *rules.Rule) { r.From, r.Until = months(1), days(28) }), nil, nil},
		{"a given day after its end", rule(func(r *rules.Rule) {
			r.Anchor, r.Date, r.From, r.Until = rules.Date, day("2026-03-02"), days(32), months(1)
		}), nil, []string{never}},
		{"a given day in leap years", rule(func(r *rules.Rule) {
			r.Anchor, r.Date, r.From, r.Until = rules.Date, day("2028-02-02"), days(29), months(1)
		}), nil, nil},
		{"postponed, so that it holds", rule(func(r *rules.Rule) { r.After, r.Until.PostponedTo = days(5), day("2030-01-01") }), nil, nil},

		{"no effect", rule(func(r *rules.Rule) { r.Effect = rules.Effect{} }), nil, []string{
			"/amountRules/0/effect/type: must be one of PERCENT, SET, ADD, INTEREST, PER_SEMESTER, NOT_PAYABLE", "/amountRules/0/effect/components: is needed: the components that the rule is about, of A, B",
		}},
		{"no value", effect(rules.Effect{Type: rules.Proportion, Components: []string{"A"}}), nil, []string{`/amountRules/0/effect/value: is needed: a percentage such as "-30", or a fraction such as "-2/3"`}},
		{"a value of nothing", effect(percent("-0", "A")), nil, []string{"/amountRules/0/effect/value: must not be 0: the rule would change nothing"}},
		{"more than there is", effect(percent("-100.0001", "A")), nil, []string{"/amountRules/0/effect/value: takes more than there is"}},
		{"a fraction of more than there is", effect(percent("-4/3", "A")), nil, []string{"/amountRules/0/effect/value: takes more than there is"}},
		{"a reduction for each semester", effect(perSemester("-1", "A")), nil, []string{"/amountRules/0/effect/value: must be positive: a reduction that grows for ever would end below zero"}},
		{"what belongs to other types, of a percentage", effect(with(percent("1", "A"), func(e *rules.Effect) { e.Amount, e.Legal, e.Plus = 1, true, rate("1") })), nil, []string{
			"/amountRules/0/effect/amount: is not for PERCENT", "/amountRules/0/effect/annualRate: is not for PERCENT", "/amountRules/0/effect/plus: is not for PERCENT",
		}},
		{"what belongs to other types, of an amount", effect(with(add(1, "A"), func(e *rules.Effect) { e.Value, e.To, e.Max, e.Annual = rate("1"), "B", 5, rate("1") })), nil, []string{
			"/amountRules/0/effect/value: is not for ADD", "/amountRules/0/effect/to: is not for ADD", "/amountRules/0/effect/max: is not for ADD", "/amountRules/0/effect/annualRate: is not for ADD",
		}},
		{"components of what cannot be paid", effect(rules.Effect{Type: rules.NotPayable, Components: []string{"A"}}), nil, []string{"/amountRules/0/effect/components: is not for NOT_PAYABLE"}},
		{"a bound below nothing", effect(with(percent("1", "A"), func(e *rules.Effect) { e.Max = -1 })), nil, []string{"/amountRules/0/effect/max: must be between 1 and 99999999999 cents"}},
		{"a bound beyond all", effect(with(percent("1", "A"), func(e *rules.Effect) { e.Max = money.Max + 1 })), nil, []string{"/amountRules/0/effect/max: must be between 1 and 99999999999 cents"}},
		{"nothing to add", effect(add(0, "A")), nil, []string{"/amountRules/0/effect/amount: must be a number of cents other than 0, between -99999999999 and 99999999999"}},
		{"too much to take", effect(add(-money.Max-1, "A")), nil, []string{"/amountRules/0/effect/amount: must be a number of cents other than 0, between -99999999999 and 99999999999"}},
		{"to be set below nothing", effect(set(-1, "A")), nil, []string{"/amountRules/0/effect/amount: must be between 0 and 99999999999 cents"}},
		{"two components to set", effect(with(set(1, "A"), func(e *rules.Effect) { e.Components = []string{"A", "B"} })), nil, []string{"/amountRules/0/effect/components: SET is about one component"}},
		{"no rate of interest", effect(rules.Effect{Type: rules.Accrue, Components: []string{"A"}}), nil, []string{`/amountRules/0/effect/annualRate: is needed: a percentage a year such as "2.5", or LEGAL`}},
		{"a fraction of interest", effect(interest("1/3", "A")), nil, []string{`/amountRules/0/effect/annualRate: must be a percentage a year such as "2.5", not negative, or LEGAL`}},
		{"interest to the debtor", effect(interest("-1", "A")), nil, []string{`/amountRules/0/effect/annualRate: must be a percentage a year such as "2.5", not negative, or LEGAL`}},
		{"two rates of interest", effect(with(interest("1", "A"), func(e *rules.Effect) { e.Legal = true })), nil, []string{"/amountRules/0/effect/annualRate: is either a percentage or LEGAL"}},
		{"fewer points", effect(with(legal("A"), func(e *rules.Effect) { e.Plus = rate("-1") })), nil, []string{`/amountRules/0/effect/plus: must be percentage points such as "3", not negative: for less than the legal rate give annualRate itself`}},
		{"interest from no day", rule(func(r *rules.Rule) { r.Effect = legal("A") }), nil, []string{"/amountRules/0: INTEREST needs from or after: it is counted from a first day"}},
		{"semesters from no day", rule(func(r *rules.Rule) { r.Effect = perSemester("1", "A") }), nil, []string{"/amountRules/0: PER_SEMESTER needs from or after: it is counted from a first day"}},
		{"legal interest before the table", rule(func(r *rules.Rule) {
			r.Anchor, r.Date, r.From, r.Until, r.Effect = rules.Date, day("1999-12-31"), days(0), nil, legal("A")
		}), nil, []string{"/amountRules/0/date: the legal rates are known since 2000: give the interest up to then as a component"}},

		{"no components", effect(rules.Effect{Type: rules.Proportion, Value: rate("1")}), nil, []string{"/amountRules/0/effect/components: is needed: the components that the rule is about, of A, B"}},
		{"a component that is not there, and one twice", effect(percent("1", "A", "X", "A")), nil, []string{
			"/amountRules/0/effect/components/1: the notice has no such component, only A, B", "/amountRules/0/effect/components/2: this component is there twice",
		}},
		{"a target that is not there", effect(with(percent("1", "A"), func(e *rules.Effect) { e.To = "X" })), nil, []string{"/amountRules/0/effect/to: the notice has no such component, only A, B; declare it with amount 0"}},
		{"interest that nothing made", effect(percent("1", "INTEREST")), nil, []string{"/amountRules/0/effect/components/0: the notice has no such component, only A, B"}},
		{"interest that a rule before made", setOf(ab, rules.Rule{Anchor: rules.Notification, From: days(1), Effect: legal("A")}, always(percent("1", "INTEREST"))), nil, nil},
		{"interest that a later rule makes", setOf(ab, always(percent("1", "INTEREST")), rules.Rule{Anchor: rules.Notification, From: days(1), Effect: legal("A")}), nil, []string{"/amountRules/0/effect/components/0: is there only once a rule accrued it: move that rule before this one"}},
		{"a stamp", effect(percent("1", "A", "B")), stamp, []string{"/amountRules/0/effect: would change transfer 2, a stamp, whose amount is fixed by law"}},
		{"a stamp that is only read", effect(with(percent("1", "B"), func(e *rules.Effect) { e.To = "A" })), stamp, nil},

		{"nothing left of a transfer", effect(percent("-100", "B")), nil, []string{"/amountRules/0/effect: could bring transfer 2 to 0 cents: a transfer must stay above zero"}},
		{"nothing left of two", setOf(ab, always(set(0, "A")), always(set(0, "B"))), nil, []string{
			"/amountRules/1/effect: could bring transfer 1 to 0 cents: a transfer must stay above zero", "/amountRules/1/effect: could bring transfer 2 to 0 cents: a transfer must stay above zero",
		}},
		{"nothing left by rounding", setOf([]rules.Component{part("A", 1)}, always(percent("-2/3", "A"))), rules.Transfers{1: {Amount: 1}}, []string{"/amountRules/0/effect: could bring transfer 1 to 0 cents: a transfer must stay above zero"}},
		{"something left, whatever another rule adds to the base", setOf([]rules.Component{part("A", 100), {Code: "C", Amount: 50, TransferID: 2}},
			rules.Rule{Anchor: rules.Notification, After: days(5), Effect: percent("100", "A")},
			always(with(percent("-24", "A"), func(e *rules.Effect) { e.To = "C" }))), nil, nil},
		{"nothing left once another rule adds to the base", setOf([]rules.Component{part("A", 100), {Code: "C", Amount: 50, TransferID: 2}},
			rules.Rule{Anchor: rules.Notification, After: days(5), Effect: percent("100", "A")},
			always(with(percent("-25", "A"), func(e *rules.Effect) { e.To = "C" }))), nil, []string{"/amountRules/1/effect: could bring transfer 2 to 0 cents: a transfer must stay above zero"}},
		{"nothing left unless another rule takes from the base", setOf([]rules.Component{part("A", 100), {Code: "C", Amount: 50, TransferID: 2}},
			rules.Rule{Anchor: rules.Notification, Until: days(5), Effect: percent("-50", "A")},
			always(with(percent("-60", "A"), func(e *rules.Effect) { e.To = "C" }))), nil, []string{"/amountRules/1/effect: could bring transfer 2 to 0 cents: a transfer must stay above zero"}},
		{"nothing left unless another rule has added", setOf(ab,
			rules.Rule{Anchor: rules.Notification, After: days(5), Effect: add(50, "A")},
			always(add(-120, "A"))), nil, []string{"/amountRules/1/effect: could bring transfer 1 to 0 cents: a transfer must stay above zero"}},
		{"two reductions that meet", setOf(ab,
			rules.Rule{Anchor: rules.Notification, Until: rolled(days(5)), Effect: add(-60, "A")},
			rules.Rule{Anchor: rules.Notification, After: days(5), Effect: add(-60, "A")}), nil, []string{"/amountRules/1/effect: could bring transfer 1 to 0 cents: a transfer must stay above zero"}},
	} {
		transfers := c.transfers
		if transfers == nil {
			transfers = two
		}
		if got := problems(c.set, transfers); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

const never = "/amountRules/0/until: the rule can never hold: its last day is always before its first one"

func TestWhatIsProbablyASlipIsTold(t *testing.T) {
	warnings := func(s *rules.RuleSet, dated bool) (list []string) {
		s.Warn(dated, func(pointer, detail string) { list = append(list, pointer+": "+detail) })
		return list
	}
	a := []rules.Component{part("A", 100), part("B", 100)}
	notified := func(from, until *rules.Term, e rules.Effect) rules.Rule {
		return rules.Rule{Anchor: rules.Notification, From: from, Until: until, Effect: e}
	}
	for _, c := range []struct {
		name  string
		set   *rules.RuleSet
		dated bool
		want  []string
	}{
		{"a fine", fine(), true, nil},
		{"an assessment", assessment(), true, nil},
		{"a fine that is not SEND-bound", fine(), false, []string{
			"/amountRules/0/anchor: the notice is not SEND-bound, so the day of its notification is never known and the rule holds for ever: set sendBound, or use anchor DATE with that day",
			"/amountRules/1/anchor: the notice is not SEND-bound, so the day of its notification is never known and the rule never holds: set sendBound, or use anchor DATE with that day",
			"/amountRules/2/anchor: the notice is not SEND-bound, so the day of its notification is never known and the rule never holds: set sendBound, or use anchor DATE with that day",
		}},
		{"interest that ends", setOf(a, notified(days(1), days(30), legal("A"))), true, []string{"/amountRules/0/until: what has accrued until then is no longer asked afterwards"}},
		{"interest read too early", setOf([]rules.Component{part("A", 100), part("INTEREST", 0)}, always(percent("3", "INTEREST")), notified(days(1), nil, legal("A"))), true, []string{
			"/amountRules/0: reads INTEREST before rule 1 accrues it: move that rule before this one if its interest is meant",
		}},
		{"never payable", setOf(a, always(rules.Effect{Type: rules.NotPayable})), true, []string{"/amountRules/0: the notice can never be paid: the rule has neither a first nor a last day"}},
		{"two reductions of a component at once", setOf(a, always(percent("-10", "A", "B")), always(percent("-20", "B"))), true, []string{"/amountRules/1: on some days it changes B after rule 0 has: both count, in this order"}},
		{"two reductions, one after the other", setOf(a, notified(nil, days(5), percent("-10", "A")), notified(days(6), nil, percent("-20", "A"))), true, nil},
		{"two reductions of two components", setOf(a, always(percent("-10", "A")), always(percent("-20", "B"))), true, nil},
		{"two amounts added", setOf(a, always(add(1, "A")), always(add(1, "A"))), true, nil},
	} {
		if wrong := problems(c.set, transfersOf(c.set)); len(wrong) > 0 {
			t.Errorf("%s: %q", c.name, wrong)
		}
		if got := warnings(c.set, c.dated); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
