package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

var serviceTests = []test{
	{"a migrated store answers a ping, and may be migrated again", func(t *testing.T, s positions.Store) {
		must(t, s.Ping(t.Context()))
		must(t, s.Migrate(t.Context()))
		must(t, s.Ping(t.Context()))
	}},
	{"a cancelled context is refused as unavailable by every method", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		nav := p.Options[0].NAV
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, err := range everyMethod(ctx, s, p, nav) {
			if code := positions.CodeOf(err); code != positions.Unavailable {
				t.Errorf("%s: code is %q: %v", name, code, err)
			}
		}
		same(t, "the position", read(t, s, p), p)
		must(t, s.Ping(t.Context()))
	}},
	{"a closed store is unavailable", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		must(t, s.Close())
		for name, err := range everyMethod(t.Context(), s, p, p.Options[0].NAV) {
			if code := positions.CodeOf(err); code != positions.Unavailable {
				t.Errorf("%s: code is %q: %v", name, code, err)
			}
		}
	}},
}

// everyMethod calls all methods that talk to the database, except Migrate, and
// returns their errors.
func everyMethod(ctx context.Context, s positions.Store, p *positions.Position, nav positions.NoticeNumber) map[string]error {
	errs := map[string]error{}
	_, errs["PutOrganization"] = s.PutOrganization(ctx, organization(comune))
	_, errs["Organization"] = s.Organization(ctx, comune)
	_, _, errs["Organizations"] = s.Organizations(ctx)
	_, errs["OrganizationsRevision"] = s.OrganizationsRevision(ctx)
	errs["DeleteOrganization"] = s.DeleteOrganization(ctx, comune)
	errs["CreateKey"] = s.CreateKey(ctx, &positions.Key{ID: "k", OrganizationFiscalCode: comune, Hash: []byte{1}})
	_, errs["Keys"] = s.Keys(ctx, comune)
	_, errs["Key"] = s.Key(ctx, "k")
	errs["DeleteKey"] = s.DeleteKey(ctx, comune, "k")
	errs["TouchKey"] = s.TouchKey(ctx, "k", noon)
	errs["CreatePosition"] = s.CreatePosition(ctx, position(comune, "iupd-2"), create)
	errs["DeletePositions"] = s.DeletePositions(ctx, []*positions.Position{p.Clone()}, update)
	_, _, errs["Positions"] = s.Positions(ctx, positions.PositionFilter{OrganizationFiscalCode: comune})
	_, errs["Position"] = s.Position(ctx, comune, "iupd-1")
	errs["UpdatePosition"] = s.UpdatePosition(ctx, p.Clone(), update)
	_, errs["Versions"] = s.Versions(ctx, comune, "iupd-1")
	_, _, errs["Version"] = s.Version(ctx, comune, "iupd-1", 1)
	_, errs["Notice"] = s.Notice(ctx, comune, nav)
	errs["SavePrice"] = s.SavePrice(ctx, comune, nav, price(1, noon))
	_, errs["FeesPaid"] = s.FeesPaid(ctx, comune, thisIUN, "RSSMRA80A01H501U", nav)
	_, errs["Prices"] = s.Prices(ctx, comune, []positions.NoticeNumber{nav})
	errs["RecordAnswers"] = s.RecordAnswers(ctx, []positions.Answer{answer(nav, noon, 1)})
	_, _, errs["Answers"] = s.Answers(ctx, comune, nav, positions.Page{Limit: 1})
	_, errs["SaveReceipt"] = s.SaveReceipt(ctx, receipt(comune, "rt-1", nav))
	_, _, errs["Receipts"] = s.Receipts(ctx, positions.ReceiptFilter{})
	_, errs["Receipt"] = s.Receipt(ctx, comune, "rt-1")
	_, _, errs["MissingReceipts"] = s.MissingReceipts(ctx, positions.MissingReceiptFilter{})
	for _, what := range kept {
		_, errs["Expire "+string(what)] = s.Expire(ctx, what, noon, 1)
		_, errs["CountExpired "+string(what)] = s.CountExpired(ctx, what, noon)
	}
	_, errs["OrganizationsToReconcile"] = s.OrganizationsToReconcile(ctx, noon, 1)
	errs["HoldReconciliations"] = s.HoldReconciliations(ctx, comune, 1, noon)
	_, errs["DueReconciliations"] = s.DueReconciliations(ctx, comune, noon, 1)
	errs["SettleReconciliation"] = s.SettleReconciliation(ctx, &positions.Reconciliation{OpenedAt: noon, DueAt: noon})
	_, errs["MissingElsewhere"] = s.MissingElsewhere(ctx, comune, thisIUN, "RSSMRA80A01H501U", nav)
	_, errs["Reconciliations"] = s.Reconciliations(ctx, positions.ReconciliationFilter{})
	_, errs["ReconciliationSums"] = s.ReconciliationSums(ctx)
	_, errs["ReconciliationTotals"] = s.ReconciliationTotals(ctx, positions.ReconciliationFilter{})
	_, errs["BeginAttempt"] = s.BeginAttempt(ctx, attempt("k"), noon)
	errs["FinishAttempt"] = s.FinishAttempt(ctx, attempt("k"), &positions.KeptAnswer{})
	errs["AbandonAttempt"] = s.AbandonAttempt(ctx, attempt("k"))
	_, errs["PruneAttempts"] = s.PruneAttempts(ctx, noon, 1)
	_, errs["DueDeliveries"] = s.DueDeliveries(ctx, noon, 1)
	_, errs["ClaimDelivery"] = s.ClaimDelivery(ctx, receipts(comune), noon, noon.Add(time.Minute))
	errs["SettleDelivery"] = s.SettleDelivery(ctx, &positions.Delivery{ID: 1})
	_, errs["ReplayDeliveries"] = s.ReplayDeliveries(ctx, positions.DeliveryFilter{}, noon, 1)
	_, _, errs["Deliveries"] = s.Deliveries(ctx, positions.DeliveryFilter{})
	_, errs["DeliveryBacklog"] = s.DeliveryBacklog(ctx)
	_, errs["AcquireLease"] = s.AcquireLease(ctx, "l", "h", time.Hour)
	errs["ReleaseLease"] = s.ReleaseLease(ctx, "l", "h")
	_, errs["StreamCursor"] = s.StreamCursor(ctx, comune)
	errs["MoveStreamCursor"] = s.MoveStreamCursor(ctx, comune, positions.StreamCursor{}, cursor("stream", ""))
	_, _, errs["NotifiedNotices"] = s.NotifiedNotices(ctx, thisIUN)
	errs["KeepNotified"] = s.KeepNotified(ctx, thisIUN, nil)
	_, errs["PricedNotices"] = s.PricedNotices(ctx, thisIUN, 1)
	errs["ReopenPrice"] = s.ReopenPrice(ctx, comune, nav, noon)
	errs["Ping"] = s.Ping(ctx)
	return errs
}
