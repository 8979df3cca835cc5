// Package reconciliation finds out, once SEND answers again, what answers given
// without its price cost: notices that nobody has paid yet are priced anew, and of
// those that were paid the difference is recorded.
//
// It works in rounds, which somebody calls every few seconds. A round begins by
// opening what recorded answers left to reconcile. Of each organization
// with something open a round asks SEND about one notice first, and about more only
// when that is answered, so that a SEND that is down gets one request in a round,
// and after a few rounds one in minutes. What a round does not come to is the next
// one's.
//
// The store is written by compare-and-set: an answer or a receipt that comes while
// SEND is asked wins, and is judged in its turn.
package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// Bounds of a round.
const (
	// Limit is the longest that a round takes. Nothing is begun in its second half,
	// so that no request to SEND is cut and taken for a failure of SEND's.
	Limit = 10 * time.Second
	// organizations are looked after in one round, inParallel of them at once. The
	// notices of one are judged one after the other: two notices of one notification
	// share its cost, and the second must know of the first.
	organizations = 64
	inParallel    = 4
	// batch is how many notices of an organization are read at a time.
	batch = 50
	// opening is how many answers are opened for in one transaction.
	opening = 500
)

// Pauses of an organization whose SEND does not answer, and of a notice that it
// gives no usable answer for: twice as long each time. What is wrong with one notice
// alone lasts until somebody mends it.
const (
	firstPause         = 30 * time.Second
	longestPause       = 15 * time.Minute
	longestNoticePause = 6 * time.Hour
)

// Store is what a round needs of the positions' store; see [positions.Store].
type Store interface {
	OpenReconciliations(ctx context.Context, after int64, limit int) (next int64, err error)
	OrganizationsToReconcile(ctx context.Context, now time.Time, limit int) ([]positions.ReconciliationQueue, error)
	HoldReconciliations(ctx context.Context, fiscalCode string, failures int, until time.Time) error
	DueReconciliations(ctx context.Context, fiscalCode string, now time.Time, limit int) ([]positions.Reconciliation, error)
	SettleReconciliation(ctx context.Context, r *positions.Reconciliation) error
	MissingElsewhere(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (money.Cents, error)
	Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error)
}

// Prices asks SEND now and keeps the answer; see [actualize.Actualizer.Refresh].
type Prices interface {
	Refresh(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Price, error)
}

// Directory knows the registered organizations; see [registry.Registry].
type Directory interface {
	Organization(fiscalCode string) (*registry.Organization, bool)
}

// Config is what a [Reconciler] is made of. Every field but Logger and Now is
// needed.
type Config struct {
	Store     Store
	Prices    Prices
	Directory Directory
	Logger    *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Reconciler makes rounds, one at a time. It starts nothing by itself.
type Reconciler struct {
	Config
	told telemetry.Complaints // of notices that cannot be reconciled, by organization
}

// New returns a Reconciler.
func New(cfg Config) *Reconciler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Reconciler{Config: cfg}
}

// Summary is what a round came to.
type Summary struct {
	Repriced, Lapsed, Even, Under, Over int
	// Postponed are notices that SEND gave no usable answer for; Held are
	// organizations that are left alone for a while.
	Postponed, Held int
	// UnderCollected and OverCollected were found, in cents; neither is negative.
	UnderCollected, OverCollected money.Cents
}

// Judged is how many reconciliations were settled.
func (s Summary) Judged() int { return s.Repriced + s.Lapsed + s.Even + s.Under + s.Over }

func (s *Summary) add(t Summary) {
	s.Repriced += t.Repriced
	s.Lapsed += t.Lapsed
	s.Even += t.Even
	s.Under += t.Under
	s.Over += t.Over
	s.Postponed += t.Postponed
	s.Held += t.Held
	s.UnderCollected += t.UnderCollected
	s.OverCollected += t.OverCollected
}

func (s *Summary) count(r *positions.Reconciliation) {
	switch r.State {
	case positions.ReconciliationRepriced:
		s.Repriced++
	case positions.ReconciliationLapsed:
		s.Lapsed++
	case positions.ReconciliationEven:
		s.Even++
	case positions.ReconciliationUnder:
		s.Under++
		s.UnderCollected += r.Difference()
	case positions.ReconciliationOver:
		s.Over++
		s.OverCollected -= r.Difference()
	}
}

// Round looks after what is due, for [Limit] at most. Only the store can fail it,
// and what was written until then stays; that SEND does not answer is no failure.
// No two rounds may run at once, on whichever replica: they would harm nothing but
// SEND, save that two notices of one notification could each miss its whole cost.
func (c *Reconciler) Round(ctx context.Context) (Summary, error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	begin, cancel := context.WithTimeout(ctx, Limit/2)
	defer cancel()
	unopened := c.open(ctx)
	queues, err := c.Store.OrganizationsToReconcile(ctx, c.Now(), organizations)
	if err != nil {
		return Summary{}, fmt.Errorf("reconcile: %w", errors.Join(unopened, err))
	}
	parts := make([]Summary, len(queues))
	var work errgroup.Group // not one that cancels: an organization's trouble is its own
	work.SetLimit(inParallel)
	for i := range queues {
		work.Go(func() error { return c.organization(ctx, begin, queues[i], &parts[i]) })
	}
	err = errors.Join(unopened, work.Wait())
	var sum Summary
	for _, part := range parts {
		sum.add(part)
	}
	switch {
	case whole.Err() != nil:
		return sum, fmt.Errorf("reconcile: %w", context.Cause(whole))
	case ctx.Err() != nil: // the round's time is up; the rest is the next one's
		err = unopened
	}
	if err != nil {
		return sum, fmt.Errorf("reconcile: %w", err)
	}
	return sum, nil
}

// open opens what answers left to reconcile and was not opened when they were
// recorded: because the process ended in between, the store failed, or somebody was
// in the way. It leaves most of the round to what is open already.
func (c *Reconciler) open(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, Limit/4)
	defer cancel()
	for next := int64(0); ; {
		var err error
		next, err = c.Store.OpenReconciliations(ctx, next, opening)
		if err != nil || next == 0 || limited.Err() != nil {
			return err
		}
	}
}

// organization looks after one organization until nothing of it is due, it has to
// be left alone, or begin ends. A batch is asked for anew as long as one was full.
func (c *Reconciler) organization(ctx, begin context.Context, q positions.ReconciliationQueue, sum *Summary) error {
	org, registered := c.Directory.Organization(q.OrganizationFiscalCode)
	if !registered { // nobody is there to ask on its behalf; it may come back
		return c.hold(ctx, q, sum, registry.ErrNoCredential)
	}
	for answered := false; begin.Err() == nil; {
		due, err := c.Store.DueReconciliations(ctx, q.OrganizationFiscalCode, c.Now(), batch)
		if err != nil {
			return err
		}
		settled := 0
		for i := range due {
			if begin.Err() != nil {
				return nil
			}
			asked, unanswered, err := c.reconcile(ctx, begin, org, &due[i], sum)
			switch {
			case err != nil:
				return err
			case unanswered != nil:
				return c.hold(ctx, q, sum, unanswered)
			}
			if asked && !answered {
				answered = true
				if q.Failures > 0 {
					if err := c.Store.HoldReconciliations(ctx, org.FiscalCode, 0, time.Time{}); err != nil {
						return err
					}
				}
			}
			if due[i].State != positions.ReconciliationOpen || due[i].DueAt.After(c.Now()) {
				settled++
			}
		}
		if len(due) < batch || settled == 0 { // what is not settled was written by somebody else
			return nil
		}
	}
	return nil
}

// hold leaves an organization alone for a while.
func (c *Reconciler) hold(ctx context.Context, q positions.ReconciliationQueue, sum *Summary, why error) error {
	sum.Held++
	until := c.Now().Add(pause(q.Failures, longestPause))
	if q.Failures == 0 { // the answers tell too that SEND is silent; this is said once an outage
		c.Logger.InfoContext(ctx, "reconciliation waits for SEND", "organization", q.OrganizationFiscalCode, "error", why)
	}
	return c.Store.HoldReconciliations(ctx, q.OrganizationFiscalCode, q.Failures+1, until)
}

// pause is how long to wait after some failures before the one at hand.
func pause(before int, longest time.Duration) time.Duration {
	return min(firstPause<<min(before, 10), longest)
}

// reconcile settles one. asked tells that SEND answered; unanswered is why it did
// not, where that concerns all of the organization's notices. r becomes what was
// written, and stays OPEN and due when somebody else wrote it meanwhile.
func (c *Reconciler) reconcile(ctx, begin context.Context, org *registry.Organization, r *positions.Reconciliation, sum *Summary) (asked bool, unanswered, err error) {
	n, err := c.notice(ctx, r)
	if err != nil {
		return false, nil, err
	}
	if r.Moot(n) {
		r.Lapse(c.Now())
		return false, nil, c.settle(ctx, r, sum)
	}
	price, refusal := c.Prices.Refresh(ctx, org, r.NAV)
	if refusal != nil {
		if begin.Err() != nil { // perhaps it was only cut
			return false, nil, nil
		}
		// It gets another turn too, so that a notice which SEND cannot answer for is not
		// the one that is tried every time.
		if !concernsNoticeOnly(refusal) {
			return false, refusal, c.postpone(ctx, r, longestPause, sum)
		}
		if c.told.Due(r.OrganizationFiscalCode, c.Now()) {
			c.Logger.WarnContext(ctx, "a notice cannot be reconciled yet", "organization", r.OrganizationFiscalCode, "nav", r.NAV,
				"attempts", r.Attempts+1, "error", refusal)
		}
		return true, nil, c.postpone(ctx, r, longestNoticePause, sum)
	}
	// Again, with what was paid in the meantime and what goes with the price.
	if n, err = c.notice(ctx, r); err != nil {
		return true, nil, err
	}
	if r.Moot(n) {
		r.Lapse(c.Now())
		return true, nil, c.settle(ctx, r, sum)
	}
	if n.Price == nil || n.Price.Pushed || n.Price.FetchedAt.Before(price.FetchedAt) {
		// The store did not take it in time, or somebody pushed another since.
		return true, nil, c.postpone(ctx, r, longestPause, sum)
	}
	elsewhere, err := c.Store.MissingElsewhere(ctx, r.OrganizationFiscalCode, n.Price.IUN, n.Position.Debtor.FiscalCode, r.NAV)
	if err != nil {
		return true, nil, err
	}
	judged := *r
	judged.Judge(n, elsewhere, c.Now())
	err = c.settle(ctx, &judged, sum)
	if positions.CodeOf(err) == positions.Conflict { // the payment has one of its own: this one is only what was said before
		r.Lapse(c.Now())
		return true, nil, c.settle(ctx, r, sum)
	}
	if err == nil {
		*r = judged
	}
	return true, nil, err
}

// notice reads a reconciliation's notice, nil when it is gone.
func (c *Reconciler) notice(ctx context.Context, r *positions.Reconciliation) (*positions.Notice, error) {
	n, err := c.Store.Notice(ctx, r.OrganizationFiscalCode, r.NAV)
	if positions.CodeOf(err) == positions.NotFound {
		return nil, nil
	}
	return n, err
}

// concernsNoticeOnly tells an answer about one notice that cannot be used from one
// that none of the organization's would get.
func concernsNoticeOnly(err error) bool {
	var failure *sendclient.Error
	return errors.As(err, &failure) && (failure.Kind == sendclient.KindAnomaly || failure.Kind == sendclient.KindBadRequest)
}

// postpone gives a reconciliation a later turn.
func (c *Reconciler) postpone(ctx context.Context, r *positions.Reconciliation, longest time.Duration, sum *Summary) error {
	r.DueAt = c.Now().Add(pause(r.Attempts, longest))
	r.Attempts++
	sum.Postponed++
	return c.settle(ctx, r, sum)
}

// settle writes what became of a reconciliation, unless somebody else has written
// it: then it is as if it had not been looked at.
func (c *Reconciler) settle(ctx context.Context, r *positions.Reconciliation, sum *Summary) error {
	err := c.Store.SettleReconciliation(ctx, r)
	switch {
	case err == nil:
		sum.count(r)
	case positions.CodeOf(err) == positions.Stale:
		r.State, r.DueAt = positions.ReconciliationOpen, time.Time{}
		err = nil
	}
	return err
}
