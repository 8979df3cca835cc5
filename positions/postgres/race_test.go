package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/storetest"
)

// waiting waits until so many sessions of the database wait for a lock.
func waiting(t *testing.T, db *pgxpool.Pool, sessions int) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		var n int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n >= sessions {
			return
		}
	}
	t.Fatalf("%d sessions never waited for a lock", sessions)
}

func TestAReceiptPaysANoticeThatIsHandedToAnotherPositionMeanwhile(t *testing.T) {
	ctx := t.Context()
	s := migrated(t, testservers.Postgres(t)+"&lock_timeout=20000&statement_timeout=20000")
	p := storetest.Sample(t, s)
	nav := p.Options[0].NAV
	// Exchange the numbers of two positions, held up before the commit: the
	// receipt looks for its notice before it, and finds it after it.
	other := p.Clone()
	other.IUPD = p.IUPD + "-2"
	free := positions.NoticeNumber("309000000000000001")
	other.Options = other.Options[:1]
	other.Options[0].NAV, other.Options[0].IUV = free, free.IUV()
	if err := s.CreatePosition(ctx, other, positions.Change{Action: "CREATE"}); err != nil {
		t.Fatal(err)
	}
	p.Options[0].NAV, other.Options[0].NAV = free, nav
	p.Options[0].IUV, other.Options[0].IUV = free.IUV(), nav.IUV()

	// The last thing the exchange writes is its versions.
	hold, err := s.Pool().Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Rollback(context.Background())
	if _, err := hold.Exec(ctx, `LOCK TABLE position_versions IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	exchanged := make(chan error, 1)
	go func() {
		exchanged <- s.UpdatePositions(ctx, []*positions.Position{p, other}, positions.Change{Action: "REPLACE"})
	}()
	waiting(t, s.Pool(), 1)
	r := &positions.Receipt{
		OrganizationFiscalCode: p.OrganizationFiscalCode, CreditorFiscalCode: p.OrganizationFiscalCode, ReceiptID: "rt-1", NAV: nav, Outcome: "OK", PaymentAmount: 1,
	}
	saved := make(chan error, 1)
	go func() {
		_, err := s.SaveReceipt(ctx, r)
		saved <- err
	}()
	waiting(t, s.Pool(), 2)
	if err := hold.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	wantAll(t, []error{<-exchanged, <-saved}, "")
	if slices.Contains(r.Flags, positions.FlagUnknownNotice) {
		t.Error("the receipt is of a notice that is known, and was taken for unknown")
	}
	n, err := s.Notice(ctx, p.OrganizationFiscalCode, nav)
	if err != nil || !n.Option.Paid() || n.Position.IUPD != other.IUPD {
		t.Errorf("paid: %v, in %s: %v", err == nil && n.Option.Paid(), n.Position.IUPD, err)
	}
}

func TestImportsOfTheSameFileAtOnceRefuseNothing(t *testing.T) {
	url := testservers.Postgres(t) + "&lock_timeout=20000&statement_timeout=20000"
	s := migrated(t, url)
	sample := storetest.Sample(t, s)
	stores := []*postgres.Store{s, open(t, url), open(t, url), open(t, url)}
	for round := range 30 {
		var errs []error
		results, _ := crowd(t, len(stores), time.Minute, func(ctx context.Context, i int) error {
			var ps []*positions.Position
			for j := range 20 {
				p := sample.Clone()
				p.IUPD = fmt.Sprintf("R%d-%d", round, j)
				p.Options = p.Options[:1]
				nav := positions.NoticeNumber(fmt.Sprintf("308%015d", round*100+j))
				p.Options[0].NAV, p.Options[0].IUV = nav, nav.IUV()
				ps = append(ps, p)
			}
			imported, err := stores[i].ImportPositions(ctx, ps, positions.Change{Action: "IMPORT"})
			for _, r := range imported {
				if r.Refused != nil {
					return r.Refused
				}
			}
			return err
		})
		for _, err := range results {
			if err != nil {
				errs = append(errs, err)
			}
		}
		wantAll(t, errs, "")
		if t.Failed() {
			return
		}
	}
}
