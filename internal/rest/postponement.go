package rest

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// ExtendNoticeTerm implements the operation of that name.
func (s *server) ExtendNoticeTerm(ctx context.Context, r ExtendNoticeTermRequestObject) (ExtendNoticeTermResponseObject, error) {
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, s.Now())); err != nil {
		return nil, err
	}
	body, tag, err := s.changeNotice(ctx, noticeChange{
		organization: r.OrganizationFiscalCode, number: r.Nav, ifMatch: r.Params.IfMatch, event: positions.EventPostpone, reason: r.Body.Reason,
		do: func(p *positions.Position, nav positions.NoticeNumber, now time.Time) (bool, error) {
			return p.Postpone(nav, r.Body.Term.postponed(), r.Body.last(), now)
		},
	})
	if err != nil {
		return nil, err
	}
	return ExtendNoticeTerm200JSONResponse{Body: body, Headers: ExtendNoticeTerm200ResponseHeaders{ETag: tag}}, nil
}

// problems are those that do not depend on the notice.
func (b *PostponementInput) problems(string, time.Time) []positions.Problem {
	problems := positions.CheckReason(b.Reason)
	if term := b.Term.postponed(); term != nil {
		term.Check(func(pointer, detail string) {
			problems = append(problems, positions.Problem{Pointer: "/term" + pointer, Detail: detail})
		})
	}
	return problems
}

// last is the new last day, [calendar.Unknown] for null.
func (b *PostponementInput) last() calendar.Day {
	if b.To == nil {
		return calendar.Unknown
	}
	return *b.To
}

// postponed is the term that a body names, without a unit unless it names exactly
// one; nil for the due date.
func (b *PostponedTerm) postponed() *rules.Postponed {
	if b == nil {
		return nil
	}
	span, _ := spanOf(b.Days, b.Months, b.Semesters)
	span.WithoutAugust = b.SuspendAugust
	return &rules.Postponed{Anchor: b.Anchor, Date: b.Date, Span: span}
}
