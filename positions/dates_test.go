package positions

import (
	"errors"
	"testing"
	"time"
)

func TestDatesOfANewPositionAreInOrder(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		change        func(p *Position)
		new, replaced string // pointer of the problem
	}{
		"all ahead":                                  {func(*Position) {}, "", ""},
		"all at once, now":                           {func(p *Position) { p.ValidityDate, p.Options[0].DueDate, p.Options[0].RetentionDate = noon, noon, noon }, "", ""},
		"a due date that is past":                    {func(p *Position) { p.Options[0].DueDate = noon.Add(-1) }, "/paymentOption/0/dueDate", "/paymentOption/0/dueDate"},
		"a validity date that is past":               {func(p *Position) { p.ValidityDate = noon.Add(-1) }, "/validityDate", ""},
		"a due date before the validity date":        {func(p *Position) { p.ValidityDate, p.Options[0].DueDate = noon.Add(2*day), noon.Add(day) }, "/paymentOption/0/dueDate", "/paymentOption/0/dueDate"},
		"a retention date before the due date":       {func(p *Position) { p.Options[0].RetentionDate = p.Options[0].DueDate.Add(-1) }, "/paymentOption/0/retentionDate", "/paymentOption/0/retentionDate"},
		"the second of two options, which falls due": {func(p *Position) { p.Options = append(p.Options, p.Options[0]); p.Options[1].DueDate = noon.Add(-day) }, "/paymentOption/1/dueDate", "/paymentOption/1/dueDate"},
	} {
		t.Run(name, func(t *testing.T) {
			p := sample()
			c.change(p)
			for what, check := range map[string]struct {
				err  error
				want string
			}{"new": {p.ValidateDates(noon), c.new}, "replaced": {p.ValidateReplacementDates(noon), c.replaced}} {
				var refusal *Error
				switch {
				case check.want == "" && check.err != nil:
					t.Errorf("%s: %v", what, check.err)
				case check.want == "":
				case !errors.As(check.err, &refusal) || refusal.Code != Invalid || len(refusal.Problems) != 1 || refusal.Problems[0].Pointer != check.want:
					t.Errorf("%s: %#v, want one problem at %s", what, check.err, check.want)
				}
			}
		})
	}
}

func TestADraftThatWaitedTooLongIsNotPublished(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Position)
		want   Status // DRAFT: refused
	}{
		"in time":                                  {func(*Position) {}, Valid},
		"before its validity date":                 {func(p *Position) { p.ValidityDate = noon.Add(1) }, Published},
		"on its validity date":                     {func(p *Position) { p.ValidityDate = noon }, Valid},
		"after its validity date":                  {func(p *Position) { p.ValidityDate = noon.Add(-1) }, Draft},
		"on its due date":                          {func(p *Position) { p.Options[0].DueDate = noon }, Valid},
		"after its due date":                       {func(p *Position) { p.Options[0].DueDate = noon.Add(-1) }, Draft},
		"with a due date before the validity date": {func(p *Position) { p.ValidityDate = p.Options[0].DueDate.Add(1) }, Draft},
	} {
		t.Run(name, func(t *testing.T) {
			p := sample()
			c.change(p)
			err := p.PublishInTime(noon)
			if p.Status != c.want || (CodeOf(err) == Conflict) != (c.want == Draft) {
				t.Errorf("status %s, want %s: %v", p.Status, c.want, err)
			}
		})
	}
	p := sample()
	p.Status = Valid
	p.Options[0].DueDate = noon.Add(-1)
	if err := p.PublishInTime(noon); CodeOf(err) != Conflict {
		t.Errorf("what is published already is published again: %v", err)
	}
}
