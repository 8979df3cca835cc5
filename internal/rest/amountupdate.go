package rest

import (
	"context"
	"errors"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

// UpdateAmount implements the operation of that name, the native façade of
// p4pa-pu-sil.actualization (pagopa/p4pa-doc).
func (s *server) UpdateAmount(ctx context.Context, r UpdateAmountRequestObject) (UpdateAmountResponseObject, error) {
	org, q, err := s.quoteFor(ctx, r.Body.OrgFiscalCode, r.Body.Nav, "nav")
	if err != nil {
		return nil, err
	}
	if q.Refusal != positions.Payable {
		return nil, positions.Errorf(positions.Conflict, "the notice cannot be paid now: %s", q.Refusal)
	}
	body := UpdateAmount200JSONResponse{
		Nav: r.Body.Nav, AmountCents: q.Amount, NotificationFeeCents: q.NotificationFee,
		RetentionDate: holdsUntil(org, q).UTC().Truncate(time.Millisecond),
	}
	if q.Price != nil {
		body.Iun = q.Price.IUN
		body.NotificationDate = inRome(q.Price.EffectiveAt(q.At))
	}
	return body, nil
}

// holdsUntil is until when the amount of a quote can be taken as it is: as long as
// its fee is fresh, and no longer than its rules and its due date let it.
func holdsUntil(org *registry.Organization, q *actualize.Quote) time.Time {
	changes, payableUntil := q.Outlook()
	until := q.FreshUntil(org)
	for _, at := range append(changes, payableUntil) {
		if !at.IsZero() && at.Before(until) {
			until = at
		}
	}
	return until
}

// quoteFor asks what a notice that a body names costs now. Its error is NotFound
// for whatever the caller may not know of, a draft included; a quote without an
// error may still be refused.
func (s *server) quoteFor(ctx context.Context, organization, number, member string) (*registry.Organization, *actualize.Quote, error) {
	org, nav, err := s.ownNotice(ctx, organization, number, member)
	if err != nil {
		return nil, nil, err
	}
	q, err := s.Quoter.Quote(ctx, org, nav)
	switch {
	case errors.Is(err, actualize.ErrNoPrice):
		return nil, nil, &positions.Error{Code: positions.Unavailable, Message: "SEND does not answer and the organization wants no amount without its price: try again", Err: err}
	case errors.Is(err, actualize.ErrAmountTooLarge):
		return nil, nil, positions.Errorf(positions.Unprocessable, "%w", err)
	case err != nil:
		return nil, nil, err
	case q.Refusal == positions.RefusedUnknown:
		return nil, nil, noSuchNotice()
	}
	return org, q, nil
}

// ownNotice is [server.notice] for an organization and a notice number that came
// in a body, where the guard does not look: those of others do not exist.
func (s *server) ownNotice(ctx context.Context, organization, number, member string) (*registry.Organization, positions.NoticeNumber, error) {
	if !eighteenDigits(number) {
		return nil, "", invalid("the body is not valid", []positions.Problem{{Pointer: "/" + member, Detail: "must be 18 digits"}})
	}
	if !callerOf(ctx).of(organization) {
		return nil, "", noSuchNotice()
	}
	org, nav, err := s.notice(ctx, organization, number)
	if positions.CodeOf(err) == positions.Invalid { // no notice has such an aux digit
		return nil, "", noSuchNotice()
	}
	return org, nav, err
}

func noSuchNotice() error { return positions.Errorf(positions.NotFound, "there is no such notice") }

func eighteenDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 18
}

// inRome shows an instant with the offset of Europe/Rome, so that its calendar
// day can be read off, and to the millisecond, which every platform can parse.
func inRome(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.In(calendar.Rome).Truncate(time.Millisecond)
	return &t
}
