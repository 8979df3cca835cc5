package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

const oldIBAN, newIBAN = "IT60X0542811101000000123456", "IT40S0542811101000000123456"

var accountTests = []test{
	{"the positions on an account are those that can change, page by page", func(t *testing.T, s positions.Store) {
		var want []string
		for i, p := range []*positions.Position{
			position(comune, "draft", option(1)),
			position(comune, "valid", option(1), option(2), option(3)),
			position(comune, "expired"), position(comune, "withdrawn"), position(comune, "paid in full"), position(comune, "handed over"),
			position(comune, "elsewhere"), position(comune, "suspended"), position(comune, "an instalment paid", option(1), option(2)),
			position(comune, "a stamp"), position(provincia, "of others"),
		} {
			p.Status = []positions.Status{
				positions.Draft, positions.Valid, positions.Valid, positions.Invalidated, positions.Paid, positions.Valid,
				positions.Valid, positions.Published, positions.PartiallyPaid, positions.Valid, positions.Valid,
			}[i]
			switch o := &p.Options[0]; p.IUPD {
			case "expired":
				p.SwitchToExpired, o.DueDate = true, noon.Add(-time.Hour)
			case "paid in full":
				o.Status = positions.OptionPaid
			case "handed over":
				p.Lifecycle = positions.Transferred
			case "elsewhere":
				o.Transfers[0].IBAN = newIBAN
			case "suspended":
				p.Lifecycle, p.ValidityDate = positions.Blocked, noon.AddDate(0, 0, 3)
			case "an instalment paid":
				o.Status, o.IsPartialPayment, p.Options[1].IsPartialPayment = positions.OptionPaid, true, true
			case "a stamp":
				o.Transfers[0].IBAN = ""
				o.Transfers[0].Stamp = &positions.Stamp{HashDocument: "YWJj", Type: "01", ProvincialResidence: "RM"}
			}
			mustCreate(t, s, p)
			if changed := p.Clone().ChangeIBAN(oldIBAN, newIBAN, 1, noon) > 0; changed && p.OrganizationFiscalCode == comune {
				want = append(want, p.IUPD)
			}
		}
		same(t, "what the rule lets change", want, []string{"draft", "valid", "suspended", "an instalment paid"})
		for _, limit := range []int{1, 3, 4, 100} {
			var names []string
			f := positions.AccountFilter{OrganizationFiscalCode: comune, IBAN: oldIBAN, Now: noon, Limit: limit}
			for {
				list, next, err := s.PositionsPaidTo(t.Context(), f)
				must(t, err)
				for i := range list {
					names = append(names, list[i].IUPD)
					same(t, "the position", &list[i], read(t, s, &list[i]))
				}
				if len(list) > limit {
					t.Fatalf("%d positions, at most %d wanted", len(list), limit)
				}
				if f.After = next; next == 0 {
					break
				}
			}
			same(t, fmt.Sprint("by ", limit), names, want)
		}
	}},
	{"positions on an account are only those of which every notice may be seen", func(t *testing.T, s positions.Store) {
		of := func(code string) positions.PaymentOption {
			o := option(1)
			o.NAV = positions.NoticeNumber("3"+code) + o.NAV[3:]
			o.IUV = o.NAV.IUV()
			return o
		}
		mustCreate(t, s, position(comune, "mine", of("05"), of("06")))
		mustCreate(t, s, position(comune, "half mine", of("05"), of("07")))
		mustCreate(t, s, position(comune, "theirs", of("07")))
		for _, tt := range []struct{ codes, want []string }{
			{nil, []string{"mine", "half mine", "theirs"}}, {[]string{"05", "06"}, []string{"mine"}}, {[]string{"07"}, []string{"theirs"}}, {[]string{"08"}, nil},
		} {
			var names []string
			list, _, err := s.PositionsPaidTo(t.Context(), positions.AccountFilter{OrganizationFiscalCode: comune, IBAN: oldIBAN, SegregationCodes: tt.codes, Now: noon, Limit: 10})
			must(t, err)
			for i := range list {
				names = append(names, list[i].IUPD)
			}
			same(t, fmt.Sprint("of ", tt.codes), names, tt.want)
		}
	}},
	{"a position leaves the list of an account with its last unpaid transfer to it", func(t *testing.T, s positions.Store) {
		on := func(iban string) (names []string) {
			t.Helper()
			list, _, err := s.PositionsPaidTo(t.Context(), positions.AccountFilter{OrganizationFiscalCode: comune, IBAN: iban, Now: noon, Limit: 10})
			must(t, err)
			for i := range list {
				names = append(names, list[i].IUPD)
			}
			return names
		}
		p := position(comune, "iupd-1", option(1), option(2))
		p.Options[1].Transfers = append(p.Options[1].Transfers, p.Options[1].Transfers[0])
		p.Options[1].Transfers[1].ID = 2
		mustCreate(t, s, p)
		same(t, "at first", on(oldIBAN), []string{"iupd-1"})
		if n := p.ChangeIBAN(oldIBAN, newIBAN, 2, noon); n != 2 {
			t.Fatalf("%d transfers moved", n)
		}
		must(t, s.UpdatePosition(t.Context(), p, update))
		same(t, "the old account half way", on(oldIBAN), []string{"iupd-1"})
		same(t, "the new account half way", on(newIBAN), []string{"iupd-1"})
		if n := p.ChangeIBAN(oldIBAN, newIBAN, 2, noon); n != 1 {
			t.Fatalf("%d transfers moved", n)
		}
		must(t, s.UpdatePosition(t.Context(), p, update))
		same(t, "the old account", on(oldIBAN), []string(nil))
		must(t, s.DeletePositions(t.Context(), []*positions.Position{p}, update))
		same(t, "the account of a deleted position", on(newIBAN), []string(nil))
	}},
}
