package rest

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// ListMissingReceipts implements the operation of that name.
func (s *server) ListMissingReceipts(ctx context.Context, r ListMissingReceiptsRequestObject) (ListMissingReceiptsResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	f := positions.MissingReceiptFilter{OrganizationFiscalCode: r.OrganizationFiscalCode, Now: now, Page: page}
	if f.From, err = instantParameter("from", r.Params.From); err != nil {
		return nil, err
	}
	if f.To, err = instantParameter("to", r.Params.To); err != nil {
		return nil, err
	}
	age := positions.DefaultMissingAge
	if r.Params.OlderThan != nil {
		if age, err = time.ParseDuration(*r.Params.OlderThan); err != nil {
			return nil, invalidParameter("olderThan", `must be a duration such as "2h" or "90m"`)
		}
	}
	if f.From, f.To, err = positions.MissingReceiptPeriod(f.From, f.To, now, age); err != nil {
		return nil, err
	}
	if who := callerOf(ctx); who.key != nil {
		f.SegregationCodes = who.key.SegregationCodes
	}
	// One at a time: it may take seconds of the store, on the connections that
	// payments use.
	if !s.surveying.TryLock() {
		return nil, positions.Errorf(positions.Unavailable, "missing receipts are being listed for somebody else: try again in a few seconds")
	}
	defer s.surveying.Unlock()
	missing, total, err := s.Store.MissingReceipts(ctx, f)
	if err != nil {
		return nil, err
	}
	list := MissingReceiptList{MissingReceipts: []MissingReceipt{}, PageInfo: pageInfo(page, len(missing), total)}
	for _, m := range missing {
		list.MissingReceipts = append(list.MissingReceipts, MissingReceipt{
			Nav: m.NAV, Iupd: present(m.IUPD), ActivatedAt: m.ActivatedAt, Activations: int32(m.Activations), Amount: m.Amount, Status: present(m.Status),
		})
	}
	return ListMissingReceipts200JSONResponse(list), nil
}
