package rest

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// Actions of the version history: a payment whose receipt the caller has, as
// when the Nodo sends it, and one made outside of pagoPA.
const (
	actionPay         = string(positions.EventPay)
	actionPaidOutside = "PAID_OUTSIDE"
)

// PayPaymentOption implements the operation of that name.
func (s *server) PayPaymentOption(ctx context.Context, r PayPaymentOptionRequestObject) (PayPaymentOptionResponseObject, error) {
	payment := r.Body.payment()
	body, tag, err := s.pay(ctx, r.OrganizationFiscalCode, r.Nav, r.Params.IfMatch, actionPay, payment)
	if err != nil {
		return nil, err
	}
	return PayPaymentOption200JSONResponse{Body: body, Headers: PayPaymentOption200ResponseHeaders{ETag: tag}}, nil
}

// SetPaymentOptionPaid implements the operation of that name.
func (s *server) SetPaymentOptionPaid(ctx context.Context, r SetPaymentOptionPaidRequestObject) (SetPaymentOptionPaidResponseObject, error) {
	body, tag, err := s.payOutside(ctx, r.OrganizationFiscalCode, r.Nav, r.Params.IfMatch, r.Body)
	if err != nil {
		return nil, err
	}
	return SetPaymentOptionPaid200JSONResponse{Body: body, Headers: SetPaymentOptionPaid200ResponseHeaders{ETag: tag}}, nil
}

// SetPaymentOptionPaidV2 implements the operation of that name.
func (s *server) SetPaymentOptionPaidV2(ctx context.Context, r SetPaymentOptionPaidV2RequestObject) (SetPaymentOptionPaidV2ResponseObject, error) {
	body, tag, err := s.payOutside(ctx, r.OrganizationFiscalCode, r.Nav, r.Params.IfMatch, r.Body)
	if err != nil {
		return nil, err
	}
	return SetPaymentOptionPaidV2200JSONResponse{Body: body, Headers: SetPaymentOptionPaidV2200ResponseHeaders{ETag: tag}}, nil
}

func (s *server) payOutside(ctx context.Context, organization, number string, ifMatch *string, b *AlreadyPaidPaymentOption) (PaymentOption, *string, error) {
	var payment positions.OptionPayment
	if b.PaymentDate != nil {
		payment.Date = *b.PaymentDate
	}
	return s.pay(ctx, organization, number, ifMatch, actionPaidOutside, payment)
}

// pay records a payment of a notice, of what the notice reads at the time. A key
// with segregation codes may pay its notices whatever others their position has.
// SEND is told of it, where it notifies the notice, so that it sends no more paper.
func (s *server) pay(ctx context.Context, organization, number string, ifMatch *string, action string, payment positions.OptionPayment) (PaymentOption, *string, error) {
	var none PaymentOption
	if problems := payment.Validate(action == actionPaidOutside); len(problems) > 0 {
		return none, nil, invalid("the payment is not valid", problems)
	}
	org, nav, err := s.option(ctx, organization, number)
	if err != nil {
		return none, nil, err
	}
	var price *positions.Price
	var owed money.Cents
	read := func() (*positions.Position, error) {
		n, err := s.Store.Notice(ctx, organization, nav)
		if err != nil {
			return nil, err
		}
		price = n.Price
		at := payment.Date
		if at.IsZero() {
			at = s.Now()
		}
		owed = s.Quoter.Owed(org, n, at)
		return s.Store.Position(ctx, organization, n.Position.IUPD)
	}
	event := func(p *positions.Position, now time.Time) error {
		if o := p.Option(nav); o != nil {
			fee, _ := o.KnownFee(organization, price)
			payment.Amount = owed + fee // both at most money.Max: no overflow
			if price != nil {
				payment.SetFee(fee, price.IUN)
			}
		}
		return p.Pay(nav, payment, now)
	}
	leaving := false
	store := func(ctx context.Context, p *positions.Position, c positions.Change) error {
		d, ok := p.PaymentDelivery(nav)
		if leaving = ok && org.TellsSEND(); leaving {
			c.Deliveries = []positions.Delivery{d}
		}
		return s.Store.UpdatePosition(ctx, p, c)
	}
	p, err := s.write(ctx, edit{read: read, ifMatch: ifMatch, change: positions.Change{Action: action}, event: event, store: store})
	if err != nil {
		return none, nil, err
	}
	if leaving {
		s.wake()
	}
	return optionAlone(p, p.Option(nav), price), etag(p), nil
}

func (b *PayPaymentOption) payment() positions.OptionPayment {
	payment := positions.OptionPayment{
		Method: b.PaymentMethod, PSP: b.PspCompany, PSPCode: b.PspCode, PSPTaxCode: b.PspTaxCode, ReceiptID: b.IDReceipt, PSPFee: b.Fee.cents,
	}
	if b.PaymentDate != nil {
		payment.Date = *b.PaymentDate
	}
	return payment
}
