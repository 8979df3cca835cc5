package rest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/rules"
)

// SetNoticeAmount implements the operation of that name.
func (s *server) SetNoticeAmount(ctx context.Context, r SetNoticeAmountRequestObject) (SetNoticeAmountResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	body, tag, err := s.changeNotice(ctx, noticeChange{
		organization: r.OrganizationFiscalCode, number: r.Nav, ifMatch: r.Params.IfMatch, event: positions.EventAmount, reason: r.Body.Reason,
		do: func(p *positions.Position, nav positions.NoticeNumber, now time.Time) (bool, error) {
			return p.SetAmount(nav, r.Body.Amount, r.Body.shares(), r.Body.parts(), now)
		},
	})
	if err != nil {
		return nil, err
	}
	return SetNoticeAmount200JSONResponse{Body: body, Headers: SetNoticeAmount200ResponseHeaders{ETag: tag}}, nil
}

// noticeChange is something absolute that happens to one notice: do reports
// whether it changed anything.
type noticeChange struct {
	organization, number string // of the path
	ifMatch              *string
	event                positions.Event
	reason               string
	do                   func(*positions.Position, positions.NoticeNumber, time.Time) (changed bool, err error)
}

// changeNotice carries a change out, and tells what is known of the notice then
// and the version of its position. What changed nothing makes no version.
func (s *server) changeNotice(ctx context.Context, c noticeChange) (Notice, *string, error) {
	org, nav, err := s.notice(ctx, c.organization, c.number)
	if err != nil {
		return Notice{}, nil, err
	}
	found, err := s.Store.Notice(ctx, c.organization, nav)
	if err != nil {
		return Notice{}, nil, err
	}
	_, err = s.write(ctx, edit{
		// Whatever other notices the position has, only this one changes.
		read: func() (*positions.Position, error) {
			return s.Store.Position(ctx, c.organization, found.Position.IUPD)
		},
		ifMatch: c.ifMatch,
		change:  positions.Change{Action: string(c.event), Reason: strings.TrimSpace(c.reason)},
		event: func(p *positions.Position, now time.Time) error {
			changed, err := c.do(p, nav, now)
			if err == nil && !changed {
				return errUnchanged
			}
			return err
		},
		store: s.Store.UpdatePosition,
	})
	if err != nil {
		return Notice{}, nil, err
	}
	return s.noticeBody(ctx, org, nav)
}

// problems are those that do not depend on the notice.
func (b *AmountInput) problems(string, time.Time) []positions.Problem {
	problems := append(positions.CheckAmount(b.Amount), positions.CheckReason(b.Reason)...)
	if n := len(b.Transfers); n > positions.MaxTransfers {
		problems = append(problems, positions.Problem{Pointer: "/transfers", Detail: fmt.Sprintf("has %d transfers, at most %d are allowed", n, positions.MaxTransfers)})
	}
	if n := len(b.Components); n > rules.MaxComponents {
		problems = append(problems, positions.Problem{Pointer: "/components", Detail: fmt.Sprintf("has %d components, at most %d are allowed", n, rules.MaxComponents)})
	}
	return problems
}

func (b *AmountInput) parts() []positions.Part {
	parts := make([]positions.Part, len(b.Components))
	for i, c := range b.Components {
		parts[i] = positions.Part{Code: c.Code, Amount: c.Amount}
	}
	return parts
}

func (b *AmountInput) shares() []positions.Share {
	shares := make([]positions.Share, len(b.Transfers))
	for i, t := range b.Transfers {
		shares[i] = positions.Share{TransferID: transferID(t.IDTransfer), Amount: t.Amount}
	}
	return shares
}
