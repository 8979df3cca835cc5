package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

const (
	comune    = "77777777777"
	provincia = "88888888888"
	iun       = "ABCD-EFGH-ILMN-202611-A-1"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// room is a Reconciler on a real store, with a clock and a SEND in the test's
// hands.
type room struct {
	*testing.T
	store positions.Store
	*Reconciler
	now time.Time
	// price is what SEND gives, wrong why it does not; before happens while it is
	// asked.
	price  map[positions.NoticeNumber]positions.Price
	wrong  func(nav positions.NoticeNumber) error
	before func(nav positions.NoticeNumber)
	unsave bool // the store does not take the price

	mu    sync.Mutex
	asked []positions.NoticeNumber
}

func (r *room) Organization(fiscalCode string) (*registry.Organization, bool) {
	if fiscalCode != comune && fiscalCode != provincia {
		return nil, false
	}
	return &registry.Organization{Organization: positions.Organization{FiscalCode: fiscalCode}}, true
}

func (r *room) Refresh(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Price, error) {
	r.mu.Lock()
	r.asked = append(r.asked, nav)
	r.mu.Unlock()
	if r.before != nil {
		r.before(nav)
	}
	if r.wrong != nil {
		if err := r.wrong(nav); err != nil {
			return nil, err
		}
	}
	p, known := r.price[nav]
	if !known {
		p = positions.Price{TotalPrice: 1424, IUN: iun}
	}
	p.FetchedAt = r.now
	if r.unsave {
		return &p, nil
	}
	return &p, r.store.SavePrice(ctx, org.FiscalCode, nav, &p)
}

// each runs a test on a room over each store.
func each(t *testing.T, test func(*room)) {
	for name, open := range map[string]func(t *testing.T) (positions.Store, error){
		"SQLite": func(t *testing.T) (positions.Store, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "room.db"))
		},
		"PostgreSQL": func(t *testing.T) (positions.Store, error) {
			return postgres.Open(t.Context(), testservers.Postgres(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := open(t)
			must(t, err)
			test(newRoom(t, store))
		})
	}
}

// newRoom is a room over a store, which it migrates, and closes in the end.
func newRoom(t *testing.T, store positions.Store) *room {
	t.Helper()
	t.Cleanup(func() { must(t, store.Close()) })
	must(t, store.Migrate(t.Context()))
	r := &room{T: t, store: store, now: noon, price: map[positions.NoticeNumber]positions.Price{}}
	r.Reconciler = New(Config{Store: store, Prices: r, Directory: r, Now: func() time.Time { return r.now }})
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// notice stores a SEND-bound notice of 100.00 that an activation a minute ago was
// answered for without SEND's price.
func (r *room) notice(organization string, number int, fee money.Cents) positions.NoticeNumber {
	r.Helper()
	nav := positions.NoticeNumber(fmt.Sprintf("302%015d", number))
	p := &positions.Position{
		OrganizationFiscalCode: organization, IUPD: string(nav), CompanyName: "Comune", Status: positions.Valid, Lifecycle: positions.Open,
		Debtor: positions.Debtor{Type: "F", FiscalCode: fmt.Sprintf("RSSMRA80A01H5%02dU", number), FullName: "Maria Rossi"},
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 10000, Description: "Verbale", Status: positions.OptionUnpaid, SendBound: true, DueDate: noon.AddDate(0, 1, 0),
			Transfers: []positions.Transfer{{ID: 1, Amount: 10000, RemittanceInformation: "Verbale", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"}},
		}},
	}
	must(r.T, r.store.CreatePosition(r.Context(), p, positions.Change{Action: "CREATE", At: noon}))
	r.answer(organization, nav, fee)
	return nav
}

func (r *room) answer(organization string, nav positions.NoticeNumber, fee money.Cents) {
	r.Helper()
	must(r.T, r.store.RecordAnswers(r.Context(), []positions.Answer{{
		At: r.now.Add(-time.Minute), OrganizationFiscalCode: organization, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK",
		Amount: 10000 + fee, BaseAmount: 10000, NotificationFee: fee, Source: positions.SourceLastKnown,
	}}))
}

func (r *room) pay(organization string, nav positions.NoticeNumber, fee money.Cents) {
	r.Helper()
	_, err := r.store.SaveReceipt(r.Context(), &positions.Receipt{
		OrganizationFiscalCode: organization, ReceiptID: "rt-" + string(nav), CreditorFiscalCode: organization, NAV: nav, Operation: "paSendRTV2",
		Outcome: "OK", PaymentAmount: 10000 + fee, PaymentDateTime: r.now.Add(-30 * time.Second), ReceivedAt: r.now.Add(-20 * time.Second),
	})
	must(r.T, err)
}

// round makes one round, and tells how often SEND was asked in it.
func (r *room) round(want Summary) (asked int) {
	r.Helper()
	before := len(r.asked)
	sum, err := r.Round(r.Context())
	must(r.T, err)
	if diff := cmp.Diff(want, sum); diff != "" {
		r.Fatalf("the round (-want +got):\n%s", diff)
	}
	return len(r.asked) - before
}

// states are those of an organization's reconciliations, oldest first.
func (r *room) states(organization string) (states []positions.ReconciliationState) {
	r.Helper()
	all, err := r.store.Reconciliations(r.Context(), positions.ReconciliationFilter{OrganizationFiscalCode: organization, AfterID: new(int64), Page: positions.Page{Limit: 1000}})
	must(r.T, err)
	for i := range all {
		states = append(states, all[i].State)
	}
	return states
}

func (r *room) wants(organization string, want ...positions.ReconciliationState) {
	r.Helper()
	if diff := cmp.Diff(want, r.states(organization)); diff != "" {
		r.Fatalf("the states of %s (-want +got):\n%s", organization, diff)
	}
}

var down = &sendclient.Error{Kind: sendclient.KindServerError, Status: 503}

func TestWhatWasPaidIsJudgedAndWhatWasNotIsPricedAnew(t *testing.T) {
	each(t, func(r *room) {
		r.notice(comune, 1, 200)
		r.pay(comune, r.notice(comune, 2, 200), 200)  // 14.24 - 2.00
		r.pay(comune, r.notice(comune, 3, 0), 0)      // 14.24
		r.pay(comune, r.notice(comune, 4, 1424), 100) // the payer paid less than asked: 13.24
		over := r.notice(comune, 5, 1424)
		r.pay(comune, over, 1424)
		r.price[over] = positions.Price{NoCost: "CANCELLED"} // -14.24
		r.pay(comune, r.notice(comune, 6, 1424), 1424)
		if asked := r.round(Summary{Repriced: 1, Under: 3, Over: 1, Even: 1, UnderCollected: 1224 + 1424 + 1324, OverCollected: 1424}); asked != 6 {
			t.Errorf("SEND was asked %d times", asked)
		}
		if asked := r.round(Summary{}); asked != 0 {
			t.Errorf("SEND was asked %d times about nothing", asked)
		}
		totals, err := r.store.ReconciliationTotals(t.Context(), positions.ReconciliationFilter{OrganizationFiscalCode: comune})
		must(t, err)
		if diff := cmp.Diff(positions.ReconciliationTotals{UnderCollected: 3972, OverCollected: 1424, Repriced: 1, Count: 6}, totals); diff != "" {
			t.Error(diff)
		}
	})
}

func TestASilentSENDIsAskedOnceAndThenLeftAlone(t *testing.T) {
	for name, why := range map[string]error{
		"5xx": down, "an open breaker": &sendclient.Error{Kind: sendclient.KindBreakerOpen}, "a denial": &sendclient.Error{Kind: sendclient.KindDenied},
		"no credential": fmt.Errorf("no key: %w", registry.ErrNoCredential), "anything else": errors.New("no answer within the budget"),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *room) {
				for i := range 5 {
					r.notice(comune, i, 0)
				}
				r.notice(provincia, 9, 0)
				silent := true
				r.wrong = func(nav positions.NoticeNumber) error {
					if silent && nav != "302000000000000009" {
						return why
					}
					return nil
				}
				if asked := r.round(Summary{Held: 1, Postponed: 1, Repriced: 1}); asked != 2 {
					t.Errorf("SEND was asked %d times", asked)
				}
				// 30 s, 1, 2, 4, 8 minutes, and then a quarter of an hour each.
				for _, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
					r.now = r.now.Add(pause - time.Second)
					if asked := r.round(Summary{}); asked != 0 {
						t.Errorf("asked %d times %s after the last", asked, pause-time.Second)
					}
					r.now = r.now.Add(time.Second)
					if asked := r.round(Summary{Held: 1, Postponed: 1}); asked != 1 {
						t.Errorf("asked %d times %s after the last", asked, pause)
					}
				}
				silent = false
				r.now = r.now.Add(15 * time.Minute)
				r.round(Summary{Repriced: 5})
				// All is forgotten: the next outage begins with half a minute again.
				silent = true
				r.notice(comune, 20, 0)
				r.round(Summary{Held: 1, Postponed: 1})
				r.now = r.now.Add(30 * time.Second)
				r.round(Summary{Held: 1, Postponed: 1})
			})
		})
	}
}

func TestANoticeThatSENDCannotAnswerForDoesNotKeepTheOthersWaiting(t *testing.T) {
	each(t, func(r *room) {
		bad := r.notice(comune, 1, 0)
		r.notice(comune, 2, 0)
		r.wrong = func(nav positions.NoticeNumber) error {
			if nav == bad {
				return &sendclient.Error{Kind: sendclient.KindAnomaly}
			}
			return nil
		}
		r.round(Summary{Postponed: 1, Repriced: 1})
		r.round(Summary{})
		r.now = r.now.Add(30 * time.Second)
		r.round(Summary{Postponed: 1})
		r.now = r.now.Add(time.Minute)
		r.wrong = nil
		r.round(Summary{Repriced: 1})
	})
}

func TestANoticeThatSENDCannotAnswerForIsAskedAboutLessAndLessAndToldOnceInAWhile(t *testing.T) {
	each(t, func(r *room) {
		var logs strings.Builder
		r.Logger = slog.New(slog.NewTextHandler(&logs, nil))
		for i := range 3 {
			r.notice(comune, i, 0)
		}
		r.wrong = func(positions.NoticeNumber) error { return &sendclient.Error{Kind: sendclient.KindAnomaly} }
		r.round(Summary{Postponed: 3})
		if n := strings.Count(logs.String(), "cannot be reconciled yet"); n != 1 {
			t.Errorf("three notices of one organization are told %d times:\n%s", n, logs.String())
		}
		pause := 30 * time.Second
		for range 14 {
			r.now = r.now.Add(pause - time.Second)
			r.round(Summary{})
			r.now = r.now.Add(time.Second)
			r.round(Summary{Postponed: 3})
			pause = min(2*pause, 6*time.Hour)
		}
		r.wrong = nil
		r.now = r.now.Add(6 * time.Hour)
		r.round(Summary{Repriced: 3})
	})
}

func TestAReceiptThatComesWhileSENDIsAskedIsJudgedInItsTurn(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 200)
		r.before = func(positions.NoticeNumber) { r.pay(comune, nav, 200) }
		r.round(Summary{})
		r.wants(comune, positions.ReconciliationOpen)
		r.before = nil
		r.round(Summary{Under: 1, UnderCollected: 1224})
		r.wants(comune, positions.ReconciliationUnder)
	})
}

func TestAPaymentAfterTheNewPriceIsJudgedToo(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 200)
		r.round(Summary{Repriced: 1})
		r.pay(comune, nav, 200) // the activation of the outage was still good
		r.round(Summary{Under: 1, UnderCollected: 1224})
		r.wants(comune, positions.ReconciliationUnder)
	})
}

func TestARecordThatComesAfterItsReceiptDoesNotCountTwice(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 200)
		r.pay(comune, nav, 200)
		r.answer(comune, nav, 200)
		r.round(Summary{Under: 1, UnderCollected: 1224})
		r.answer(comune, nav, 200)
		r.round(Summary{})
		r.wants(comune, positions.ReconciliationUnder)
	})
}

func TestAPaymentReportedWithoutAReceiptIsJudged(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 200)
		p, err := r.store.Position(t.Context(), comune, string(nav))
		must(t, err)
		must(t, p.Pay(nav, positions.OptionPayment{Date: noon, Amount: 10200, NotificationFee: 200}, noon))
		must(t, r.store.UpdatePosition(t.Context(), p, positions.Change{Action: "PAID_OUTSIDE", At: noon}))
		r.round(Summary{Under: 1, UnderCollected: 1224})
	})
}

func TestWhatIsGoneLapsesWithoutAskingSEND(t *testing.T) {
	each(t, func(r *room) {
		removed, unbound, taken := r.notice(comune, 1, 0), r.notice(comune, 2, 0), r.notice(comune, 3, 0)
		r.pay(comune, taken, 0)
		for nav, change := range map[positions.NoticeNumber]func(*positions.Position) error{
			removed: func(p *positions.Position) error {
				return r.store.DeletePositions(t.Context(), []*positions.Position{p}, positions.Change{At: noon})
			},
			unbound: func(p *positions.Position) error {
				p.Options[0].SendBound = false
				return r.store.UpdatePosition(t.Context(), p, positions.Change{At: noon})
			},
			taken: func(p *positions.Position) error {
				if err := p.Reopen(noon); err != nil {
					return err
				}
				return r.store.UpdatePosition(t.Context(), p, positions.Change{At: noon})
			},
		} {
			p, err := r.store.Position(t.Context(), comune, string(nav))
			must(t, err)
			must(t, change(p))
		}
		if asked := r.round(Summary{Lapsed: 3}); asked != 0 {
			t.Errorf("SEND was asked %d times", asked)
		}
	})
}

func TestANoticeThatIsRemovedWhileSENDIsAskedLapses(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 0)
		r.before = func(positions.NoticeNumber) {
			p, err := r.store.Position(t.Context(), comune, string(nav))
			must(t, err)
			must(t, r.store.DeletePositions(t.Context(), []*positions.Position{p}, positions.Change{At: noon}))
		}
		r.round(Summary{Lapsed: 1})
	})
}

func TestNothingIsJudgedByAPriceThatIsNotSENDsOfNow(t *testing.T) {
	each(t, func(r *room) {
		nav := r.notice(comune, 1, 200)
		r.pay(comune, nav, 200)
		must(t, r.store.SavePrice(t.Context(), comune, nav, &positions.Price{TotalPrice: 5000, Pushed: true, FetchedAt: noon.Add(time.Hour)})) // newer
		r.round(Summary{Postponed: 1})
		r.now = noon.Add(2 * time.Hour)
		r.unsave = true
		r.round(Summary{Postponed: 1})
		r.now, r.unsave = noon.Add(4*time.Hour), false
		r.round(Summary{Under: 1, UnderCollected: 1224})
	})
}

func TestTwoNoticesOfOneNotificationMissItsCostOnce(t *testing.T) {
	each(t, func(r *room) {
		var navs []positions.NoticeNumber
		for i := range 3 {
			nav := r.notice(comune, i+1, 0)
			p, err := r.store.Position(t.Context(), comune, string(nav))
			must(t, err)
			p.Debtor.FiscalCode = "RSSMRA80A01H501U"
			must(t, r.store.UpdatePosition(t.Context(), p, positions.Change{At: noon}))
			navs = append(navs, nav)
		}
		r.pay(comune, navs[0], 0)
		r.pay(comune, navs[1], 0)
		r.pay(comune, navs[2], 0)
		r.round(Summary{Under: 1, Even: 2, UnderCollected: 1424})
	})
}

func TestAnOrganizationThatIsNoLongerRegisteredWaits(t *testing.T) {
	each(t, func(r *room) {
		r.notice("99999999999", 1, 0)
		if asked := r.round(Summary{Held: 1}); asked != 0 {
			t.Errorf("SEND was asked %d times", asked)
		}
		r.wants("99999999999", positions.ReconciliationOpen)
	})
}

func TestALongQueueIsWorkedOffInOneRoundAndACutRoundGoesOnLater(t *testing.T) {
	each(t, func(r *room) {
		const many = 2*batch + 7
		for i := range many {
			r.notice(comune, i+1, 0)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.before = func(positions.NoticeNumber) {
			if len(r.asked) == 10 {
				cancel()
			}
		}
		if sum, err := r.Round(ctx); !errors.Is(err, context.Canceled) || sum.Repriced != 9 {
			t.Errorf("a cut round came to %+v, %v", sum, err)
		}
		r.before = nil
		r.round(Summary{Repriced: many - 9})
	})
}
