package positions

import (
	"testing"
	"time"
)

func TestAReplacementTakesThePlaceOfEverythingButThePositionItself(t *testing.T) {
	p := sample()
	p.Version, p.InsertedAt = 4, noon.AddDate(0, -1, 0)
	p.Options[0].InsertedAt = noon.AddDate(0, 0, -9)
	if err := p.Publish(noon); err != nil {
		t.Fatal(err)
	}
	if err := p.Block(time.Time{}, noon); err != nil {
		t.Fatal(err)
	}
	by := sample()
	by.CompanyName, by.IUPD = "Comune di Altrove", "77777777777-other"
	by.Options[0].Description = "Multa corretta"
	by.Options[0].InsertedAt = noon
	second := by.Clone().Options[0]
	second.NAV, second.IUV, second.InsertedAt = "301000000000000249", "01000000000000249", noon
	by.Options = append(by.Options, second)
	if err := p.Replace(by, noon); err != nil {
		t.Fatal(err)
	}
	if p.IUPD != "77777777777-1" || p.Version != 4 || !p.InsertedAt.Equal(noon.AddDate(0, -1, 0)) || p.Lifecycle != Blocked {
		t.Errorf("the position became another one: %+v", p)
	}
	if p.CompanyName != "Comune di Altrove" || len(p.Options) != 2 || p.Options[0].Description != "Multa corretta" {
		t.Errorf("the content stayed: %+v", p)
	}
	if p.Status != Draft || !p.PublishDate.IsZero() || !p.ValidityDate.IsZero() {
		t.Errorf("it is still published: %s, %v, %v", p.Status, p.PublishDate, p.ValidityDate)
	}
	if !p.Options[0].InsertedAt.Equal(noon.AddDate(0, 0, -9)) || !p.Options[1].InsertedAt.Equal(noon) {
		t.Errorf("options were inserted at %v and %v", p.Options[0].InsertedAt, p.Options[1].InsertedAt)
	}
}

func TestWhatIsPaidOrWithdrawnIsNotReplaced(t *testing.T) {
	for _, status := range []Status{PartiallyPaid, Paid, Reported, Invalidated} {
		p := sample()
		p.Status = status
		before := p.Clone()
		before.CompanyName = "Comune di Altrove"
		if err := p.Replace(before, noon); CodeOf(err) != Conflict || p.CompanyName == before.CompanyName {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func TestAFeeThatWasSetMustStayPayable(t *testing.T) {
	pushed := map[NoticeNumber]*Price{"301000000000000148": {TotalPrice: 500, Pushed: true}}
	for name, c := range map[string]struct {
		change func(p *Position)
		prices map[NoticeNumber]*Price
		want   Code
	}{
		"a transfer carries it":                 {func(*Position) {}, pushed, ""},
		"none can":                              {func(p *Position) { p.Options[0].Transfers = p.Options[0].Transfers[1:] }, pushed, Unprocessable},
		"none could, but there is none":         {func(p *Position) { p.Options[0].Transfers = p.Options[0].Transfers[1:] }, nil, ""},
		"none could, but SEND's does not count": {func(p *Position) { p.Options[0].Transfers = p.Options[0].Transfers[1:] }, map[NoticeNumber]*Price{"301000000000000148": {TotalPrice: 500}}, ""},
	} {
		p := sample()
		p.Options[0].SendBound = false
		c.change(p)
		if got := CodeOf(p.CarriesFees(c.prices)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
