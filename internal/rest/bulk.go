package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// How many positions one request may write. GPD's v2 takes 20 to delete.
const (
	maxBulk   = 100
	maxDelete = 20
)

// CreateDebtPositions implements the operation of that name.
func (s *server) CreateDebtPositions(ctx context.Context, r CreateDebtPositionsRequestObject) (CreateDebtPositionsResponseObject, error) {
	now, who, publish := s.Now(), callerOf(ctx), isTrue(r.Params.ToPublish)
	ps, err := r.Body.made(func(b *PaymentPositionInput) (*positions.Position, error) {
		return b.created(r.OrganizationFiscalCode, who, publish, now)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Store.CreatePositions(ctx, ps, positions.Change{Actor: who.actor(), Action: actionCreate, At: now}); err != nil {
		return nil, inBatch(err, ps)
	}
	return CreateDebtPositions201Response{}, nil
}

// ReplaceDebtPositions implements the operation of that name.
func (s *server) ReplaceDebtPositions(ctx context.Context, r ReplaceDebtPositionsRequestObject) (ReplaceDebtPositionsResponseObject, error) {
	now, who := s.Now(), callerOf(ctx)
	by, err := r.Body.made(func(b *PaymentPositionInput) (*positions.Position, error) {
		return b.replacement(r.OrganizationFiscalCode, who, now)
	})
	if err != nil {
		return nil, err
	}
	fees, err := s.fees(ctx, r.OrganizationFiscalCode, by...)
	if err != nil {
		return nil, err
	}
	iupds := make([]string, len(by))
	for i := range by {
		iupds[i] = by[i].IUPD
	}
	err = s.writeAll(ctx, r.OrganizationFiscalCode, iupds, bulk{
		at:     func(i int) string { return fmt.Sprintf("/paymentPositions/%d", i) },
		action: actionReplace, store: s.Store.UpdatePositions,
		event: func(i int, p *positions.Position, now time.Time) error {
			return replace(p, by[i], fees, isTrue(r.Params.ToPublish), now)
		},
	})
	if err != nil {
		return nil, err
	}
	return ReplaceDebtPositions200Response{}, nil
}

// RemoveDebtPositions implements the operation of that name.
func (s *server) RemoveDebtPositions(ctx context.Context, r RemoveDebtPositionsRequestObject) (RemoveDebtPositionsResponseObject, error) {
	iupds := r.Body.PaymentPositionIUPDs
	if n := len(iupds); n < 1 || n > maxDelete {
		return nil, invalid("the list is not valid", []positions.Problem{{
			Pointer: "/paymentPositionIUPDs", Detail: fmt.Sprintf("has %d ids; 1 to %d are allowed", n, maxDelete),
		}})
	}
	err := s.writeAll(ctx, r.OrganizationFiscalCode, iupds, bulk{
		at:     func(i int) string { return fmt.Sprintf("/paymentPositionIUPDs/%d", i) },
		action: actionDelete, store: s.Store.DeletePositions,
		event: func(_ int, p *positions.Position, now time.Time) error { return deletable(p, now) },
	})
	if err != nil {
		return nil, err
	}
	return RemoveDebtPositions200JSONResponse(deleted), nil
}

// bulk is an event that happens to several positions, to all or to none.
type bulk struct {
	at     func(i int) string // where the request names the i-th position
	action string
	event  func(i int, p *positions.Position, now time.Time) error
	store  func(context.Context, []*positions.Position, positions.Change) error
}

// writeAll is write for several positions, without If-Match.
func (s *server) writeAll(ctx context.Context, organization string, iupds []string, b bulk) error {
	var twice refusals
	for i, iupd := range iupds {
		if slices.Contains(iupds[:i], iupd) {
			twice.add(b.at(i), positions.Errorf(positions.Conflict, "position %q is there twice", iupd))
		}
	}
	if err := twice.err(); err != nil {
		return err
	}
	for range attempts(ctx) {
		now := s.Now()
		ps, err := s.positionsOf(ctx, organization, iupds, b.at)
		if err != nil {
			return err
		}
		var wrong refusals
		for i, p := range ps {
			wrong.add(b.at(i), b.event(i, p, now))
		}
		if err := wrong.err(); err != nil {
			return err
		}
		err = b.store(ctx, ps, positions.Change{Actor: callerOf(ctx).actor(), Action: b.action, At: now})
		if positions.CodeOf(err) == positions.Stale {
			continue // somebody was faster: judge all of them on what there is now
		}
		return inBatch(err, ps)
	}
	return &positions.Error{Code: tryAgain, Message: "others keep changing these positions: try again", Err: errOurs}
}

// positionsOf reads positions that the caller may see, in the order asked for.
func (s *server) positionsOf(ctx context.Context, organization string, iupds []string, at func(int) string) ([]*positions.Position, error) {
	found, _, err := s.Store.Positions(ctx, positions.PositionFilter{
		OrganizationFiscalCode: organization, IUPDs: iupds, Page: positions.Page{Limit: len(iupds)},
	})
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	var wrong refusals
	ps := make([]*positions.Position, len(iupds))
	for i, iupd := range iupds {
		j := slices.IndexFunc(found, func(p positions.Position) bool { return p.IUPD == iupd && who.seesAll(&p) })
		if j < 0 {
			wrong.add(at(i), positions.Errorf(positions.NotFound, "there is no debt position %q", iupd))
			continue
		}
		ps[i] = &found[j]
	}
	return ps, wrong.err()
}

// each makes valid DRAFTs of the bodies of a batch.
func (b *PaymentPositionsInput) each(organization string, now time.Time) ([]*positions.Position, error) {
	return b.made(func(b *PaymentPositionInput) (*positions.Position, error) { return b.position(organization, now) })
}

// made makes a position of every body, or says what is wrong with all of them.
func (b *PaymentPositionsInput) made(of func(*PaymentPositionInput) (*positions.Position, error)) ([]*positions.Position, error) {
	if n := len(b.PaymentPositions); n < 1 || n > maxBulk {
		return nil, invalid("the list is not valid", []positions.Problem{{
			Pointer: "/paymentPositions", Detail: fmt.Sprintf("has %d positions; 1 to %d are allowed", n, maxBulk),
		}})
	}
	var wrong refusals
	ps := make([]*positions.Position, len(b.PaymentPositions))
	for i := range b.PaymentPositions {
		var err error
		ps[i], err = of(&b.PaymentPositions[i])
		wrong.add(fmt.Sprintf("/paymentPositions/%d", i), err)
	}
	return ps, wrong.err()
}

// refusals are those of the items of a batch. A batch is refused for its gravest
// reason, a body that breaks a rule before a state that forbids.
type refusals []*positions.Error

func (r *refusals) add(at string, err error) {
	var refusal *positions.Error
	switch {
	case err == nil:
		return
	case !errors.As(err, &refusal):
		refusal = &positions.Error{Code: positions.Internal, Message: defectDetail, Err: err}
	}
	of := *refusal
	of.Problems = nil
	for _, p := range refusal.Problems {
		of.Problems = append(of.Problems, positions.Problem{Pointer: at + p.Pointer, Detail: p.Detail})
	}
	if len(of.Problems) == 0 {
		of.Problems = []positions.Problem{{Pointer: at, Detail: of.Message}}
	}
	of.Message = strings.TrimPrefix(at, "/") + ": " + of.Message
	*r = append(*r, &of)
}

// err is the refusal of the batch, nil when nothing was refused.
func (r refusals) err() error {
	if len(r) == 0 {
		return nil
	}
	first := slices.MinFunc(r, func(a, b *positions.Error) int { return cmp.Compare(gravity(a), gravity(b)) })
	whole := *first
	whole.Problems = nil
	for _, e := range r {
		if e.Code == whole.Code {
			whole.Problems = append(whole.Problems, e.Problems...)
		}
	}
	return &whole
}

// gravity orders the reasons for which a batch is refused.
func gravity(e *positions.Error) int {
	order := []positions.Code{positions.Internal, positions.Unavailable, positions.Invalid, forbidden, positions.NotFound, positions.Conflict, positions.Unprocessable}
	if i := slices.Index(order, e.Code); i >= 0 {
		return i
	}
	return len(order)
}

// inBatch points the problems of the store's refusal into the request. The store
// names the position by its index, unless there is only one.
func inBatch(err error, ps []*positions.Position) error {
	var refusal *positions.Error
	if !errors.As(err, &refusal) {
		return err
	}
	at := "/paymentPositions"
	if len(ps) == 1 {
		at += "/0"
	}
	of := *refusal
	of.Problems = slices.Clone(refusal.Problems)
	for i := range of.Problems {
		of.Problems[i].Pointer = at + of.Problems[i].Pointer
	}
	return &of
}
