package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestAReceiptWhoseDeliveryCannotBeStoredIsNotStored(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	s := migrated(t, path)
	p := storetest.Sample(t, s)
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE TRIGGER none BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'none'); END`); err != nil {
		t.Fatal(err)
	}
	r := &positions.Receipt{
		OrganizationFiscalCode: p.OrganizationFiscalCode, CreditorFiscalCode: p.OrganizationFiscalCode, ReceiptID: "rt-1", NAV: p.Options[0].NAV, Outcome: "OK",
		Outgoing: positions.Outgoing{Receipt: true},
	}
	if _, err := s.SaveReceipt(ctx, r); positions.CodeOf(err) != positions.Internal {
		t.Fatalf("the receipt is stored: %v", err)
	}
	if _, err := s.Receipt(ctx, p.OrganizationFiscalCode, "rt-1"); positions.CodeOf(err) != positions.NotFound {
		t.Errorf("the receipt is there: %v", err)
	}
	if n, err := s.Notice(ctx, p.OrganizationFiscalCode, r.NAV); err != nil || n.Option.Paid() {
		t.Errorf("the notice is paid without its receipt: %v", err)
	}
}
