package rest

import (
	"context"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// ReadNotice implements the operation of that name.
func (s *server) ReadNotice(ctx context.Context, r ReadNoticeRequestObject) (ReadNoticeResponseObject, error) {
	org, nav, err := s.notice(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	body, tag, err := s.noticeBody(ctx, org, nav)
	if err != nil {
		return nil, err
	}
	return ReadNotice200JSONResponse{Body: body, Headers: ReadNotice200ResponseHeaders{ETag: tag}}, nil
}

// noticeBody tells what is known of a notice, and the version of its position.
func (s *server) noticeBody(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (Notice, *string, error) {
	now := s.Now()
	q, err := s.Quoter.QuoteAt(ctx, org, nav, now)
	if q == nil {
		return Notice{}, nil, err
	}
	fault := actualize.Fault(q, err)
	p, o := &q.Notice.Position, &q.Notice.Option
	status, err := s.statusOf(ctx, p, now)
	if err != nil {
		return Notice{}, nil, err
	}
	amount, fee := q.Amount, q.NotificationFee
	if fault != "" { // nothing is asked, but the debt is still that much
		fee, _ = o.KnownFee(org.FiscalCode, q.Notice.Price)
		amount = o.Amount + fee
	}
	return Notice{
		Exists: true, Nav: nav, Iupd: p.IUPD, Iuv: o.IUV, Status: status, Lifecycle: p.LifecycleAt(now),
		Payable: fault == "", Fault: present(fault), Amount: amount, NotificationFee: fee, SendBound: o.SendBound,
	}, etag(p), nil
}

// statusOf is the status of a notice's position. Only whether it is EXPIRED
// depends on the other options, which a notice does not know.
func (s *server) statusOf(ctx context.Context, p *positions.Position, now time.Time) (positions.Status, error) {
	status := p.StatusAt(now)
	if status != positions.Valid || !p.SwitchToExpired {
		return status, nil
	}
	whole, err := s.Store.Position(ctx, p.OrganizationFiscalCode, p.IUPD)
	if err != nil {
		return "", err
	}
	return whole.StatusAt(now), nil
}

// QuoteNotice implements the operation of that name.
func (s *server) QuoteNotice(ctx context.Context, r QuoteNoticeRequestObject) (QuoteNoticeResponseObject, error) {
	at, err := instantParameter("at", r.Params.At)
	if err != nil {
		return nil, err
	}
	org, nav, err := s.notice(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	var q *actualize.Quote
	if at.IsZero() {
		q, err = s.Quoter.Quote(ctx, org, nav)
	} else {
		q, err = s.Quoter.QuoteAt(ctx, org, nav, at)
	}
	if q == nil {
		return nil, err
	}
	body := quoteBody(q, actualize.Fault(q, err))
	if notified := positions.Moment(&org.Policy, q.Price, q.At, s.Now()).Notified; notified.Known() {
		body.NotifiedOn = notified
	}
	return QuoteNotice200JSONResponse(body), nil
}

func quoteBody(q *actualize.Quote, fault string) Quote {
	body := Quote{
		Nav: q.Notice.Option.NAV, At: q.At.UTC(), BaseAmount: q.BaseAmount, Payable: fault == "", Fault: present(fault), Reason: present(q.Reason()),
		DueDate: present(q.DueDate), Source: present(q.Source), Lines: []QuoteLine{}, ChangesAt: []time.Time{},
	}
	if q.Price != nil {
		body.Price = priceBody(q.Price, q.Source)
	}
	changes, payableUntil := q.Outlook()
	for _, at := range changes {
		body.ChangesAt = append(body.ChangesAt, at.UTC())
	}
	if fault != "" {
		return body
	}
	body.PayableUntil = presentInstant(payableUntil)
	body.Amount, body.AmountByRules, body.NotificationFee = q.Amount, q.AmountByRules, q.NotificationFee
	for _, l := range q.Lines() {
		body.Lines = append(body.Lines, QuoteLine{Label: l.Label, Text: l.Text, Amount: l.Amount, Component: l.Component, Rule: present(l.Rule)})
	}
	return body
}

// ListAnswers implements the operation of that name.
func (s *server) ListAnswers(ctx context.Context, r ListAnswersRequestObject) (ListAnswersResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	_, nav, err := s.notice(ctx, r.OrganizationFiscalCode, r.Nav)
	if err != nil {
		return nil, err
	}
	answers, total, err := s.Store.Answers(ctx, r.OrganizationFiscalCode, nav, page)
	if err != nil {
		return nil, err
	}
	list := AnswerList{Answers: []Answer{}, PageInfo: pageInfo(page, len(answers), total)}
	for i := range answers {
		list.Answers = append(list.Answers, answerBody(&answers[i]))
	}
	return ListAnswers200JSONResponse(list), nil
}

func answerBody(a *positions.Answer) Answer {
	body := Answer{
		At: a.At.UTC(), Operation: a.Operation, StationCode: present(a.StationCode),
		DurationMs: float64(a.Duration.Microseconds()) / 1000,
		Outcome:    a.Outcome, Fault: present(a.Fault), Amount: a.Amount, BaseAmount: a.BaseAmount, NotificationFee: a.NotificationFee,
		Source: present(a.Source), PositionVersion: a.PositionVersion,
	}
	if x := a.Send; x != nil {
		body.Send = &SendExchange{
			RequestedAt: x.RequestedAt.UTC(), AnsweredAt: presentInstant(x.AnsweredAt), Status: present(x.Status), Code: present(x.Code),
		}
	}
	if a.Price != nil {
		body.Price = priceBody(a.Price, a.Source)
	}
	return body
}

// notice finds the organization and reads the notice number of a path, and
// keeps notices outside of the key's segregation codes out of sight.
func (s *server) notice(ctx context.Context, organization, number string) (*registry.Organization, positions.NoticeNumber, error) {
	nav, err := positions.ParseNoticeNumber(number)
	if err != nil {
		detail := "is not a notice number: " + err.Error()
		if looksLikeIUV(number) {
			detail = isIUV
		}
		return nil, "", invalidParameter("nav", detail)
	}
	if nav == positions.ProbeNotice || !callerOf(ctx).sees(nav) {
		return nil, "", noSuchNotice()
	}
	org, ok := s.Directory.Organization(organization)
	if !ok {
		return nil, "", positions.Errorf(positions.NotFound, "there is no such organization")
	}
	return org, nav, nil
}

// isIUV tells who sent an IUV what a notice number is (SANP, "Numero avviso e
// IUV").
const isIUV = "looks like an IUV, and the path takes the notice number of 18 digits: the aux digit in front of the IUV (with aux digit 0 the application code too)"

// looksLikeIUV reports whether a number that is no notice number has the length
// of the creditor references that notice numbers hold: 17 digits or, after aux
// digit 0, 15.
func looksLikeIUV(number string) bool {
	return (len(number) == 17 || len(number) == 15) && strings.Trim(number, "0123456789") == ""
}
