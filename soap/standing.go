package soap

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// standing are the figures that are there before anything happened: what is under
// way, and counters at zero. A counter that is born at its first event shows no
// increase, and no alert would see that event.

// feeSources are all sources of a fee.
var feeSources = []positions.FeeSource{
	positions.SourceNotBound, positions.SourceLive, positions.SourceCache, positions.SourceFinal, positions.SourceNoCost,
	positions.SourcePushed, positions.SourceLastKnown, positions.SourceBase, positions.SourceNone,
}

// begin sets the counters that alerts and panels look at to zero: the answers that
// every operation can give, where its fee came from, whether it was what the verify
// had told, and what becomes of receipts.
func (m *meters) begin(ctx context.Context) {
	answer := func(operation, outcome, fault string) {
		m.answers.Add(ctx, 0, m.answerSets.Of(answerKey{operation, outcome, fault}, answerKey.option)...)
	}
	answer("unknown", "RESUBMIT", "") // turned away before it was read
	for _, op := range pafornode.Operations() {
		answer(op.String(), "KO", syntaxFault(op))
		if op != pafornode.DemandPaymentNotice {
			answer(op.String(), "OK", "")
		}
		if !op.IsReceipt() {
			answer(op.String(), "KO", faultSystem)
			continue
		}
		answer(op.String(), "RESUBMIT", "")
		for _, fault := range []string{faultBroker, faultStation, faultOrganization, faultReceiptKnown} {
			answer(op.String(), "KO", fault)
		}
	}
	for _, source := range feeSources {
		m.fees.Add(ctx, 0, m.sourceSets.Of(source, sourceOption)...)
		m.feeCents.Add(ctx, 0, m.sourceSets.Of(source, sourceOption)...)
	}
	for _, result := range comparisons {
		m.compared.Add(ctx, 0, m.comparedSets.Of(result, resultOption)...)
	}
	for _, direction := range directions {
		m.drift.Add(ctx, 0, m.driftSets.Of(direction, directionOption)...)
	}
	for _, outcome := range []string{"OK", "KO", "RESUBMIT"} {
		m.receipts.Add(ctx, 0, m.receiptSets.Of(outcome, receiptOption)...)
	}
}

// charge adds the fee of an activation that was answered with an amount. A notice
// that is activated again is counted again: these are fees that were asked, not paid.
func (m *meters) charge(ctx context.Context, x *exchange) {
	quote, op := x.result.quote, x.request.Operation
	if quote == nil || x.result.outcome != "OK" || op != pafornode.GetPayment && op != pafornode.GetPaymentV2 {
		return
	}
	m.feeCents.Add(ctx, int64(quote.NotificationFee), m.sourceSets.Of(quote.Source, sourceOption)...)
}

// observe exposes how many answers are being prepared.
func (a *admission) observe(m metric.Meter) {
	payments := metric.WithAttributeSet(attribute.NewSet(attribute.String("kind", "payment")))
	receipts := metric.WithAttributeSet(attribute.NewSet(attribute.String("kind", "receipt")))
	_, err := m.Int64ObservableGauge("attualizza_answers_in_flight",
		metric.WithDescription("Answers to the Nodo in preparation, of receipts and of anything else. At most ATTUALIZZA_MAX_IN_FLIGHT, of receipts a quarter of it."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(len(a.payments)), payments)
			o.Observe(int64(len(a.receipts)), receipts)
			return nil
		}))
	if err != nil {
		panic(err) // the name is a constant
	}
}
