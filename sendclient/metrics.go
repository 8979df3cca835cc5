package sendclient

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are the metrics that the dashboards rely on. Their Prometheus names
// get _total and _seconds from the exporter.
type meters struct {
	requests     metric.Int64Counter
	duration     metric.Float64Histogram
	results      map[string]map[string][]metric.AddOption // by route and result
	routes       map[string][]metric.RecordOption
	registration metric.Registration
}

// Results that are not kinds of error.
const (
	resultPriced   = "priced"
	resultNoCost   = "no_cost"
	resultRefused  = "not_payable" // by a relay
	resultAnswered = "answered"    // a call beside the price
	resultHeldOff  = "held_off"    // denied or throttled a moment ago, so not asked
)

func newMeters(m metric.Meter, gs *guards) (*meters, error) {
	var err error
	s := &meters{results: make(map[string]map[string][]metric.AddOption), routes: make(map[string][]metric.RecordOption)}
	if s.requests, err = m.Int64Counter("attualizza_send_requests",
		metric.WithDescription("Requests by route (prices of SEND or of a relay, payments told to SEND, streams, stream_events, sent_notification) and result; breaker_open, saturated, no_voucher and held_off are answers given without asking.")); err != nil {
		return nil, err
	}
	if s.duration, err = m.Float64Histogram("attualizza_send_request_duration",
		metric.WithUnit("s"),
		metric.WithDescription("How long SEND or the relay took to answer, or was waited for."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, .75, 1, 1.2, 1.5, 2)); err != nil {
		return nil, err
	}
	state, err := m.Int64ObservableGauge("attualizza_send_breaker_state",
		metric.WithDescription("State of each organization's breaker towards SEND or its relay: 0 closed, 1 half-open, 2 open."))
	if err != nil {
		return nil, err
	}
	s.registration, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for org, st := range gs.states() {
			o.ObserveInt64(state, st, metric.WithAttributes(attribute.String("key", org)))
		}
		return nil
	}, state)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{routeDirect, routeRelay, routePaymentEvent, routeStreams, routeEvents, routeSent} {
		route := attribute.String("route", name)
		s.routes[name] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(route))}
		s.results[name] = make(map[string][]metric.AddOption)
		for _, result := range []string{
			resultPriced, resultNoCost, resultRefused, resultHeldOff, resultReported, string(KindNotNotified),
			resultAnswered, string(KindGone), string(KindTooEarly), string(KindConflict),
			string(KindTimeout), string(KindTransport), string(KindDenied), string(KindThrottled), string(KindServerError),
			string(KindUnreadable), string(KindAnomaly), string(KindBadRequest), string(KindBreakerOpen),
			string(KindSaturated), string(KindNoVoucher), string(KindCancelled),
		} {
			set := attribute.NewSet(route, attribute.String("result", result))
			s.results[name][result] = []metric.AddOption{metric.WithAttributeSet(set)}
		}
	}
	return s, nil
}

func (s *meters) record(ctx context.Context, route string, answer Answer, failure *Error) (result string, seen Exchange) {
	seen, result = answer.Exchange, resultPriced
	switch {
	case failure != nil:
		seen, result = failure.Exchange, failure.result()
	case answer.NoCost == NotPayable:
		result = resultRefused
	case answer.NoCost != "":
		result = resultNoCost
	}
	s.add(ctx, route, result, seen)
	return result, seen
}

func (s *meters) add(ctx context.Context, route, result string, seen Exchange) {
	s.requests.Add(ctx, 1, s.results[route][result]...)
	if seen.Asked() {
		s.duration.Record(ctx, seen.AnsweredAt.Sub(seen.RequestedAt).Seconds(), s.routes[route]...)
	}
}

func (s *meters) close() error { return s.registration.Unregister() }
