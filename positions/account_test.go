package positions

import (
	"testing"
	"time"
)

func TestTransfersMoveToAnotherAccount(t *testing.T) {
	const from, to = "IT60X0542811101000000123456", "IT40S0542811101000000123456"
	for name, c := range map[string]struct {
		change func(p *Position)
		limit  int
		want   int
	}{
		"of a draft":                  {func(*Position) {}, 1000, 2},
		"as many as the limit lets":   {func(*Position) {}, 1, 1},
		"none when none is asked for": {func(*Position) {}, 0, 0},
		"of a valid position":         {func(p *Position) { p.Status = Valid }, 1000, 2},
		"of one suspended":            {func(p *Position) { p.Status, p.Lifecycle = Valid, Blocked }, 1000, 2},
		"not of one handed over":      {func(p *Position) { p.Status, p.Lifecycle = Valid, Transferred }, 1000, 0},
		"not of one withdrawn":        {func(p *Position) { p.Status = Invalidated }, 1000, 0},
		"not of one expired": {func(p *Position) {
			p.Status, p.SwitchToExpired, p.Options[0].DueDate = Valid, true, noon.Add(-time.Hour)
		}, 1000, 0},
		"not of a paid option":            {func(p *Position) { p.Status, p.Options[0].Status = PartiallyPaid, OptionPaid }, 1000, 0},
		"only those on the account":       {func(p *Position) { p.Options[0].Transfers[0].IBAN = to }, 1000, 1},
		"only as the account was written": {func(p *Position) { p.Options[0].Transfers[0].IBAN = "it60X0542811101000000123456" }, 1000, 1},
		"and the postal account stays":    {func(p *Position) { p.Options[0].Transfers[0].PostalIBAN = from }, 1000, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := sample()
			c.change(p)
			count := func(iban string) (n int) {
				for _, tr := range p.Options[0].Transfers {
					if tr.IBAN == iban {
						n++
					}
				}
				return n
			}
			old, there := count(from), count(to)
			if got := p.ChangeIBAN(from, to, c.limit, noon); got != c.want {
				t.Errorf("%d moved, want %d", got, c.want)
			}
			if count(from) != old-c.want || count(to) != there+c.want {
				t.Errorf("the transfers are %+v", p.Options[0].Transfers)
			}
			if s := p.Options[0].Transfers[0].PostalIBAN; s != "" && s != from {
				t.Errorf("the postal account moved to %s", s)
			}
		})
	}
}
