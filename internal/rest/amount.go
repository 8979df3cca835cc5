package rest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// SetNoticeAmount implements the operation of that name.
func (s *server) SetNoticeAmount(ctx context.Context, r SetNoticeAmountRequestObject) (SetNoticeAmountResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	if r.Body.Components.present {
		return nil, &positions.Error{
			Code: positions.Unprocessable, Message: "this version has no amount rules: leave components out",
			Problems: []positions.Problem{{Pointer: "/components", Detail: "is not supported yet"}},
		}
	}
	org, nav, err := s.notice(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.Notice(ctx, r.OrganizationFiscalCode, nav)
	if err != nil {
		return nil, err
	}
	_, err = s.write(ctx, edit{
		// Whatever other notices the position has, only this one changes.
		read: func() (*positions.Position, error) {
			return s.Store.Position(ctx, r.OrganizationFiscalCode, found.Position.IUPD)
		},
		ifMatch: r.Params.IfMatch,
		change:  positions.Change{Action: string(positions.EventAmount), Reason: strings.TrimSpace(r.Body.Reason)},
		event: func(p *positions.Position, now time.Time) error {
			changed, err := p.SetAmount(nav, r.Body.Amount, r.Body.shares(), nil, now)
			if err == nil && !changed {
				return errUnchanged
			}
			return err
		},
		store: s.Store.UpdatePosition,
	})
	if err != nil {
		return nil, err
	}
	body, tag, err := s.noticeBody(ctx, org, nav)
	if err != nil {
		return nil, err
	}
	return SetNoticeAmount200JSONResponse{Body: body, Headers: SetNoticeAmount200ResponseHeaders{ETag: tag}}, nil
}

// problems are those that do not depend on the notice.
func (b *AmountInput) problems(string, time.Time) []positions.Problem {
	problems := append(positions.CheckAmount(b.Amount), positions.CheckReason(b.Reason)...)
	if n := len(b.Transfers); n > positions.MaxTransfers {
		problems = append(problems, positions.Problem{Pointer: "/transfers", Detail: fmt.Sprintf("has %d transfers, at most %d are allowed", n, positions.MaxTransfers)})
	}
	return problems
}

func (b *AmountInput) shares() []positions.Share {
	shares := make([]positions.Share, len(b.Transfers))
	for i, t := range b.Transfers {
		shares[i] = positions.Share{TransferID: transferID(t.IDTransfer), Amount: t.Amount}
	}
	return shares
}
