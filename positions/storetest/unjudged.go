package storetest

import (
	"testing"

	"github.com/attualizza/attualizza/positions"
)

// KeepsUnjudgedReceipts holds a store to keeping receipts whatever goes wrong with
// their consequences. open is as for [Run], but also returns what runs statements
// in the store's database. refuse is a statement that makes every write of a kind
// (INSERT or UPDATE) to a table fail.
func KeepsUnjudgedReceipts(t *testing.T, open func(t *testing.T) (s positions.Store, run func(statement string)), refuse func(write, table string) string) {
	for _, tt := range []struct {
		name, spoil string
		leaves      int // deliveries
	}{
		{"a document that cannot be read", `UPDATE position_versions SET document = '[1]'`, 1},
		{"a position that cannot be written", refuse("UPDATE", "positions"), 1},
		{"a version that cannot be written", refuse("INSERT", "position_versions"), 1},
		{"a reconciliation that cannot be written", refuse("UPDATE", "reconciliations"), 1},
		{"an outbox that cannot be written", refuse("INSERT", "deliveries"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, run := open(t)
			p := bound(t, s, "iupd-1")
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 0, positions.SourceNone)}))
			nav := p.Options[0].NAV
			run(tt.spoil)
			r := paidFor(p, "rt-1", 0)
			r.Flags, r.Outgoing = []string{"idChannel"}, positions.Outgoing{Receipt: true, SEND: true}
			if duplicate, err := s.SaveReceipt(t.Context(), r); duplicate || err != nil {
				t.Fatalf("duplicate %t: %v (cause: %v)", duplicate, err, cause(err))
			}
			same(t, "flags", r.Flags, []string{"idChannel", positions.FlagNotJudged})
			if r.Unjudged == nil || cause(r.Unjudged) == nil {
				t.Fatalf("why it was not judged: %v", r.Unjudged)
			}
			r.Unjudged, r.Outgoing = nil, positions.Outgoing{}
			same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
			deliveries, n, err := s.Deliveries(t.Context(), positions.DeliveryFilter{OrganizationFiscalCode: comune, Page: positions.Page{Limit: 9}})
			must(t, err)
			if n != tt.leaves || n == 1 && (deliveries[0].Kind != positions.DeliverReceipt || deliveries[0].ReceiptID != "rt-1") {
				t.Fatalf("%d deliveries: %+v", n, deliveries)
			}
			if theOnly(t, s).State != positions.ReconciliationOpen {
				t.Fatal("the reconciliation was settled")
			}
			if notice, err := s.Notice(t.Context(), comune, nav); err == nil && notice.Option.Paid() {
				t.Fatal("the notice counts as paid")
			}
			if duplicate, err := s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 0)); !duplicate || err != nil {
				t.Fatalf("again: duplicate %t: %v", duplicate, err)
			}
		})
	}
}
