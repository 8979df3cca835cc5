package postgres_test

import (
	"testing"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestAReceiptWhoseDeliveryCannotBeStoredIsNotStored(t *testing.T) {
	ctx := t.Context()
	s := migrated(t, testservers.Postgres(t))
	p := storetest.Sample(t, s)
	if _, err := s.Pool().Exec(ctx, `ALTER TABLE deliveries ADD CONSTRAINT none CHECK (false)`); err != nil {
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
