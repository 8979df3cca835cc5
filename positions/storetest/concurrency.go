package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

const crowd = 48

// all runs f for 0 … n-1 at once and returns their errors in order.
func all(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

func count(t *testing.T, errs []error, want positions.Code) (n int) {
	t.Helper()
	for _, err := range errs {
		switch {
		case err == nil:
			n++
		default:
			wantCode(t, err, want)
		}
	}
	return n
}

var concurrencyTests = []test{
	{"of many who replace one registration at the version they read one wins", func(t *testing.T, s positions.Store) {
		o := organization(comune)
		for _, version := range []int64{positions.Unregistered, 0} {
			if version == 0 {
				version = o.Version
			}
			errs := all(crowd, func(i int) error {
				mine := organization(comune)
				mine.Version, mine.CompanyName = version, fmt.Sprint("operatore ", i)
				_, err := s.PutOrganization(bounded(t), mine)
				return err
			})
			if n := count(t, errs, positions.Stale); n != 1 {
				t.Fatalf("%d replaced version %d", n, version)
			}
			o = got(s.Organization(t.Context(), comune))(t)
		}
	}},
	{"of many writers of one version one wins and the others are stale", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		for round := range 3 {
			q := read(t, s, p)
			errs := all(crowd, func(i int) error {
				mine := q.Clone()
				mine.CompanyName = fmt.Sprint("scrittore ", i)
				return s.UpdatePosition(bounded(t), mine, update)
			})
			if n := count(t, errs, positions.Stale); n != 1 {
				t.Fatalf("%d writers won", n)
			}
			if v := read(t, s, p).Version; v != int64(round+2) {
				t.Fatalf("version is %d", v)
			}
		}
	}},
	{"no update is lost when every writer reads again until it wins", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1", option(1)))
		const writers, each = 16, 4
		ctx := bounded(t)
		errs := all(writers, func(int) error {
			for range each {
				for {
					q, err := s.Position(ctx, comune, "iupd-1")
					if err != nil {
						return err
					}
					q.Options[0].Amount++
					if err = s.UpdatePosition(ctx, q, update); err == nil {
						break
					}
					if positions.CodeOf(err) != positions.Stale {
						return err
					}
				}
			}
			return nil
		})
		if n := count(t, errs, positions.Stale); n != writers {
			t.Fatalf("%d writers finished", n)
		}
		q := read(t, s, p)
		if q.Options[0].Amount != 1+writers*each || q.Version != 1+writers*each {
			t.Fatalf("amount %d at version %d", q.Options[0].Amount, q.Version)
		}
		versions := got(s.Versions(t.Context(), comune, "iupd-1"))(t)
		for i, v := range versions {
			if v.Version != q.Version-int64(i) {
				t.Fatalf("the history has a hole at %d", i)
			}
		}
	}},
	{"64 writers of one position each leave their mark, in a version of its own", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		const writers = 64
		ctx := bounded(t)
		won := make([]int64, writers) // the version that each writer made
		errs := all(writers, func(i int) error {
			for {
				q, err := s.Position(ctx, comune, "iupd-1")
				if err != nil {
					return err
				}
				q.OfficeName += fmt.Sprintf("<%d>", i)
				c := update
				c.Reason = fmt.Sprint("scrittore ", i)
				if err = s.UpdatePosition(ctx, q, c); err == nil {
					won[i] = q.Version
					return nil
				}
				if positions.CodeOf(err) != positions.Stale {
					return err
				}
			}
		})
		if n := count(t, errs, positions.Stale); n != writers {
			t.Fatalf("%d writers finished", n)
		}
		q := read(t, s, p)
		if q.Version != 1+writers {
			t.Fatalf("version is %d", q.Version)
		}
		marks := ""
		for version := int64(2); version <= 1+writers; version++ {
			i := slices.Index(won, version)
			if i < 0 {
				t.Fatalf("nobody made version %d", version)
			}
			marks += fmt.Sprintf("<%d>", i)
			was, info, err := s.Version(t.Context(), comune, "iupd-1", version)
			must(t, err)
			if was.OfficeName != marks || info.Reason != fmt.Sprint("scrittore ", i) {
				t.Fatalf("version %d of writer %d has marks %s, by %s", version, i, was.OfficeName, info.Reason)
			}
		}
		if q.OfficeName != marks {
			t.Fatalf("marks are %s", q.OfficeName)
		}
	}},
	{"of many positions that want the same notice numbers one is created", func(t *testing.T, s positions.Store) {
		options := []positions.PaymentOption{option(1), option(2), option(3), option(4)}
		errs := all(crowd, func(i int) error {
			mine := slices.Clone(options)
			if i%2 == 1 {
				slices.Reverse(mine) // two orders are how a deadlock would come about
			}
			return s.CreatePosition(bounded(t), position(comune, fmt.Sprint("iupd-", i), mine...), create)
		})
		if n := count(t, errs, positions.Conflict); n != 1 {
			t.Fatalf("%d positions were created", n)
		}
	}},
	{"the same receipt many times at once is one receipt", func(t *testing.T, s positions.Store) {
		for _, known := range []bool{true, false} {
			p := position(comune, "iupd-1")
			if known {
				mustCreate(t, s, p)
			}
			id := fmt.Sprint("rt-", known)
			var mu sync.Mutex
			first := 0
			errs := all(crowd, func(int) error {
				duplicate, err := s.SaveReceipt(bounded(t), receipt(comune, id, p.Options[0].NAV))
				if err == nil && !duplicate {
					mu.Lock()
					first++
					mu.Unlock()
				}
				return err
			})
			count(t, errs, "")
			if first != 1 {
				t.Fatalf("%d were the first", first)
			}
			if known && read(t, s, p).Version != 2 {
				t.Fatal("the position was written more than once")
			}
		}
	}},
	{"of many receipts of one notice one pays it and the others are flagged", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		receipts := make([]*positions.Receipt, crowd)
		errs := all(crowd, func(i int) error {
			receipts[i] = receipt(comune, fmt.Sprint("rt-", i), p.Options[0].NAV)
			duplicate, err := s.SaveReceipt(bounded(t), receipts[i])
			if duplicate {
				return fmt.Errorf("receipt %d is reported as a duplicate", i)
			}
			return err
		})
		count(t, errs, "")
		paid := read(t, s, p)
		for _, r := range receipts {
			want := []string{positions.FlagAlreadyPaid}
			if r.ReceiptID == paid.Options[0].Payment.ReceiptID {
				want = nil
			}
			same(t, "flags of "+r.ReceiptID, r.Flags, want)
			same(t, "what is stored", got(s.Receipt(t.Context(), comune, r.ReceiptID))(t), r)
		}
	}},
	{"receipts of all instalments at once pay all of them", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		for range 24 {
			o := option(10)
			o.IsPartialPayment = true
			p.Options = append(p.Options, o)
		}
		p.Options = p.Options[1:]
		mustCreate(t, s, p)
		errs := all(24, func(i int) error {
			_, err := s.SaveReceipt(bounded(t), receipt(comune, fmt.Sprint("rt-", i), p.Options[i].NAV))
			return err
		})
		count(t, errs, "")
		if paid := read(t, s, p); paid.Status != positions.Paid || paid.Version != 25 {
			t.Fatalf("status %s, version %d", paid.Status, paid.Version)
		}
	}},
	{"a receipt and writers of the same position neither block nor lose each other", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		errs := all(16, func(i int) error {
			if i%2 == 0 {
				_, err := s.SaveReceipt(bounded(t), receipt(comune, fmt.Sprint("rt-", i), p.Options[0].NAV))
				return err
			}
			q := p.Clone()
			q.OfficeName = "Anagrafe"
			return s.UpdatePosition(bounded(t), q, update)
		})
		count(t, errs, positions.Stale)
		if paid := read(t, s, p); !paid.Options[0].Paid() {
			t.Fatal("the payment is lost")
		}
	}},
	{"the newest of many prices saved at once is the last known one", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		errs := all(crowd, func(i int) error {
			return s.SavePrice(bounded(t), comune, nav, price(money.Cents(i), noon.Add(time.Duration(i)*time.Microsecond)))
		})
		count(t, errs, "")
		if p := got(s.Prices(t.Context(), comune, []positions.NoticeNumber{nav}))(t)[nav]; p.TotalPrice != crowd-1 {
			t.Fatalf("the last known price is number %d", p.TotalPrice)
		}
	}},
	{"organizations changed at once each bump the revision", func(t *testing.T, s positions.Store) {
		errs := all(24, func(i int) error {
			_, err := s.PutOrganization(bounded(t), organization(fmt.Sprintf("%011d", i%5)))
			return err
		})
		count(t, errs, "")
		if revision := got(s.OrganizationsRevision(t.Context()))(t); revision != 24 {
			t.Fatalf("the revision is %d", revision)
		}
	}},
	{"batches of answers recorded at once are all there", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		errs := all(crowd, func(i int) error {
			batch := make([]positions.Answer, 20)
			for j := range batch {
				batch[j] = answer(nav, noon.Add(time.Duration(i)*time.Second), money.Cents(j))
			}
			return s.RecordAnswers(bounded(t), batch)
		})
		count(t, errs, "")
		_, total, err := s.Answers(t.Context(), comune, nav, positions.Page{})
		must(t, err)
		if total != crowd*20 {
			t.Fatalf("total is %d", total)
		}
	}},
}
