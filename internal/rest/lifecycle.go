package rest

import (
	"context"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// BlockDebtPosition implements the operation of that name.
func (s *server) BlockDebtPosition(ctx context.Context, r BlockDebtPositionRequestObject) (BlockDebtPositionResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	var until time.Time
	if r.Body.Until != nil {
		until = *r.Body.Until
	}
	p, body, err := s.move(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, positions.EventBlock, r.Body.Reason,
		func(p *positions.Position, now time.Time) error { return p.Block(until, now) })
	if err != nil {
		return nil, err
	}
	return BlockDebtPosition200JSONResponse{Body: body, Headers: BlockDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// UnblockDebtPosition implements the operation of that name.
func (s *server) UnblockDebtPosition(ctx context.Context, r UnblockDebtPositionRequestObject) (UnblockDebtPositionResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	p, body, err := s.move(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, positions.EventUnblock, r.Body.Reason, (*positions.Position).Unblock)
	if err != nil {
		return nil, err
	}
	return UnblockDebtPosition200JSONResponse{Body: body, Headers: UnblockDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// TransferDebtPosition implements the operation of that name.
func (s *server) TransferDebtPosition(ctx context.Context, r TransferDebtPositionRequestObject) (TransferDebtPositionResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	p, body, err := s.move(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, positions.EventTransfer, r.Body.Reason,
		func(p *positions.Position, now time.Time) error {
			return p.Transfer(r.Body.ToOrganizationFiscalCode, now)
		})
	if err != nil {
		return nil, err
	}
	return TransferDebtPosition200JSONResponse{Body: body, Headers: TransferDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// CloseDebtPosition implements the operation of that name.
func (s *server) CloseDebtPosition(ctx context.Context, r CloseDebtPositionRequestObject) (CloseDebtPositionResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	p, body, err := s.move(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, positions.EventClose, r.Body.Reason, (*positions.Position).Close)
	if err != nil {
		return nil, err
	}
	return CloseDebtPosition200JSONResponse{Body: body, Headers: CloseDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// ReopenDebtPosition implements the operation of that name.
func (s *server) ReopenDebtPosition(ctx context.Context, r ReopenDebtPositionRequestObject) (ReopenDebtPositionResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	p, body, err := s.move(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, positions.EventReopen, r.Body.Reason, (*positions.Position).Reopen)
	if err != nil {
		return nil, err
	}
	return ReopenDebtPosition200JSONResponse{Body: body, Headers: ReopenDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// move is an event of the life-cycle: the version it makes carries the reason.
func (s *server) move(ctx context.Context, organization, iupd string, ifMatch *string, e positions.Event, reason string, do func(*positions.Position, time.Time) error) (*positions.Position, PaymentPosition, error) {
	p, err := s.amend(ctx, organization, iupd, ifMatch, positions.Change{Action: string(e), Reason: strings.TrimSpace(reason)}, do)
	if err != nil {
		return nil, PaymentPosition{}, err
	}
	body, err := s.positionBody(ctx, p)
	return p, body, err
}

// wrong is a body with problems, or nil without any.
func wrong(problems []positions.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return invalid("the body is not valid", problems)
}

func (b *ReasonInput) problems(string, time.Time) []positions.Problem {
	return positions.CheckReason(b.Reason)
}

func (b *BlockInput) problems(_ string, now time.Time) []positions.Problem {
	problems := positions.CheckReason(b.Reason)
	if b.Until != nil {
		problems = append(problems, positions.CheckBlock(*b.Until, now)...)
	}
	return problems
}

func (b *HandoverInput) problems(organization string, _ time.Time) []positions.Problem {
	return append(positions.CheckReason(b.Reason), positions.CheckTransfer(organization, b.ToOrganizationFiscalCode)...)
}
