package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

var noticeTests = []test{
	{"a notice is its option, its position and its price", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, full("iupd-1"))
		for i := range p.Options {
			nav := p.Options[i].NAV
			want, _ := positions.NewNotice(p, nav, nil)
			same(t, "the notice", got(s.Notice(t.Context(), comune, nav))(t), want)
			want.Price = fullPrice()
			must(t, s.SavePrice(t.Context(), comune, nav, want.Price))
			same(t, "the notice with its price", got(s.Notice(t.Context(), comune, nav))(t), want)
		}
	}},
	{"any notice equals the one made from its whole position, version after version", func(t *testing.T, s positions.Store) {
		count := 0
		rapid.Check(t, func(r *rapid.T) {
			count++
			p := position(comune, fmt.Sprintf("iupd-%d", count))
			p.Options = nil
			for range rapid.IntRange(1, 6).Draw(r, "options") {
				p.Options = append(p.Options, option(1))
			}
			for version := range rapid.IntRange(1, 4).Draw(r, "versions") {
				p.Status = rapid.SampledFrom([]positions.Status{positions.Draft, positions.Published, positions.Valid, positions.Paid}).Draw(r, "status")
				p.SwitchToExpired = rapid.Bool().Draw(r, "switchToExpired")
				p.Debtor.FullName = rapid.StringN(1, 30, -1).Draw(r, "name")
				for i := range p.Options {
					o := &p.Options[i]
					o.IsPartialPayment = rapid.Bool().Draw(r, "partial")
					o.SendBound = rapid.Bool().Draw(r, "sendBound")
					o.Amount = money.Cents(rapid.Int64Range(1, int64(money.Max)).Draw(r, "amount"))
					o.Status = rapid.SampledFrom([]positions.OptionStatus{positions.OptionUnpaid, positions.OptionPaid, positions.OptionReported}).Draw(r, "paid")
				}
				if version == 0 {
					must(t, s.CreatePosition(t.Context(), p, create))
				} else {
					must(t, s.UpdatePosition(t.Context(), p, update))
				}
				stored := read(t, s, p)
				same(t, "the position", stored, p)
				for i := range p.Options {
					nav := p.Options[i].NAV
					var known *positions.Price
					if rapid.Bool().Draw(r, "price") {
						known = price(total(r), noon.Add(time.Duration(version)*time.Minute))
						must(t, s.SavePrice(t.Context(), comune, nav, known))
					} else {
						known = got(s.Prices(t.Context(), comune, []positions.NoticeNumber{nav}))(t)[nav]
					}
					want, _ := positions.NewNotice(stored, nav, known)
					same(t, "the notice", got(s.Notice(t.Context(), comune, nav))(t), want)
				}
			}
		})
	}},
	{"a price comes back as it was saved, every field of it", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		for i, p := range []*positions.Price{fullPrice(), {NoCost: positions.NotPayable, FetchedAt: noon}, {TotalPrice: money.Max, Pushed: true, FetchedAt: noon}} {
			p.FetchedAt = noon.Add(time.Duration(i) * time.Microsecond)
			must(t, s.SavePrice(t.Context(), comune, nav, p))
			same(t, "the price", got(s.Prices(t.Context(), comune, []positions.NoticeNumber{nav}))(t), map[positions.NoticeNumber]*positions.Price{nav: p})
		}
	}},
	{"an older price never replaces a newer one", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		nav := p.Options[0].NAV
		known := func() money.Cents { return got(s.Notice(t.Context(), comune, nav))(t).Price.TotalPrice }
		for _, step := range []struct {
			total, want money.Cents
			at          time.Duration
		}{
			{100, 100, 0}, {200, 200, time.Microsecond}, {300, 200, 0}, {400, 400, time.Microsecond}, {500, 400, -time.Hour}, {600, 600, time.Hour},
		} {
			must(t, s.SavePrice(t.Context(), comune, nav, price(step.total, noon.Add(step.at))))
			if got := known(); got != step.want {
				t.Fatalf("after %+v the price is %d", step, got)
			}
		}
	}},
	{"a number that is free again has no price, whoever gets it next", func(t *testing.T, s positions.Store) {
		p, other := mustCreate(t, s, full("iupd-1")), mustCreate(t, s, position(comune, "iupd-2"))
		first, second, others := p.Options[0].NAV, p.Options[1].NAV, other.Options[0].NAV
		for _, nav := range []positions.NoticeNumber{first, second, others} {
			must(t, s.SavePrice(t.Context(), comune, nav, price(710, noon)))
		}
		must(t, s.SavePrice(t.Context(), provincia, first, price(710, noon)))
		priced := func(what string, want ...positions.NoticeNumber) {
			t.Helper()
			var have []positions.NoticeNumber
			for _, nav := range []positions.NoticeNumber{first, second, others} {
				if len(got(s.Prices(t.Context(), comune, []positions.NoticeNumber{nav}))(t)) > 0 {
					have = append(have, nav)
				}
			}
			same(t, what, have, want)
		}
		p.Options[0].Description, p.Options[1].Description = "altra", "altra" // both rows are written anew
		must(t, s.UpdatePosition(t.Context(), p, update))
		priced("prices after a change that keeps the numbers", first, second, others)
		dropped := p.Options[1]
		p.Options = p.Options[:1]
		must(t, s.UpdatePosition(t.Context(), p, update))
		priced("prices after an option is gone", first, others)
		p.Options = append(p.Options, dropped)
		must(t, s.UpdatePosition(t.Context(), p, update))
		priced("prices when it is there again", first, others)
		p.Options[0], other.Options[0] = other.Options[0], p.Options[0]
		must(t, s.UpdatePositions(t.Context(), []*positions.Position{p, other}, update))
		priced("prices after two positions swapped numbers", first, others)
		must(t, s.DeletePositions(t.Context(), []*positions.Position{p, other}, update))
		priced("prices of deleted positions")
		same(t, "the price of another organization's", len(got(s.Prices(t.Context(), provincia, []positions.NoticeNumber{first}))(t)), 1)
	}},
	{"prices are read for the notices asked, of their organization, known ones only", func(t *testing.T, s positions.Store) {
		a, b, c := option(1).NAV, option(1).NAV, option(1).NAV
		must(t, s.SavePrice(t.Context(), comune, a, price(1, noon)))
		must(t, s.SavePrice(t.Context(), comune, b, price(2, noon)))
		must(t, s.SavePrice(t.Context(), provincia, c, price(3, noon)))
		same(t, "prices", got(s.Prices(t.Context(), comune, []positions.NoticeNumber{a, c}))(t),
			map[positions.NoticeNumber]*positions.Price{a: price(1, noon)})
		same(t, "no prices", got(s.Prices(t.Context(), comune, nil))(t), map[positions.NoticeNumber]*positions.Price{})
	}},
}

func total(r *rapid.T) money.Cents { return money.Cents(rapid.Int64Range(0, 5000).Draw(r, "total")) }

func fullPrice() *positions.Price {
	vat, partial, pa, send, analog := 22, money.Cents(700), money.Cents(100), money.Cents(100), money.Cents(500)
	return &positions.Price{
		TotalPrice: 810, PartialPrice: &partial, VAT: &vat, PAFee: &pa, SendFee: &send, AnalogCost: &analog,
		IUN: "ABCD-EFGH-ILMN-202611-A-1", RefinementDate: noon.AddDate(0, 0, 10), NotificationViewDate: noon.AddDate(0, 0, 9), FetchedAt: noon, AskedAt: noon.Add(-time.Second), FreshUntil: noon.Add(time.Hour), Final: true,
	}
}
