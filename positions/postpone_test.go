package positions

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// ruled is a valid position of one notice of 100 euro with rules.
func ruled(t *testing.T, list ...rules.Rule) *Position {
	t.Helper()
	p := sample()
	p.Options = p.Options[:1]
	o := &p.Options[0]
	o.Transfers = []Transfer{{ID: 1, Amount: 10000, RemittanceInformation: "a", Category: "b", IBAN: "IT60X0542811101000000123456"}}
	o.Amount, o.AmountRules, o.Components = 10000, list, nil
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func days(n int) calendar.Span { return calendar.Span{Unit: calendar.Days, Count: n} }

func add(amount money.Cents) rules.Effect {
	return rules.Effect{Type: rules.Add, Amount: amount, Components: []string{rules.Whole}}
}

func TestATermIsPostponedForOneNotice(t *testing.T) {
	fine := []rules.Rule{
		{Anchor: rules.Notification, Until: &rules.Term{Span: days(5), Roll: true}, Effect: add(-3000)},
		{Anchor: rules.Notification, After: &rules.Term{Span: days(60)}, Effect: add(10000)},
		{Anchor: rules.Date, Date: calendar.DayOf(noon), After: &rules.Term{Span: days(60)}, Effect: add(1)},
	}
	sixty := &rules.Postponed{Anchor: rules.Notification, Span: days(60)}
	today := calendar.DayOf(noon)
	cases := map[string]struct {
		rules   []rules.Rule
		term    *rules.Postponed
		to      calendar.Day
		code    Code
		pointer string
		moved   []calendar.Day // by rule: what its term is postponed to
	}{
		"what begins after the term begins later, and nothing else": {fine, sixty, today + 90, "", "", []calendar.Day{0, today + 90, 0}},
		"a term that is counted from a given date has that date":    {fine, &rules.Postponed{Anchor: rules.Date, Date: today, Span: days(60)}, today + 90, "", "", []calendar.Day{0, 0, today + 90}},
		"a first day given as the day after belongs to the term": {
			[]rules.Rule{{Anchor: rules.Notification, From: &rules.Term{Span: days(61)}, Effect: add(1)}}, sixty, today, "", "", []calendar.Day{today},
		},
		"yesterday":               {fine, sixty, today - 1, Invalid, "/to", nil},
		"a year that is too far":  {fine, sixty, calendar.Of(9999, 1, 1), Invalid, "/to", nil},
		"a term that no rule has": {fine, &rules.Postponed{Anchor: rules.Notification, Span: days(61)}, today + 90, Unprocessable, "/term", nil},
		"the same length without August is another term": {
			fine, &rules.Postponed{Anchor: rules.Notification, Span: calendar.Span{Unit: calendar.Days, Count: 60, WithoutAugust: true}}, today + 90, Unprocessable, "/term", nil,
		},
		"rules that would hold together and leave nothing": {
			[]rules.Rule{
				{Anchor: rules.Notification, Until: &rules.Term{Span: days(5)}, Effect: add(-6000)},
				{Anchor: rules.Notification, After: &rules.Term{Span: days(60)}, Effect: add(-6000)},
			},
			&rules.Postponed{Anchor: rules.Notification, Span: days(5)}, today + 90, Invalid, "/to", nil,
		},
	}
	for name, c := range cases {
		p := ruled(t, rules.Clone(c.rules)...)
		o := &p.Options[0]
		changed, err := p.Postpone(o.NAV, c.term, c.to, noon)
		if CodeOf(err) != c.code || changed != (c.code == "") {
			t.Errorf("%s: %v, %v", name, changed, err)
			continue
		}
		if c.code != "" {
			var refused *Error
			if errors.As(err, &refused); len(refused.Problems) != 1 || refused.Problems[0].Pointer != c.pointer {
				t.Errorf("%s: %+v", name, refused)
			}
			c.moved = make([]calendar.Day, len(c.rules))
		}
		var moved []calendar.Day
		for i := range o.AmountRules {
			r := &o.AmountRules[i]
			for _, term := range []*rules.Term{r.From, r.After, r.Until} {
				if term != nil {
					moved = append(moved, term.PostponedTo)
				}
			}
		}
		if !slices.Equal(moved, c.moved) {
			t.Errorf("%s: the terms are postponed to %v", name, moved)
		}
		if again, err := p.Postpone(o.NAV, c.term, c.to, noon); c.code == "" && (again || err != nil) {
			t.Errorf("%s: twice is not once: %v", name, err)
		}
	}
}

func TestAPostponementIsTakenBack(t *testing.T) {
	p := ruled(t, rules.Rule{Anchor: rules.Notification, After: &rules.Term{Span: days(60)}, Effect: add(1)})
	term := &rules.Postponed{Anchor: rules.Notification, Span: days(60)}
	for _, to := range []calendar.Day{calendar.DayOf(noon) + 90, 0} {
		if changed, err := p.Postpone(p.Options[0].NAV, term, to, noon); err != nil || !changed || p.Options[0].AmountRules[0].After.PostponedTo != to {
			t.Fatalf("to %s: %v, %+v", to, err, p.Options[0].AmountRules[0].After)
		}
	}
}

func TestTheDueDateIsPostponedToTheEndOfADay(t *testing.T) {
	p := ruled(t)
	p.SwitchToExpired = true
	o := &p.Options[0]
	o.DueDate, o.RetentionDate = noon.Add(time.Hour), noon.Add(2*time.Hour)
	now := noon.Add(3 * time.Hour)
	if p.Status = Valid; p.StatusAt(now) != Expired {
		t.Fatal(p.StatusAt(now))
	}
	to := calendar.DayOf(now) + 10
	if changed, err := p.Postpone(o.NAV, nil, to, now); err != nil || !changed {
		t.Fatal(err)
	}
	end := (to + 1).Start().Add(-time.Second)
	if !o.DueDate.Equal(end) || !o.RetentionDate.Equal(end) || p.StatusAt(now) != Valid {
		t.Errorf("due %v, kept until %v, %s", o.DueDate, o.RetentionDate, p.StatusAt(now))
	}
	for _, wrong := range []calendar.Day{0, to - 1} {
		if _, err := p.Postpone(o.NAV, nil, wrong, now); CodeOf(err) != Invalid {
			t.Errorf("to %q: %v", wrong, err)
		}
	}
	if changed, err := p.Postpone(o.NAV, nil, to, now); err != nil || changed {
		t.Errorf("twice is not once: %v", err)
	}
}

func TestAReplacementKeepsWhatAnOperatorGranted(t *testing.T) {
	until := calendar.DayOf(noon) + 90
	fine := func() []rules.Rule {
		return []rules.Rule{
			{Anchor: rules.Notification, Until: &rules.Term{Span: days(60)}, Effect: add(-1)},
			{Anchor: rules.Notification, From: &rules.Term{Span: days(61)}, Effect: add(10000)},
			{Anchor: rules.Notification, After: &rules.Term{Span: days(90)}, Effect: add(1)},
		}
	}
	p := ruled(t, fine()...)
	nav := p.Options[0].NAV
	if _, err := p.Postpone(nav, &sixtyDays, until, noon); err != nil {
		t.Fatal(err)
	}
	again := ruled(t, fine()...)
	moved := fine()
	moved[0].Until.PostponedTo = until + 30 // as the sender has it
	for name, c := range map[string]struct {
		by   *Position
		want []calendar.Day
	}{
		"the same rules":                        {again, []calendar.Day{until, until, 0}},
		"rules that postpone a term themselves": {ruled(t, moved...), []calendar.Day{until + 30, until, 0}},
		"rules that do not have the term":       {ruled(t, fine()[2]), []calendar.Day{0}},
		"a notice of another number in its place": {func() *Position {
			other := ruled(t, fine()...)
			other.Options[0].NAV, other.Options[0].IUV = "301000000000099999", "01000000000099999"
			return other
		}(), []calendar.Day{0, 0, 0}},
	} {
		q := p.Clone()
		if err := q.Replace(c.by, noon); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []calendar.Day
		for i := range q.Options[0].AmountRules {
			r := &q.Options[0].AmountRules[i]
			for _, term := range []*rules.Term{r.From, r.After, r.Until} {
				if term != nil {
					got = append(got, term.PostponedTo)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: postponed to %v, want %v", name, got, c.want)
		}
	}
	if again.Options[0].AmountRules[0].Until.PostponedTo != 0 {
		t.Error("what was sent has changed")
	}
}

func TestWhatIsPostponedMustGoWithNewRules(t *testing.T) {
	lower := func(n int) rules.Rule {
		return rules.Rule{Anchor: rules.Notification, Until: &rules.Term{Span: days(n)}, Effect: add(-6000)}
	}
	p := ruled(t, lower(5))
	if _, err := p.Postpone(p.Options[0].NAV, &rules.Postponed{Anchor: rules.Notification, Span: days(5)}, calendar.DayOf(noon)+90, noon); err != nil {
		t.Fatal(err)
	}
	after := rules.Rule{Anchor: rules.Notification, After: &rules.Term{Span: days(60)}, Effect: add(-6000)}
	err := p.Clone().Replace(ruled(t, lower(5), after), noon)
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != Invalid || len(refused.Problems) != 1 || refused.Problems[0].Pointer != "/paymentOption/0/amountRules/1/effect" {
		t.Errorf("%+v", refused)
	}
}
