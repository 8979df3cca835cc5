package postgres_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
)

func TestTheAccountsOfPositionsThatAreThereAlreadyAreFound(t *testing.T) {
	ctx := t.Context()
	url := testservers.Postgres(t)
	s := migrated(t, url)
	p := &positions.Position{OrganizationFiscalCode: "77777777777", IUPD: "iupd-1", Status: positions.Valid, Lifecycle: positions.Open}
	for i, status := range []positions.OptionStatus{positions.OptionUnpaid, positions.OptionPaid} {
		nav := positions.NoticeNumber("30100000000000017" + string(rune('0'+i)))
		p.Options = append(p.Options, positions.PaymentOption{
			NAV: nav, IUV: nav.IUV(), Status: status, DueDate: time.Now(),
			Transfers: []positions.Transfer{{ID: 1, IBAN: "IT00A"}, {ID: 2, Stamp: &positions.Stamp{}}, {ID: 3, IBAN: "IT00A"}, {ID: 4, IBAN: "IT00" + string(rune('B'+i))}},
		})
	}
	if err := s.CreatePosition(ctx, p, positions.Change{Action: "CREATE"}); err != nil {
		t.Fatal(err)
	}
	migration, err := os.ReadFile("migrations/00004_transfer_ibans.sql")
	if err != nil {
		t.Fatal(err)
	}
	backfill := string(migration)[strings.LastIndex(string(migration), "INSERT INTO transfer_ibans"):]
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	if _, err := db.Exec(ctx, "DELETE FROM transfer_ibans; "+backfill); err != nil {
		t.Fatal(err)
	}
	for iban, want := range map[string]int{"IT00A": 1, "IT00B": 1, "IT00C": 0} {
		found, _, err := s.PositionsPaidTo(ctx, positions.AccountFilter{OrganizationFiscalCode: "77777777777", IBAN: iban, Limit: 10})
		if err != nil || len(found) != want {
			t.Errorf("%s: %d positions, want %d: %v", iban, len(found), want, err)
		}
	}
}
