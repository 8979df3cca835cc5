package rest

import (
	"context"
	"errors"
	"strconv"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// serviceType is GPD's mark of positions that were made through its API, beside
// those that other services of pagoPA's make there.
const serviceType = "GPD"

// ReadPaymentOption implements the operation of that name.
func (s *server) ReadPaymentOption(ctx context.Context, r ReadPaymentOptionRequestObject) (ReadPaymentOptionResponseObject, error) {
	org, nav, err := s.option(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	q, err := s.Quoter.Quote(ctx, org, nav)
	if q == nil {
		return nil, err
	}
	if errors.Is(err, actualize.ErrNoPrice) {
		// Whoever reads an amount here asks a payer for it.
		return nil, &positions.Error{Code: positions.Unavailable, Message: "SEND does not answer, and the organization's policy is to refuse without a price", Err: err}
	}
	return ReadPaymentOption200JSONResponse{
		Body:    optionWithDebtor(q, actualize.Fault(q, err)),
		Headers: ReadPaymentOption200ResponseHeaders{ETag: etag(&q.Notice.Position)},
	}, nil
}

// option is [server.notice] as GPD has it: a number that names no notice is not
// found, whatever it looks like.
func (s *server) option(ctx context.Context, organization, number string) (*registry.Organization, positions.NoticeNumber, error) {
	org, nav, err := s.notice(ctx, organization, number)
	if positions.CodeOf(err) == positions.Invalid {
		refusal := &positions.Error{Code: positions.NotFound, Message: "there is no such notice", Err: err}
		if looksLikeIUV(number) {
			refusal.Problems = []positions.Problem{{Pointer: "nav", Detail: isIUV}}
		}
		err = refusal
	}
	return org, nav, err
}

// optionWithDebtor is how GPD shows an option to who is about to collect it. A
// notice that cannot be paid reads with what is known.
func optionWithDebtor(q *actualize.Quote, fault string) PaymentOptionWithDebtor {
	p, d := &q.Notice.Position, &q.Notice.Position.Debtor
	o := optionBody(p, &q.Notice.Option, q.Notice.Price)
	if fault == "" {
		o.Amount, o.NotificationFee = q.Amount, q.NotificationFee
		for i := range q.Transfers {
			o.Transfer[i].Amount = q.Transfers[i].Amount
		}
		if o.Price = nil; q.Price != nil {
			o.Price = priceBody(q.Price, q.Source)
		}
	}
	status := p.StatusAt(q.At)
	if q.Refusal == positions.RefusedExpired {
		status = positions.Expired // for this option, as GPD has it, although another may still be open
	}
	return PaymentOptionWithDebtor{
		Nav: o.Nav, Iuv: o.Iuv, OrganizationFiscalCode: o.OrganizationFiscalCode, Amount: o.Amount, Description: o.Description,
		IsPartialPayment: o.IsPartialPayment, PayStandIn: p.PayStandIn, DueDate: o.DueDate, RetentionDate: o.RetentionDate,
		PaymentDate: o.PaymentDate, InsertedDate: o.InsertedDate, PaymentMethod: o.PaymentMethod, Fee: o.Fee, NotificationFee: o.NotificationFee,
		PspCompany: o.PspCompany, IDReceipt: o.IDReceipt, ServiceType: serviceType, Status: o.Status,
		PaymentOptionMetadata: append(o.PaymentOptionMetadata, Metadata{
			Key: positions.NotificationFeeKey, Value: strconv.FormatInt(int64(o.NotificationFee), 10),
		}),
		Iupd: p.IUPD, Type: d.Type, FiscalCode: d.FiscalCode, FullName: d.FullName, StreetName: present(d.StreetName),
		CivicNumber: present(d.CivicNumber), PostalCode: present(d.PostalCode), City: present(d.City), Province: present(d.Province),
		Region: present(d.Region), Country: present(d.Country), Email: present(d.Email), Phone: present(d.Phone),
		CompanyName: p.CompanyName, OfficeName: present(p.OfficeName), DebtPositionStatus: status, Transfer: o.Transfer,
		SendBound: o.SendBound, SenderFiscalCode: o.SenderFiscalCode, Components: o.Components, AmountRules: o.AmountRules, Price: o.Price,
		Lifecycle: p.LifecycleAt(q.At), Payable: fault == "", Fault: present(fault),
	}
}

// UpdateNotificationFee implements the operation of that name.
func (s *server) UpdateNotificationFee(ctx context.Context, r UpdateNotificationFeeRequestObject) (UpdateNotificationFeeResponseObject, error) {
	_, nav, err := s.option(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.Notice(ctx, r.OrganizationFiscalCode, nav)
	if err != nil {
		return nil, err
	}
	if err := current(r.Params.IfMatch, &n.Position); err != nil {
		return nil, err
	}
	price, err := n.Option.Push(r.OrganizationFiscalCode, r.Body.NotificationFee, n.Price, s.Now())
	if err != nil {
		return nil, err
	}
	if err := s.Store.SavePrice(ctx, r.OrganizationFiscalCode, nav, price); err != nil {
		return nil, err
	}
	return UpdateNotificationFee200JSONResponse{
		Body:    optionAlone(&n.Position, &n.Option, price),
		Headers: UpdateNotificationFee200ResponseHeaders{ETag: etag(&n.Position)},
	}, nil
}

// optionAlone is how GPD answers a change of one option.
func optionAlone(p *positions.Position, o *positions.PaymentOption, price *positions.Price) PaymentOption {
	body := optionBody(p, o, price)
	body.ServiceType = present(serviceType)
	if body.Price != nil {
		body.LastUpdatedDateNotificationFee = presentInstant(price.FetchedAt)
	}
	return body
}
