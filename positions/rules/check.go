package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// Report takes one thing that is wrong with a set, at a JSON pointer into the
// notice: "/components/0/code", "/amountRules/2/until".
type Report func(pointer, detail string)

// Transfers are the amounts, in cents, of the transfers of a notice by their id,
// and whether a transfer is a stamp, whose amount is fixed by law.
type Transfers map[int]Transfer

// Transfer is what a set must know of a transfer.
type Transfer struct {
	Amount money.Cents
	Stamp  bool
}

// Check reports everything that is wrong with a set about to be accepted: rules
// that cannot be understood, that can never hold, that name a component that is
// not there, or that could bring a transfer to nothing.
func (s *RuleSet) Check(transfers Transfers, report Report) {
	wrong := false
	tell := func(pointer, format string, args ...any) {
		wrong = true
		report(pointer, fmt.Sprintf(format, args...))
	}
	if len(s.Rules) > MaxRules {
		tell("/amountRules", "has %d rules, at most %d are allowed", len(s.Rules), MaxRules)
		return
	}
	s.checkParts(transfers, tell)
	for i := range s.Rules {
		at := pointerTo(i)
		s.Rules[i].check(at, tell)
		s.checkComponents(i, at, transfers, tell)
	}
	if !wrong { // the rest relies on sets that can be evaluated
		s.checkFloor(tell)
	}
}

type tell func(pointer, format string, args ...any)

func pointerTo(rule int) string { return fmt.Sprintf("/amountRules/%d", rule) }

// checkParts wants parts that can be told apart and add up, per transfer, to its
// amount.
func (s *RuleSet) checkParts(transfers Transfers, tell tell) {
	if len(s.Parts) > MaxComponents {
		tell("/components", "has %d components, at most %d are allowed", len(s.Parts), MaxComponents)
		return
	}
	sums, complete := map[int]money.Cents{}, true
	for i, c := range s.Parts {
		at := fmt.Sprintf("/components/%d", i)
		switch n := utf8.RuneCountInString(c.Code); {
		case strings.TrimSpace(c.Code) == "", n > MaxCode, !utf8.ValidString(c.Code):
			tell(at+"/code", "must be 1 to %d characters", MaxCode)
		case strings.ContainsFunc(c.Code, unseen):
			tell(at+"/code", "has a character that cannot be seen, such as a line break")
		case c.Code == "NOTIFICATION_FEE":
			tell(at+"/code", "is the service's own: SEND's fee is never a component")
		case slices.ContainsFunc(s.Parts[:i], func(d Component) bool { return d.Code == c.Code }):
			tell(at+"/code", "another component has the same code")
		}
		if c.Amount < 0 || c.Amount > money.Max {
			tell(at+"/amount", "must be between 0 and %d cents", money.Max)
			complete = false
		}
		if _, ok := transfers[c.TransferID]; !ok {
			tell(at+"/idTransfer", "the notice has no such transfer")
			complete = false
		}
		sums[c.TransferID] += c.Amount
	}
	if !complete {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(transfers)) {
		if amount := transfers[id].Amount; sums[id] != amount {
			tell("/components", "those of transfer %d add up to %d, but the transfer is %d", id, sums[id], amount)
		}
	}
}

// unseen tells characters that would confuse whoever reads a quote: controls, and
// what turns the direction of writing.
func unseen(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }

// check reports what is wrong with a rule by itself.
func (r *Rule) check(at string, tell tell) {
	switch n := utf8.RuneCountInString(r.Label); {
	case n > MaxLabel:
		tell(at+"/label", "has %d characters, at most %d are allowed", n, MaxLabel)
	case !utf8.ValidString(r.Label):
		tell(at+"/label", "is not valid UTF-8")
	case strings.ContainsFunc(r.Label, unseen):
		tell(at+"/label", "has a character that cannot be seen, such as a line break")
	}
	fine := r.checkAnchor(at, tell)
	for _, t := range []struct {
		name string
		term *Term
	}{{"/from", r.From}, {"/after", r.After}, {"/until", r.Until}} {
		if t.term != nil {
			fine = t.term.check(at+t.name, tell) && fine
		}
	}
	if r.From != nil && r.After != nil {
		tell(at+"/after", "excludes from: a rule has one first day")
		fine = false
	}
	if r.From != nil && r.From.Roll {
		tell(at+"/from/roll", "is for until and after: a first day does not move by itself")
		fine = false
	}
	if fine && before(r, r) {
		tell(at+"/until", "the rule can never hold: its last day is always before its first one")
	}
	r.Effect.check(at+"/effect", tell)
	if t := r.Effect.Type; (t == Accrue || t == PerSemester) && !r.starts() {
		tell(at, "%s needs from or after: it is counted from a first day", t)
	}
	if first := LegalInterest().first; r.Effect.Legal && r.Anchor == Date && fine && r.Date.Year() < first {
		tell(at+"/date", "the legal rates are known since %d: give the interest up to then as a component", first)
	}
}

// checkAnchor reports whether the day that terms are counted from is right.
func (r *Rule) checkAnchor(at string, tell tell) bool {
	switch {
	case r.Anchor != Notification && r.Anchor != Date:
		tell(at+"/anchor", "must be one of NOTIFICATION, DATE")
	case r.Anchor == Notification && r.Date != calendar.Unknown:
		tell(at+"/date", "is for anchor DATE")
	case r.Anchor == Date && !r.Date.Known():
		tell(at+"/date", `is needed with anchor DATE, such as "2026-12-28"`)
	case r.Anchor == Date && !sensible(r.Date):
		tell(at+"/date", "must lie between the years 1900 and 9998")
	default:
		return true
	}
	return false
}

// sensible reports whether a day lies in the years that every date of a position
// lies in.
func sensible(d calendar.Day) bool { return d.Known() && d.Year() >= 1900 && d.Year() <= 9998 }

func (t *Term) check(at string, tell tell) bool {
	most := map[calendar.Unit]int{calendar.Days: MaxDays, calendar.Months: MaxDays / 30, calendar.Semesters: MaxDays / 180}[t.Unit]
	switch {
	case most == 0:
		tell(at, "needs exactly one of days, months, semesters")
	case t.Count < 0 || t.Count > most:
		tell(at+"/"+strings.ToLower(string(t.Unit)), "must be between 0 and %d", most)
	case t.PostponedTo != calendar.Unknown && !sensible(t.PostponedTo):
		tell(at+"/postponedTo", "must lie between the years 1900 and 9998")
	default:
		return true
	}
	return false
}

// check reports what is wrong with an effect by itself, what is missing and what
// belongs to another type.
func (e *Effect) check(at string, tell tell) {
	proportion := e.Type == Proportion || e.Type == PerSemester
	fixed := e.Type == Set || e.Type == Add
	accrue := e.Type == Accrue
	if !proportion && !fixed && !accrue && e.Type != NotPayable {
		tell(at+"/type", "must be one of PERCENT, SET, ADD, INTEREST, PER_SEMESTER, NOT_PAYABLE")
		return
	}
	for _, member := range []struct {
		name  string
		given bool
		fits  bool
	}{
		{"value", !e.Value.IsZero(), proportion},
		{"to", e.To != "", proportion},
		{"max", e.Max != 0, proportion},
		{"amount", e.Amount != 0, fixed},
		{"annualRate", e.Legal || !e.Annual.IsZero(), accrue},
		{"plus", !e.Plus.IsZero(), accrue},
		{"components", len(e.Components) > 0, e.Type != NotPayable},
	} {
		if member.given && !member.fits {
			tell(at+"/"+member.name, "is not for %s", e.Type)
		}
	}
	switch {
	case proportion && e.Value.IsZero():
		tell(at+"/value", `is needed: a percentage such as "-30", or a fraction such as "-2/3"`)
	case proportion && e.Value.Sign() == 0:
		tell(at+"/value", "must not be 0: the rule would change nothing")
	case e.Type == PerSemester && e.Value.Sign() < 0:
		tell(at+"/value", "must be positive: a reduction that grows for ever would end below zero")
	case proportion && e.To == "" && e.Value.Sign() < 0 && -e.Value.num > e.Value.den:
		tell(at+"/value", "takes more than there is")
	case e.Legal && !e.Annual.IsZero():
		tell(at+"/annualRate", "is either a percentage or LEGAL")
	case accrue && !e.Legal && e.Annual.IsZero():
		tell(at+"/annualRate", `is needed: a percentage a year such as "2.5", or LEGAL`)
	case accrue && (!e.Annual.IsZero() && !e.Annual.percentage() || e.Annual.Sign() < 0):
		tell(at+"/annualRate", `must be a percentage a year such as "2.5", not negative, or LEGAL`)
	case e.Type == Set && (e.Amount < 0 || e.Amount > money.Max):
		tell(at+"/amount", "must be between 0 and %d cents", money.Max)
	case e.Type == Add && (e.Amount == 0 || e.Amount < -money.Max || e.Amount > money.Max):
		tell(at+"/amount", "must be a number of cents other than 0, between -%d and %[1]d", money.Max)
	}
	if accrue && !e.Plus.IsZero() && (!e.Plus.percentage() || e.Plus.Sign() < 0) {
		tell(at+"/plus", `must be percentage points such as "3", not negative: for less than the legal rate give annualRate itself`)
	}
	if e.Max < 0 || e.Max > money.Max {
		tell(at+"/max", "must be between 1 and %d cents", money.Max)
	}
}

// checkComponents reports components that a rule names and that are not there. The
// one of interest is there once a rule before accrues it.
func (s *RuleSet) checkComponents(i int, at string, transfers Transfers, tell tell) {
	e := &s.Rules[i].Effect
	known := func(code string) bool {
		return slices.ContainsFunc(s.Parts, func(c Component) bool { return c.Code == code }) ||
			code == Interest && slices.ContainsFunc(s.Rules[:i], func(r Rule) bool { return r.Effect.Type == Accrue })
	}
	at += "/effect"
	switch {
	case e.Type == NotPayable:
		return
	case len(e.Components) == 0:
		tell(at+"/components", "is needed: the components that the rule is about, of %s", s.codes())
	case len(e.Components) > MaxComponents+1:
		tell(at+"/components", "names %d components, there are at most %d and %s", len(e.Components), MaxComponents, Interest)
		return
	case len(e.Components) > 1 && (e.Type == Set || e.Type == Add):
		tell(at+"/components", "%s is about one component", e.Type)
	}
	for j, code := range e.Components {
		pointer := fmt.Sprintf("%s/components/%d", at, j)
		switch {
		case !known(code) && code == Interest && slices.ContainsFunc(s.Rules[i:], func(r Rule) bool { return r.Effect.Type == Accrue }):
			tell(pointer, "is there only once a rule accrued it: move that rule before this one")
		case !known(code):
			tell(pointer, "the notice has no such component, only %s", s.codes())
		case slices.Contains(e.Components[:j], code):
			tell(pointer, "this component is there twice")
		}
	}
	if e.To != "" && !known(e.To) {
		tell(at+"/to", "the notice has no such component, only %s; declare it with amount 0", s.codes())
	}
	for _, code := range e.changes() {
		j := slices.IndexFunc(s.Parts, func(c Component) bool { return c.Code == code })
		if j >= 0 && transfers[s.Parts[j].TransferID].Stamp {
			tell(at, "would change transfer %d, a stamp, whose amount is fixed by law", s.Parts[j].TransferID)
		}
	}
}

// changes returns the components that the effect can change.
func (e *Effect) changes() []string {
	switch {
	case e.Type == Accrue:
		return []string{Interest}
	case e.To != "":
		return []string{e.To}
	}
	return e.Components
}

// codes names the components in words.
func (s *RuleSet) codes() string {
	var codes []string
	for _, c := range s.Parts {
		codes = append(codes, c.Code)
	}
	return strings.Join(codes, ", ")
}
