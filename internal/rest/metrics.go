package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

// meters are the API's metrics. Routes are the document's, as many as it has, and
// never what a caller wrote.
type meters struct {
	requests metric.Int64Counter
	duration metric.Float64Histogram
	changes  metric.Int64Counter
	refused  metric.Int64Counter

	requested telemetry.Sets[requestKey, metric.AddOption]
	timed     telemetry.Sets[routeKey, metric.RecordOption]
	refusals  telemetry.Sets[refusalKey, metric.AddOption]
	events    map[string][]metric.AddOption // by the action of a change
}

type refusalKey struct {
	organization string
	status       int
}

type routeKey struct{ route, method string }

type requestKey struct {
	routeKey
	status int
}

func (k routeKey) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("route", k.route), attribute.String("method", k.method)}
}

func (k routeKey) option() metric.RecordOption {
	return metric.WithAttributeSet(attribute.NewSet(k.attributes()...))
}

func (k requestKey) option() metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(append(k.attributes(), attribute.String("status", strconv.Itoa(k.status)))...))
}

func (k refusalKey) option() metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(
		attribute.String("organization", k.organization), attribute.String("status", strconv.Itoa(k.status))))
}

func newMeters(m metric.Meter) (*meters, error) {
	if m == nil {
		m = noop.Meter{}
	}
	s := &meters{events: map[string][]metric.AddOption{}}
	var err error
	if s.requests, err = m.Int64Counter("attualizza_rest_requests",
		metric.WithDescription("Requests to the REST API by route of its document (unmatched: none), method (OTHER: none that is served) and HTTP status.")); err != nil {
		return nil, err
	}
	if s.duration, err = m.Float64Histogram("attualizza_rest_request_duration", metric.WithUnit("s"),
		metric.WithDescription("How long requests to the REST API took, by route and method."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2, 5)); err != nil {
		return nil, err
	}
	if s.changes, err = m.Int64Counter("attualizza_position_changes",
		metric.WithDescription("Debt positions that were changed through the REST API, counted once stored, by what happened to them. Payments that receipts tell of are attualizza_receipts_total.")); err != nil {
		return nil, err
	}
	if s.refused, err = m.Int64Counter("attualizza_rest_refused",
		metric.WithDescription("Requests to the REST API that were answered with 4xx or 5xx although their key was right, by the organization of the key and HTTP status.")); err != nil {
		return nil, err
	}
	for action, event := range eventNames {
		s.events[action] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("event", event)))}
		s.changed(context.Background(), action, 0)
	}
	return s, nil
}

// eventNames are the actions of the version history as the metric tells them.
var eventNames = map[string]string{
	actionCreate:                      "created",
	actionReplace:                     "updated",
	actionIBAN:                        "iban_changed",
	string(positions.EventPublish):    "published",
	string(positions.EventInvalidate): "invalidated",
	string(positions.EventAmount):     "amount_set",
	string(positions.EventPostpone):   "postponed",
	string(positions.EventBlock):      "blocked",
	string(positions.EventUnblock):    "unblocked",
	string(positions.EventTransfer):   "transferred",
	string(positions.EventClose):      "closed",
	string(positions.EventReopen):     "reopened",
	actionPay:                         "paid",
	actionPaidOutside:                 "paid_outside",
	actionDelete:                      "deleted",
}

// otherMethod stands for every method that no operation has: a caller can write
// any word in its place.
const otherMethod = "OTHER"

var servedMethods = map[string]bool{
	http.MethodGet: true, http.MethodPut: true, http.MethodPost: true, http.MethodDelete: true, http.MethodPatch: true,
}

// methodOf is what metrics and spans say of a method.
func methodOf(r *http.Request) string {
	if !servedMethods[r.Method] {
		return otherMethod
	}
	return r.Method
}

// answered counts one request. HEAD is the GET that it stands for.
func (s *meters) answered(ctx context.Context, route, method string, status int, took time.Duration) {
	of := routeKey{route, method}
	s.requests.Add(ctx, 1, s.requested.Of(requestKey{of, status}, requestKey.option)...)
	s.duration.Record(ctx, took.Seconds(), s.timed.Of(of, routeKey.option)...)
}

// refuse counts a request that failed, by the organization whose debt-position system
// made it, so that a broken one can be named. Organizations are those of keys that
// were right, hence registered ones: what a stranger writes into a path is no label. The
// operator is of none.
func (s *meters) refuse(ctx context.Context, who caller, status int) {
	if status < http.StatusBadRequest || who.key == nil {
		return
	}
	s.refused.Add(ctx, 1, s.refusals.Of(refusalKey{who.key.OrganizationFiscalCode, status}, refusalKey.option)...)
}

// changed counts n positions that an action changed.
func (s *meters) changed(ctx context.Context, action string, n int) {
	if event := s.events[action]; event != nil {
		s.changes.Add(ctx, int64(n), event...)
	}
}

// counting is a store whose changes of positions are counted, once they are stored.
type counting struct {
	Store
	meters *meters
}

func (s counting) note(ctx context.Context, err error, c positions.Change, n int) error {
	if err == nil {
		s.meters.changed(ctx, c.Action, n)
	}
	return err
}

func (s counting) CreatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	return s.note(ctx, s.Store.CreatePosition(ctx, p, c), c, 1)
}

func (s counting) UpdatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	return s.note(ctx, s.Store.UpdatePosition(ctx, p, c), c, 1)
}

func (s counting) CreatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.note(ctx, s.Store.CreatePositions(ctx, ps, c), c, len(ps))
}

func (s counting) UpdatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.note(ctx, s.Store.UpdatePositions(ctx, ps, c), c, len(ps))
}

func (s counting) DeletePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.note(ctx, s.Store.DeletePositions(ctx, ps, c), c, len(ps))
}
