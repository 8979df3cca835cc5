package rest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// What one request replays at most, in transactions of a batch each.
const (
	maxReplayed = 10_000
	replayBatch = 1000
)

var (
	deliveryStates = []positions.DeliveryState{positions.DeliveryPending, positions.DeliveryDelivered, positions.DeliveryEnded, positions.DeliveryParked}
	deliveryKinds  = []positions.DeliveryKind{positions.DeliverReceipt, positions.DeliverToSEND}
)

// Waker is told that deliveries are due. It must not block, and need not be
// told: what is due is found without it, only later.
type Waker interface {
	Wake()
	// Retry is told when somebody wants an organization's deliveries tried at once.
	Retry(fiscalCode string)
}

// wake tells whoever delivers that something is due.
func (s *server) wake() {
	if s.Waker != nil {
		s.Waker.Wake()
	}
}

func (s *server) retry(fiscalCode string) {
	if s.Waker != nil {
		s.Waker.Retry(fiscalCode)
	}
}

// ListDeliveries implements the operation of that name.
func (s *server) ListDeliveries(ctx context.Context, r ListDeliveriesRequestObject) (ListDeliveriesResponseObject, error) {
	f, err := r.Params.filter()
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	if f.NAV != "" && !who.sees(f.NAV) {
		return nil, noSuchNotice()
	}
	f.OrganizationFiscalCode, f.SegregationCodes = r.OrganizationFiscalCode, who.key.SegregationCodes
	deliveries, total, err := s.Store.Deliveries(ctx, f)
	if err != nil {
		return nil, err
	}
	list := DeliveryList{Deliveries: []NoticeDelivery{}, PageInfo: pageInfo(f.Page, len(deliveries), total)}
	for i := range deliveries {
		list.Deliveries = append(list.Deliveries, deliveryBody(&deliveries[i]))
	}
	return ListDeliveries200JSONResponse(list), nil
}

func (p *ListDeliveriesParams) filter() (f positions.DeliveryFilter, err error) {
	if f.Page, err = pageOf(p.Page, p.Limit); err != nil {
		return f, err
	}
	if p.State != nil {
		if f.State = *p.State; !slices.Contains(deliveryStates, f.State) {
			return f, invalidParameter("state", fmt.Sprintf("must be one of %v", deliveryStates))
		}
	}
	if p.Kind != nil {
		if f.Kind = *p.Kind; !slices.Contains(deliveryKinds, f.Kind) {
			return f, invalidParameter("kind", fmt.Sprintf("must be one of %v", deliveryKinds))
		}
	}
	if p.Nav != nil {
		if f.NAV, err = positions.ParseNoticeNumber(*p.Nav); err != nil {
			return f, invalidParameter("nav", "is not a notice number: "+err.Error())
		}
	}
	if p.ReceiptID != nil {
		f.ReceiptID = *p.ReceiptID
	}
	if f.From, err = instantParameter("from", p.From); err != nil {
		return f, err
	}
	f.To, err = instantParameter("to", p.To)
	return f, err
}

// ReadDelivery implements the operation of that name.
func (s *server) ReadDelivery(ctx context.Context, r ReadDeliveryRequestObject) (ReadDeliveryResponseObject, error) {
	d, err := s.delivery(ctx, r.OrganizationFiscalCode, r.DeliveryID)
	if err != nil {
		return nil, err
	}
	return ReadDelivery200JSONResponse{Body: deliveryBody(d)}, nil
}

// ReplayDelivery implements the operation of that name.
func (s *server) ReplayDelivery(ctx context.Context, r ReplayDeliveryRequestObject) (ReplayDeliveryResponseObject, error) {
	d, err := s.delivery(ctx, r.OrganizationFiscalCode, r.DeliveryID)
	if err != nil {
		return nil, err
	}
	only := positions.DeliveryFilter{OrganizationFiscalCode: d.OrganizationFiscalCode, IDs: []int64{d.ID}}
	if _, err := s.Store.ReplayDeliveries(ctx, only, s.Now(), 1); err != nil {
		return nil, err
	}
	s.retry(r.OrganizationFiscalCode)
	if d, err = s.delivery(ctx, r.OrganizationFiscalCode, r.DeliveryID); err != nil {
		return nil, err
	}
	return ReplayDelivery200JSONResponse(deliveryBody(d)), nil
}

// ReplayDeliveries implements the operation of that name.
func (s *server) ReplayDeliveries(ctx context.Context, r ReplayDeliveriesRequestObject) (ReplayDeliveriesResponseObject, error) {
	now := s.Now()
	if err := wrong(r.Body.problems(r.OrganizationFiscalCode, now)); err != nil {
		return nil, err
	}
	f := r.Body.filter()
	f.OrganizationFiscalCode, f.SegregationCodes = r.OrganizationFiscalCode, callerOf(ctx).key.SegregationCodes
	replayed := 0
	for n := replayBatch; n == replayBatch && replayed < maxReplayed; replayed += n {
		var err error
		if n, err = s.Store.ReplayDeliveries(ctx, f, now, replayBatch); err != nil {
			return nil, err
		}
	}
	if replayed > 0 {
		s.retry(r.OrganizationFiscalCode)
	}
	return ReplayDeliveries200JSONResponse{Replayed: replayed}, nil
}

func (b *ReplayInput) problems(string, time.Time) (problems []positions.Problem) {
	if b.State != "" && !slices.Contains(deliveryStates, b.State) {
		problems = append(problems, positions.Problem{Pointer: "/state", Detail: fmt.Sprintf("must be one of %v", deliveryStates)})
	}
	if b.Kind != "" && !slices.Contains(deliveryKinds, b.Kind) {
		problems = append(problems, positions.Problem{Pointer: "/kind", Detail: fmt.Sprintf("must be one of %v", deliveryKinds)})
	}
	if b.Nav != "" {
		if _, err := positions.ParseNoticeNumber(b.Nav); err != nil {
			problems = append(problems, positions.Problem{Pointer: "/nav", Detail: "is not a notice number: " + err.Error()})
		}
	}
	return problems
}

func (b *ReplayInput) filter() positions.DeliveryFilter {
	f := positions.DeliveryFilter{State: b.State, Kind: b.Kind, NAV: positions.NoticeNumber(b.Nav)}
	if f.State == "" {
		f.State = positions.DeliveryParked
	}
	if b.From != nil {
		f.From = *b.From
	}
	if b.To != nil {
		f.To = *b.To
	}
	return f
}

// delivery reads a delivery that the caller may see.
func (s *server) delivery(ctx context.Context, organization string, id int64) (*positions.Delivery, error) {
	list, _, err := s.Store.Deliveries(ctx, positions.DeliveryFilter{
		OrganizationFiscalCode: organization, IDs: []int64{id}, Page: positions.Page{Limit: 1},
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || !callerOf(ctx).sees(list[0].NAV) {
		return nil, positions.Errorf(positions.NotFound, "there is no such delivery")
	}
	return &list[0], nil
}

// deliveryBody is how a delivery reads.
func deliveryBody(d *positions.Delivery) NoticeDelivery {
	body := NoticeDelivery{
		ID: d.ID, Kind: d.Kind, State: d.State, OrganizationFiscalCode: d.OrganizationFiscalCode, Nav: d.NAV, ReceiptID: present(d.ReceiptID),
		PaymentDate: presentInstant(d.PaidAt), Attempts: d.Attempts, CreatedAt: d.CreatedAt.UTC(), PendingSince: d.PendingSince.UTC(),
		LastAttemptAt: presentInstant(d.LastAttemptAt), LastError: present(d.LastError), EndedAt: presentInstant(d.EndedAt),
	}
	if d.Kind == positions.DeliverToSEND {
		body.Amount = &d.Amount
	}
	if d.State == positions.DeliveryPending {
		body.DueAt = presentInstant(d.DueAt)
	}
	if d.LastStatus != 0 {
		body.LastStatus = &d.LastStatus
	}
	return body
}
