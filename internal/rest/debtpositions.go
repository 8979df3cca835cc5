package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Actions of the version history.
const (
	actionCreate     = "CREATE"
	actionPublish    = "PUBLISH"
	actionInvalidate = "INVALIDATE"
)

// CreateDebtPosition implements the operation of that name.
func (s *server) CreateDebtPosition(ctx context.Context, r CreateDebtPositionRequestObject) (CreateDebtPositionResponseObject, error) {
	now := s.Now()
	who := callerOf(ctx)
	p, err := r.Body.created(r.OrganizationFiscalCode, who, isTrue(r.Params.ToPublish), now)
	if err != nil {
		return nil, err
	}
	if err := s.Store.CreatePosition(ctx, p, positions.Change{Actor: who.actor(), Action: actionCreate, At: now}); err != nil {
		return nil, err
	}
	body, err := s.positionBody(ctx, p)
	if err != nil {
		return nil, err
	}
	return CreateDebtPosition201JSONResponse{Body: body, Headers: CreateDebtPosition201ResponseHeaders{ETag: etag(p)}}, nil
}

// ReadDebtPosition implements the operation of that name.
func (s *server) ReadDebtPosition(ctx context.Context, r ReadDebtPositionRequestObject) (ReadDebtPositionResponseObject, error) {
	p, err := s.position(ctx, r.OrganizationFiscalCode, r.Iupd)
	if err != nil {
		return nil, err
	}
	body, err := s.positionBody(ctx, p)
	if err != nil {
		return nil, err
	}
	return ReadDebtPosition200JSONResponse{Body: body, Headers: ReadDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// PublishDebtPosition implements the operation of that name.
func (s *server) PublishDebtPosition(ctx context.Context, r PublishDebtPositionRequestObject) (PublishDebtPositionResponseObject, error) {
	p, body, err := s.change(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, actionPublish, (*positions.Position).PublishInTime)
	if err != nil {
		return nil, err
	}
	return PublishDebtPosition200JSONResponse{Body: body, Headers: PublishDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// InvalidateDebtPosition implements the operation of that name.
func (s *server) InvalidateDebtPosition(ctx context.Context, r InvalidateDebtPositionRequestObject) (InvalidateDebtPositionResponseObject, error) {
	p, body, err := s.change(ctx, r.OrganizationFiscalCode, r.Iupd, r.Params.IfMatch, actionInvalidate, (*positions.Position).Invalidate)
	if err != nil {
		return nil, err
	}
	return InvalidateDebtPosition200JSONResponse{Body: body, Headers: InvalidateDebtPosition200ResponseHeaders{ETag: etag(p)}}, nil
}

// position reads a position that the caller may see.
func (s *server) position(ctx context.Context, organization, iupd string) (*positions.Position, error) {
	p, err := s.Store.Position(ctx, organization, iupd)
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).seesAll(p) {
		return nil, positions.Errorf(positions.NotFound, "there is no such debt position")
	}
	return p, nil
}

// change applies an event to a position, on the version that the caller named
// or, without If-Match, on whichever is the current one.
func (s *server) change(ctx context.Context, organization, iupd string, ifMatch *string, action string, event func(*positions.Position, time.Time) error) (*positions.Position, PaymentPosition, error) {
	p, err := s.amend(ctx, organization, iupd, ifMatch, positions.Change{Action: action}, event)
	if err != nil {
		return nil, PaymentPosition{}, err
	}
	body, err := s.positionBody(ctx, p)
	return p, body, err
}

// amend is [server.change] for those who answer something else than the position.
// The caller becomes the change's actor.
func (s *server) amend(ctx context.Context, organization, iupd string, ifMatch *string, c positions.Change, event func(*positions.Position, time.Time) error) (*positions.Position, error) {
	return s.write(ctx, edit{
		read:    func() (*positions.Position, error) { return s.position(ctx, organization, iupd) },
		ifMatch: ifMatch, change: c, event: event, store: s.Store.UpdatePosition,
	})
}

// errUnchanged is what an event returns when everything is as it should be: no
// version is made of it.
var errUnchanged = errors.New("nothing changes")

// edit is something that happens to one position.
type edit struct {
	read    func() (*positions.Position, error) // as the caller may see it
	ifMatch *string
	change  positions.Change
	event   func(*positions.Position, time.Time) error
	store   func(context.Context, *positions.Position, positions.Change) error // of what became of it
}

// write is [server.amend] for a position that is found, or stored, in another
// way.
func (s *server) write(ctx context.Context, e edit) (*positions.Position, error) {
	e.change.Actor = callerOf(ctx).actor()
	for range attempts(ctx) {
		p, err := e.read()
		if err != nil {
			return nil, err
		}
		if err := current(e.ifMatch, p); err != nil {
			return nil, err
		}
		e.change.At = s.Now()
		switch err := e.event(p, e.change.At); {
		case errors.Is(err, errUnchanged):
			return p, nil
		case err != nil:
			return nil, err
		}
		err = e.store(ctx, p, e.change)
		if positions.CodeOf(err) == positions.Stale && e.ifMatch == nil {
			continue // somebody was faster: judge the event on what there is now
		}
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	return nil, &positions.Error{Code: tryAgain, Message: "others keep changing this position: try again", Err: errOurs}
}

// created makes the position that a body of a caller's asks for, published or a
// DRAFT.
func (b *PaymentPositionInput) created(organization string, who caller, publish bool, now time.Time) (*positions.Position, error) {
	p, err := b.position(organization, now, (*positions.Position).ValidateDates)
	if err != nil {
		return nil, err
	}
	if err := who.mayWrite(p); err != nil {
		return nil, err
	}
	if publish {
		if err := p.Publish(now); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// mayWrite refuses a position of a body that has notices outside of the key's
// segregation codes, and points at them.
func (c caller) mayWrite(p *positions.Position) error {
	var problems []positions.Problem
	for i := range p.Options {
		if !c.sees(p.Options[i].NAV) {
			problems = append(problems, positions.Problem{
				Pointer: fmt.Sprintf("/paymentOption/%d/nav", i), Detail: "lies outside of the key's segregation codes",
			})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &positions.Error{Code: forbidden, Message: "a notice number lies outside of the key's segregation codes", Problems: problems}
}

// position makes a valid DRAFT of a body, or says everything that is wrong with
// it, by its own rules and by further ones.
func (b *PaymentPositionInput) position(organization string, now time.Time, further ...func(*positions.Position, time.Time) error) (*positions.Position, error) {
	p := &positions.Position{
		OrganizationFiscalCode: organization, IUPD: b.Iupd,
		Debtor: positions.Debtor{
			Type: b.Type, FiscalCode: b.FiscalCode, FullName: b.FullName, StreetName: b.StreetName, CivicNumber: b.CivicNumber,
			PostalCode: b.PostalCode, City: b.City, Province: b.Province, Region: b.Region, Country: b.Country, Email: b.Email, Phone: b.Phone,
		},
		PayStandIn: b.PayStandIn == nil || *b.PayStandIn, SwitchToExpired: b.SwitchToExpired,
		CompanyName: b.CompanyName, OfficeName: b.OfficeName, Status: positions.Draft, Lifecycle: positions.Open,
	}
	if b.ValidityDate != nil {
		p.ValidityDate = *b.ValidityDate
	}
	var problems []positions.Problem
	for i := range b.PaymentOption {
		option, wrong := b.PaymentOption[i].option(now)
		for _, w := range wrong {
			problems = append(problems, positions.Problem{Pointer: fmt.Sprintf("/paymentOption/%d%s", i, w.Pointer), Detail: w.Detail})
		}
		p.Options = append(p.Options, option)
	}
	err := p.Validate()
	if positions.CodeOf(err) == positions.Invalid {
		problems = mergeProblems(problems, problemsOf(err))
	}
	for _, rule := range further {
		problems = mergeProblems(problems, problemsOf(rule(p, now)))
	}
	if len(problems) > 0 {
		return nil, invalid("the position is not valid", problems)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// option returns the option of a body, and what is wrong with the body that the
// option cannot tell, at pointers into it.
func (b *PaymentOptionInput) option(now time.Time) (positions.PaymentOption, []positions.Problem) {
	o := positions.PaymentOption{
		IUV: b.Iuv, Amount: b.Amount, Description: b.Description, IsPartialPayment: b.IsPartialPayment, DueDate: b.DueDate,
		SendBound: b.SendBound, SenderFiscalCode: b.SenderFiscalCode, Metadata: metadataOf(b.PaymentOptionMetadata),
		Status: positions.OptionUnpaid, InsertedAt: now.UTC(), UpdatedAt: now.UTC(),
	}
	if b.RetentionDate != nil {
		o.RetentionDate = *b.RetentionDate
	}
	for i := range b.Transfer {
		o.Transfers = append(o.Transfers, b.Transfer[i].transfer())
	}
	problems := b.rule(&o)
	if b.Nav != nil && *b.Nav != "" {
		o.NAV = *b.Nav
		return o, problems
	}
	var err error
	if o.NAV, err = positions.NoticeFromIUV(b.Iuv); err != nil {
		problems = append(problems, positions.Problem{Pointer: "/nav", Detail: "is left out, and cannot be made of the IUV: " + err.Error()})
	}
	return o, problems
}

func (b *TransferInput) transfer() positions.Transfer {
	t := positions.Transfer{
		Amount: b.Amount, OrganizationFiscalCode: b.OrganizationFiscalCode, CompanyName: b.CompanyName,
		RemittanceInformation: b.RemittanceInformation, Category: b.Category, IBAN: b.Iban, PostalIBAN: b.PostalIban,
		Metadata: metadataOf(b.TransferMetadata), ID: transferID(b.IDTransfer),
	}
	if b.Stamp != nil {
		t.Stamp = &positions.Stamp{HashDocument: b.Stamp.HashDocument, Type: b.Stamp.StampType, ProvincialResidence: b.Stamp.ProvincialResidence}
	}
	return t
}

// transferID reads GPD's "1" to "5"; anything else is 0, which is no transfer.
func transferID(text string) int {
	if len(text) == 1 && text[0] >= '1' && text[0] <= '5' {
		return int(text[0] - '0')
	}
	return 0
}

func metadataOf(entries []Metadata) []positions.Metadata {
	var list []positions.Metadata
	for _, m := range entries {
		list = append(list, positions.Metadata{Key: m.Key, Value: m.Value})
	}
	return list
}
