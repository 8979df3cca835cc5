package actualize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// Quote is what a notice costs at an instant, and why.
type Quote struct {
	Notice *positions.Notice
	At     time.Time
	// Refusal is why the notice cannot be paid, empty when it can. A refused
	// notice has no fee and no transfers. SEND is not asked about one that its own
	// state refuses; the one that a relay refuses has Source, Price and Send.
	Refusal positions.Refusal
	// BaseAmount is stored, AmountByRules follows from the amount rules, Amount
	// is AmountByRules + NotificationFee. Cents.
	BaseAmount, AmountByRules, NotificationFee, Amount money.Cents
	// FeePaidElsewhere is what NotificationFee lacks of SEND's total, because it was
	// paid with another notice of the same notification. Cents.
	FeePaidElsewhere money.Cents
	Source           positions.FeeSource
	// Price is the price behind the fee, nil when there is none.
	Price *positions.Price
	// Send is the exchange with SEND that this quote caused or joined, nil when
	// nobody was asked.
	Send *positions.SendExchange
	// Transfers are the option's, with what the amount rules made of them and the
	// fee on the right one. Their sum is Amount.
	Transfers []positions.Transfer
	// DueDate is the last day to pay, as "2006-01-02" in Europe/Rome: that of the
	// term in force, where one runs since the notification, else the due date as
	// stored.
	DueDate string

	unasked bool // SEND could not be asked, which is no fault of its
	legal   *rules.LegalRates
	set     *rules.RuleSet // nil: the amount is the same every day, or was not asked for
	moment  rules.Moment
	rules   rules.Amount
}

// ErrAmountTooLarge means that the amount by rules, or with the fee, exceeds what the
// schema can carry.
var ErrAmountTooLarge = errors.New("the amount exceeds 999999999.99 euro")

// ErrNoPrice means that SEND did not answer, never did, and the organization's
// policy is to refuse then.
var ErrNoPrice = errors.New("SEND did not answer and the policy is to refuse without a price")

// Store is what the use case needs of the positions' store. It bounds each read
// by itself: a store that hangs must leave time to say so.
type Store interface {
	Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error)
	SavePrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, p *positions.Price) error
	ReopenPrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, since time.Time) error
	FeesPaid(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (money.Cents, error)
}

// Quote tells what a notice of organization costs now. It asks SEND when the
// notice is SEND-bound and no fresh price is known, for as long as ctx allows
// less the reserve for answering.
//
// Errors: a [positions.Error] NotFound for an unknown notice or Unavailable when
// the store does not answer, [ErrNoPrice], [ErrAmountTooLarge], and whatever
// accept returns for a payable notice, before anybody is asked for its price.
func (a *Actualizer) Quote(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, accept ...func(*positions.Notice) error) (*Quote, error) {
	notice, err := a.notice(ctx, org, nav)
	if err != nil {
		return nil, err
	}
	now := a.now()
	q := a.newQuote(notice, now)
	if q.Refusal = notice.RefusalAt(now); q.Refusal != positions.Payable {
		return q, nil
	}
	for _, judge := range accept {
		if err := judge(notice); err != nil {
			return q, err
		}
	}
	if notice.Option.ForbiddenOn(&org.Policy, now) {
		q.Refusal = positions.RefusedExpired // whatever SEND would say
		return q, q.byRules(org, now)
	}
	fee, err := a.fee(ctx, org, notice, now)
	if err != nil {
		q.Source, q.Send = fee.source, fee.exchange // a refusal is evidence too
		return q, err
	}
	return q, q.take(org, fee, now)
}

// QuoteAt tells what a notice costs at an instant from what is known: today's
// version, state and last known price. SEND is not asked. Errors as in Quote,
// [ErrNoPrice] excluded.
func (a *Actualizer) QuoteAt(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, at time.Time) (*Quote, error) {
	notice, err := a.notice(ctx, org, nav)
	if err != nil {
		return nil, err
	}
	now, q := a.now(), a.newQuote(notice, at)
	q.unasked = true
	if q.Refusal = notice.RefusalAt(now); q.Refusal != positions.Payable {
		return q, nil
	}
	return q, q.take(org, a.knownFee(ctx, org, notice, now), now)
}

// notice reads a notice with all that is known of it.
func (a *Actualizer) notice(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Notice, error) {
	ctx, span := a.tracer.Start(ctx, "store notice")
	notice, err := a.store.Notice(ctx, org.FiscalCode, nav)
	if positions.CodeOf(err) == positions.NotFound { // an answer like others
		span.End()
	} else {
		telemetry.End(span, err)
	}
	return notice, err
}

func (a *Actualizer) newQuote(n *positions.Notice, at time.Time) *Quote {
	return &Quote{
		Notice: n, At: at, legal: a.legal, BaseAmount: n.Option.Amount, DueDate: calendar.DayOf(n.Option.DueDate).String(),
	}
}

// take draws the consequences of what is known of the notification: a refusal,
// or the amount by rules with the fee on top.
func (q *Quote) take(org *registry.Organization, f fee, now time.Time) error {
	q.Source, q.Price, q.Send = f.source, f.price, f.exchange
	if q.Refusal = f.refusal(org); q.Refusal != positions.Payable {
		return nil
	}
	if err := q.byRules(org, now); err != nil || q.Refusal != positions.Payable {
		return err
	}
	return q.add(f)
}

// byRules evaluates the amount rules on the day of the quote. The price tells when
// the notification took effect, as known now, whether its fee is charged or not:
// SEND may move that day, so it is looked at anew every time.
func (q *Quote) byRules(org *registry.Organization, now time.Time) error {
	option := &q.Notice.Option
	q.AmountByRules, q.Transfers = q.BaseAmount, option.Transfers
	if !option.HasRules() {
		return nil
	}
	q.set = option.RuleSet(q.Notice.Position.OrganizationFiscalCode)
	q.moment = positions.Moment(&org.Policy, q.Price, q.At, now)
	q.moment.Legal = q.legal
	if last := q.set.TermEnds(&q.moment); last.Known() {
		if q.Notice.Position.SwitchToExpired { // which ends it earlier
			last = min(last, calendar.DayOf(option.DueDate))
		}
		q.DueDate = last.String()
	}
	var err error
	q.rules, err = q.set.At(&q.moment)
	switch {
	case !q.rules.Payable():
		q.Refusal, q.AmountByRules, q.Transfers = positions.RefusedExpired, 0, nil
		return nil
	case err != nil:
		return ErrAmountTooLarge
	}
	q.AmountByRules = q.rules.Total
	q.Transfers, err = option.TransfersBy(q.rules.Parts)
	return err
}

// Owed is the amount by rules of a notice at an instant, in cents and without fee,
// whether it can be paid then or not: what a payment that was made all the same
// was for. It is the stored amount when the rules make more of it than can be
// paid. It asks nobody.
func (a *Actualizer) Owed(org *registry.Organization, n *positions.Notice, at time.Time) money.Cents {
	if !n.Option.HasRules() {
		return n.Option.Amount
	}
	price := n.Price
	if n.Option.KnownSource(price) == positions.SourceNotBound {
		price = nil
	}
	m := positions.Moment(&org.Policy, price, at, a.now())
	m.Legal = a.legal
	amount, err := n.Option.RuleSet(org.FiscalCode).At(&m)
	if err != nil { // [rules.ErrTooLarge]: nobody was asked for that much
		return n.Option.Amount
	}
	return amount.Total
}

// add puts the fee on top of the amount by rules and on the transfer that
// carries it. The fee is never part of a stored amount: it is recomputed, so
// that nothing accumulates.
func (q *Quote) add(f fee) error {
	option := &q.Notice.Option
	q.NotificationFee, q.FeePaidElsewhere = f.amount, f.paidElsewhere
	total, err := q.AmountByRules.Add(q.NotificationFee)
	if err != nil || total > money.Max {
		return ErrAmountTooLarge
	}
	q.Amount = total
	if q.NotificationFee == 0 {
		return nil
	}
	carrier, ok := option.FeeTransfer(q.Notice.Position.OrganizationFiscalCode)
	if !ok {
		return positions.Errorf(positions.Unprocessable, "notice %s has a notification fee but no transfer that can carry it", option.NAV)
	}
	if q.set == nil {
		q.Transfers = slices.Clone(option.Transfers)
	}
	q.Transfers[carrier].Amount += q.NotificationFee // the sum, and so each part, is at most money.Max
	return nil
}

// CouldHaveFee reports whether the notice has or could have a notification fee,
// in which case activation answers carry the NOTIFICATION_FEE metadata.
func (q *Quote) CouldHaveFee() bool {
	return q.Notice.Option.SendBound || q.NotificationFee > 0 || q.Source == positions.SourcePushed
}
