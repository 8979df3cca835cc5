package soap

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

// record makes the answer durable before the reply leaves, for as long as ctx
// lasts: then the reply goes first and the record follows.
func (h *Handler) record(ctx context.Context, x *exchange) {
	q := &x.request
	answer := positions.Answer{
		// Cloned, because a record that waits must not keep the whole message.
		At: x.arrived, OrganizationFiscalCode: strings.Clone(q.IDPA), NAV: positions.NoticeNumber(strings.Clone(q.QRCode.NoticeNumber)),
		Operation: x.result.operation, StationCode: strings.Clone(q.IDStation),
		Duration: h.Now().Sub(x.arrived), Outcome: x.result.outcome, Fault: x.result.fault,
	}
	if quote := x.result.quote; quote != nil {
		answer.PositionVersion = quote.Notice.Position.Version
		answer.Source, answer.Send, answer.Price = quote.Source, quote.Send, quote.Price
		if answer.Outcome == "OK" {
			answer.Amount, answer.BaseAmount, answer.NotificationFee = quote.Amount, quote.AmountByRules, quote.NotificationFee
		}
	}
	ctx, span := h.Tracer.Start(ctx, "journal answer")
	durable := h.Recorder.Record(ctx, answer)
	span.SetAttributes(attribute.Bool("attualizza.durable", durable))
	span.End()
}

// xsdDateTime reads the lexical form of xsd:dateTime; without a zone it is
// Europe/Rome, as the Nodo means it. It returns the zero time for anything
// else.
func xsdDateTime(s string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC() // an offset beyond 14:00 could be parsed but never be stored
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05.999999999", s, calendar.Rome)
	if err != nil {
		return time.Time{}
	}
	return t
}
