package rest

import (
	"context"
	"slices"

	"github.com/attualizza/attualizza/positions"
)

// ListReconciliations implements the operation of that name.
func (s *server) ListReconciliations(ctx context.Context, r ListReconciliationsRequestObject) (ListReconciliationsResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	f := positions.ReconciliationFilter{OrganizationFiscalCode: r.OrganizationFiscalCode, Page: page}
	if f.From, err = instantParameter("from", r.Params.From); err != nil {
		return nil, err
	}
	if f.To, err = instantParameter("to", r.Params.To); err != nil {
		return nil, err
	}
	if r.Params.State != nil {
		f.State = *r.Params.State
		if !slices.Contains(positions.ReconciliationStates, f.State) {
			return nil, invalidParameter("state", "must be one of OPEN, REPRICED, LAPSED, EVEN, UNDER_COLLECTED, OVER_COLLECTED")
		}
	}
	if who := callerOf(ctx); who.key != nil {
		f.SegregationCodes = who.key.SegregationCodes
	}
	totals, err := s.Store.ReconciliationTotals(ctx, f)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.Reconciliations(ctx, f)
	if err != nil {
		return nil, err
	}
	list := ReconciliationList{
		Reconciliations: []Reconciliation{}, PageInfo: pageInfo(page, len(found), totals.Count),
		Totals: ReconciliationTotals{
			UnderCollected: totals.UnderCollected, OverCollected: totals.OverCollected, Net: totals.Net(),
			Open: totals.Open, Repriced: totals.Repriced, Count: totals.Count,
		},
	}
	for i := range found {
		list.Reconciliations = append(list.Reconciliations, reconciliationBody(&found[i]))
	}
	return ListReconciliations200JSONResponse(list), nil
}

// reconciliationBody is how a reconciliation reads.
func reconciliationBody(r *positions.Reconciliation) Reconciliation {
	body := Reconciliation{
		Nav: r.NAV, Iupd: present(r.IUPD), ReceiptID: present(r.ReceiptID), State: r.State, Source: r.Source, Operation: present(r.Operation),
		AnsweredAt: presentInstant(r.AnsweredAt), Amount: r.Amount, ChargedFee: r.ChargedFee, Difference: r.Difference(), Iun: present(r.IUN),
		OpenedAt: r.OpenedAt.UTC(), PaidAt: presentInstant(r.PaidAt), JudgedAt: presentInstant(r.JudgedAt), Attempts: r.Attempts,
	}
	switch r.State {
	case positions.ReconciliationOpen:
		body.NextAttemptAt = presentInstant(r.DueAt)
	case positions.ReconciliationLapsed:
	default:
		body.DueFee = &r.DueFee
	}
	return body
}
