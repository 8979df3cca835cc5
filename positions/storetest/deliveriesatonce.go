package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

var deliveriesAtOnceTests = []test{
	{"of many who claim at once one has the first delivery about a notice, again and again", func(t *testing.T, s positions.Store) {
		ids := []string{"rt-1", "rt-2", "rt-3"}
		deliver(t, s, option(1).NAV, ids...)
		for _, id := range ids {
			won := make([]*positions.Delivery, 16)
			errs := all(len(won), func(i int) (err error) {
				won[i], err = s.ClaimDelivery(bounded(t), receipts(comune), noon, noon.Add(time.Minute))
				return err
			})
			if n := count(t, errs, positions.NotFound); n != 1 {
				t.Fatalf("%d claimed the first", n)
			}
			d := won[slices.Index(errs, nil)]
			if d.ReceiptID != id || d.Attempts != 1 {
				t.Fatalf("claimed is attempt %d of %s, not of %s", d.Attempts, d.ReceiptID, id)
			}
			end(t, s, d, positions.DeliveryDelivered, noon)
		}
	}},
	{"of many who settle claims of one delivery only the last claim counts", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		claims := make([]*positions.Delivery, 16)
		for i := range claims {
			claims[i] = claimed(t, s, noon.Add(time.Duration(i)*time.Minute))
		}
		errs := all(len(claims), func(i int) error {
			claims[i].State, claims[i].LastStatus, claims[i].EndedAt = positions.DeliveryDelivered, 200+i, noon
			return s.SettleDelivery(bounded(t), claims[i])
		})
		if n := count(t, errs, positions.Stale); n != 1 || errs[15] != nil {
			t.Fatalf("%d settled it; the last claim: %v", n, errs[15])
		}
	}},
	{"workers who drain a lane together deliver everything once, and in order about each notice", func(t *testing.T, s positions.Store) {
		const notices, each = 8, 5
		var navs []positions.NoticeNumber
		for range notices {
			nav := option(1).NAV
			for i := range each {
				deliver(t, s, nav, fmt.Sprintf("%s-%d", nav, i))
			}
			navs = append(navs, nav)
		}
		var mu sync.Mutex
		left := map[positions.NoticeNumber][]string{}
		ctx := bounded(t)
		errs := all(16, func(int) error {
			for {
				d, err := s.ClaimDelivery(ctx, receipts(comune), noon, noon.Add(time.Minute))
				if positions.CodeOf(err) == positions.NotFound {
					mu.Lock()
					done := len(slices.Concat(slices.Collect(maps.Values(left))...)) == notices*each
					mu.Unlock()
					if done {
						return nil
					}
					if ctx.Err() != nil {
						return ctx.Err()
					}
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				left[d.NAV] = append(left[d.NAV], d.ReceiptID)
				mu.Unlock()
				d.State, d.EndedAt = positions.DeliveryDelivered, noon
				if err := s.SettleDelivery(ctx, d); err != nil {
					return err
				}
			}
		})
		count(t, errs, "")
		for _, nav := range navs {
			var want []string
			for i := range each {
				want = append(want, fmt.Sprintf("%s-%d", nav, i))
			}
			same(t, "what left", left[nav], want)
		}
	}},
	{"replays, claims and looks at what is due at once neither block nor fail each other", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		deliver(t, s, nav, "rt-1", "rt-2", "rt-3", "rt-4")
		ctx := bounded(t)
		errs := all(12, func(i int) error {
			for round := range 10 {
				at := noon.Add(time.Duration(round) * time.Minute)
				switch i % 3 {
				case 0:
					if _, err := s.ReplayDeliveries(ctx, positions.DeliveryFilter{NAV: nav}, at, 10); err != nil {
						return err
					}
				case 1:
					if _, err := s.DueDeliveries(ctx, at.Add(time.Hour), 10); err != nil {
						return err
					}
				default:
					d, err := s.ClaimDelivery(ctx, receipts(comune), at, at.Add(time.Second))
					switch {
					case positions.CodeOf(err) == positions.NotFound:
						continue
					case err != nil:
						return err
					}
					d.State, d.EndedAt = positions.DeliveryDelivered, at
					if err := s.SettleDelivery(ctx, d); err != nil && positions.CodeOf(err) != positions.Stale {
						return err
					}
				}
			}
			return nil
		})
		count(t, errs, "")
	}},
}
