package rest

import (
	"context"
	"slices"
	"time"

	"github.com/attualizza/attualizza/positions"
)

const (
	actionReplace = string(positions.EventUpdate)
	actionDelete  = string(positions.EventDelete)
)

// deleted is what GPD answers to a deletion, of one position or of many.
const deleted = "The debt position was successfully deleted"

// ReplaceDebtPosition implements the operation of that name.
func (s *server) ReplaceDebtPosition(ctx context.Context, r ReplaceDebtPositionRequestObject) (ReplaceDebtPositionResponseObject, error) {
	by, err := r.Body.replacement(r.OrganizationFiscalCode, callerOf(ctx), s.Now())
	if err != nil {
		return nil, err
	}
	if by.IUPD != r.Iupd {
		return nil, invalid("the position is not valid", []positions.Problem{{Pointer: "/iupd", Detail: "is not the one of the path"}})
	}
	fees, err := s.fees(ctx, r.OrganizationFiscalCode, by)
	if err != nil {
		return nil, err
	}
	p, body, err := s.change(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, actionReplace, func(p *positions.Position, now time.Time) error {
		return replace(p, by, fees, isTrue(r.Params.ToPublish), now)
	})
	if err != nil {
		return nil, err
	}
	return ReplaceDebtPosition200JSONResponse{Body: body, Headers: ReplaceDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// RemoveDebtPosition implements the operation of that name.
func (s *server) RemoveDebtPosition(ctx context.Context, r RemoveDebtPositionRequestObject) (RemoveDebtPositionResponseObject, error) {
	store := func(ctx context.Context, p *positions.Position, c positions.Change) error {
		return s.Store.DeletePositions(ctx, []*positions.Position{p}, c)
	}
	_, err := s.write(ctx, edit{
		read:    func() (*positions.Position, error) { return s.position(ctx, r.OrganizationFiscalCode, r.Iupd) },
		ifMatch: r.Params.IfMatch, change: positions.Change{Action: actionDelete}, event: deletable, store: store,
	})
	if err != nil {
		return nil, err
	}
	return RemoveDebtPosition200JSONResponse(deleted), nil
}

// deletable refuses in GPD's words what GPD refuses too, a position of which
// something was paid, and in ours what only a life-cycle forbids.
func deletable(p *positions.Position, now time.Time) error {
	err := p.Permit(positions.EventDelete, now)
	if err != nil && !slices.ContainsFunc(p.Options, func(o positions.PaymentOption) bool { return o.Paid() }) {
		return &positions.Error{Code: positions.CodeOf(err), Message: err.Error(), Err: errOurs}
	}
	return err
}

// replacement makes the content of a body that takes the place of another.
func (b *PaymentPositionInput) replacement(organization string, who caller, now time.Time) (*positions.Position, error) {
	p, err := b.position(organization, now, (*positions.Position).ValidateReplacementDates)
	if err != nil {
		return nil, err
	}
	if err := who.mayWrite(p); err != nil {
		return nil, err
	}
	return p, nil
}

// replace puts by in the place of p.
func replace(p, by *positions.Position, fees map[positions.NoticeNumber]*positions.Price, publish bool, now time.Time) error {
	if err := p.Replace(by, now); err != nil {
		return err
	}
	if err := p.CarriesFees(fees); err != nil {
		return err
	}
	if publish {
		return p.Publish(now)
	}
	return nil
}

// fees reads the prices known of the notices of some positions.
func (s *server) fees(ctx context.Context, organization string, ps ...*positions.Position) (map[positions.NoticeNumber]*positions.Price, error) {
	var navs []positions.NoticeNumber
	for _, p := range ps {
		for i := range p.Options {
			navs = append(navs, p.Options[i].NAV)
		}
	}
	return s.Store.Prices(ctx, organization, navs)
}
