package rest

import (
	"context"
	"encoding/json"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// ListReceipts implements the operation of that name.
func (s *server) ListReceipts(ctx context.Context, r ListReceiptsRequestObject) (ListReceiptsResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	f := positions.ReceiptFilter{OrganizationFiscalCode: r.OrganizationFiscalCode, Page: page}
	if f.From, err = instantParameter("from", r.Params.From); err != nil {
		return nil, err
	}
	if f.To, err = instantParameter("to", r.Params.To); err != nil {
		return nil, err
	}
	if r.Params.Flagged != nil {
		f.Flagged = *r.Params.Flagged
	}
	who := callerOf(ctx)
	if r.Params.Nav != nil {
		if f.NAV, err = positions.ParseNoticeNumber(*r.Params.Nav); err != nil {
			return nil, invalidParameter("nav", "is not a notice number: "+err.Error())
		}
		if !who.sees(f.NAV) {
			return nil, noSuchNotice()
		}
	}
	if who.key != nil {
		f.SegregationCodes = who.key.SegregationCodes
	}
	receipts, total, err := s.Store.Receipts(ctx, f)
	if err != nil {
		return nil, err
	}
	list := ReceiptList{Receipts: []Receipt{}, PageInfo: pageInfo(page, len(receipts), total)}
	for i := range receipts {
		list.Receipts = append(list.Receipts, receiptBody(&receipts[i]))
	}
	return ListReceipts200JSONResponse(list), nil
}

// ReadReceipt implements the operation of that name.
func (s *server) ReadReceipt(ctx context.Context, r ReadReceiptRequestObject) (ReadReceiptResponseObject, error) {
	receipt, err := s.Store.Receipt(ctx, r.OrganizationFiscalCode, r.ReceiptID)
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).sees(receipt.NAV) {
		return nil, positions.Errorf(positions.NotFound, "there is no such receipt")
	}
	return ReadReceipt200JSONResponse{Body: receiptBody(receipt)}, nil
}

// ReceiptJSON returns a receipt as ReadReceipt answers it, for who is told of
// receipts elsewhere.
func ReceiptJSON(r *positions.Receipt) ([]byte, error) { return json.Marshal(receiptBody(r)) }

// receiptBody is how a receipt reads. Its message stays inside: it names people.
func receiptBody(r *positions.Receipt) Receipt {
	body := Receipt{
		ReceiptID: r.ReceiptID, OrganizationFiscalCode: r.OrganizationFiscalCode, CreditorFiscalCode: r.CreditorFiscalCode,
		Nav: r.NAV, CreditorReferenceID: present(r.CreditorReferenceID), StationCode: present(r.StationCode), Operation: r.Operation,
		Outcome: present(r.Outcome), PaymentAmount: r.PaymentAmount, NotificationFee: r.NotificationFee,
		LastAnswered: r.LastAnswered, Difference: difference(r.PaymentAmount, r.LastAnswered), Fee: r.PSPFee,
		PspCompanyName: present(r.PSPCompanyName), PaymentMethod: present(r.PaymentMethod), PaymentDateTime: presentInstant(r.PaymentDateTime),
		ApplicationDate: present(r.ApplicationDate), TransferDate: present(r.TransferDate), StandIn: r.StandIn,
		Flags: r.Flags, ReceivedAt: r.ReceivedAt.UTC(), AnonymizedAt: presentInstant(r.AnonymizedAt),
	}
	if body.Flags == nil {
		body.Flags = []string{}
	}
	return body
}

// difference is what was paid above what was asked; below zero, less was
// collected.
func difference(paid money.Cents, asked *money.Cents) *money.Cents {
	if asked == nil {
		return nil
	}
	d := paid - *asked
	return &d
}
