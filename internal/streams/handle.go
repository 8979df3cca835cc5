package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// maxNotices bounds the notices of one notification.
const maxNotices = 2_000

// Later asks for an event to be carried out once more at an instant, from which on
// SEND's answer freezes the price, or what became of a payment is known. Until then
// nothing is wrong.
type Later struct{ At time.Time }

// Error implements error.
func (l Later) Error() string {
	return "to be carried out once more at " + l.At.UTC().Format(time.RFC3339)
}

// lookAhead bounds what a price that is not final is waited for with one event. SEND
// dates a refinement at the end of its day.
const lookAhead = 48 * time.Hour

// Handle carries out an event: the prices that it may have changed are asked for
// again, unless they have been since it arrived. It may be called on any replica,
// in any order, and again: what was done is not done twice. An error means that it
// has to be called again, when it is a [Later] at that instant; what it managed
// until then stays.
//
// A notice that is not here or that SEND does not notify is passed over; so is one
// whose creditor is not registered here. Of one that is paid SEND is told, where it
// did not know the notice before.
func (f *Follower) Handle(ctx context.Context, e Event) error {
	does := effects[e.Category]
	if does == none {
		f.meters.count(ctx, e.Category, resultIgnored, 1)
		return nil
	}
	notices, first := f.resolve(ctx, e)
	result, failed := resultUnknown, 0
	var later, soon time.Time
	for _, n := range notices {
		if ctx.Err() != nil {
			failed, first = failed+1, ctx.Err()
			break
		}
		done, after, err := f.update(ctx, e, does, n)
		switch {
		case err != nil:
			if failed++; first == nil {
				first = err
			}
		case weight[done] > weight[result]:
			result = done
		}
		if err == nil && after.freezesLater(does) && after.RefinementDate.After(later) {
			later = after.RefinementDate
		}
		if err == nil && after.soon.After(soon) {
			soon = after.soon
		}
	}
	if first != nil {
		f.meters.count(ctx, e.Category, resultFailed, 1)
		return fmt.Errorf("%s of %s: %d of %d notices: %w", e.Category, e.IUN, failed, len(notices), first)
	}
	f.meters.count(ctx, e.Category, result, 1)
	if !soon.IsZero() {
		return Later{soon}
	}
	if !later.IsZero() {
		return Later{later}
	}
	return nil
}

// weight tells which of several notices' results is the event's.
var weight = map[string]int{resultUnknown: 0, resultFresh: 1, resultRefreshed: 2, resultToldAgain: 3}

// told is what is known of a notice by now: its last price, nil for none.
type told struct {
	*positions.Price
	soon time.Time // when to look again what became of its payment; zero: no need
}

// freezesLater tells whether a price that an event should have settled will be
// final soon.
func (p told) freezesLater(does effect) bool {
	return does == settles && p.Price != nil && !p.Final && p.NoCost == "" && !p.Pushed &&
		p.RefinementDate.After(p.FetchedAt) && p.RefinementDate.Sub(p.FetchedAt) <= lookAhead
}

// ripe tells whether the refinement that was ahead when SEND was asked is over: only
// asking once more freezes the price.
func (p told) ripe(now time.Time) bool {
	return !p.Final && p.RefinementDate.After(p.FetchedAt) && !p.RefinementDate.After(now)
}

// resolve finds the notices that an event is about: as SEND told before, else as it
// tells now, once for each notification. Where it does not, those whose price names
// the notification are better than none; the error says that others may be missing.
func (f *Follower) resolve(ctx context.Context, e Event) ([]positions.NotifiedNotice, error) {
	notices, known, err := f.Store.NotifiedNotices(ctx, e.IUN)
	if err != nil || known {
		return ofRecipient(notices, e.RecIndex), err
	}
	notices, err = f.asked(ctx, e)
	if err == nil {
		return ofRecipient(notices, e.RecIndex), nil
	}
	priced, failure := f.Store.PricedNotices(ctx, e.IUN, maxNotices)
	if failure != nil {
		priced = nil
	}
	return priced, fmt.Errorf("which notices it carries: %w", err)
}

// asked has SEND tell the notices of a notification, and keeps what it tells. None
// are left of a sender that is none here any more, or of a notification that is
// gone.
func (f *Follower) asked(ctx context.Context, e Event) (notices []positions.NotifiedNotice, err error) {
	sender, ok := f.Directory.Organization(e.Organization)
	if !ok || sender.Relays() {
		return nil, nil
	}
	cred, err := sender.Credential()
	if err != nil {
		return nil, err
	}
	payments, err := f.Platform.SentNotification(ctx, cred, e.IUN)
	if sendclient.KindOf(err) == sendclient.KindGone {
		return f.Store.PricedNotices(ctx, e.IUN, maxNotices)
	}
	if err != nil {
		return nil, err
	}
	for _, p := range payments {
		notices = append(notices, positions.NotifiedNotice{
			RecIndex: p.RecIndex, OrganizationFiscalCode: p.CreditorTaxID, NAV: positions.NoticeNumber(p.NoticeCode),
		})
	}
	return notices, f.Store.KeepNotified(ctx, e.IUN, notices)
}

// ofRecipient returns the notices of a recipient, all of them for -1. Notices whose
// recipient is not known are anybody's.
func ofRecipient(notices []positions.NotifiedNotice, recipient int) []positions.NotifiedNotice {
	if recipient < 0 {
		return notices
	}
	var his []positions.NotifiedNotice
	for _, n := range notices {
		if n.RecIndex == recipient || n.RecIndex < 0 {
			his = append(his, n)
		}
	}
	return his
}

// errClockBehind is what another replica's clock makes of a refresh: what the store
// has bears a later time, so that the answer does not count yet.
var errClockBehind = errors.New("the price is dated in the future, by a replica whose clock is ahead")

// update has the price of one notice asked for again, where an event has changed it
// for somebody who may still pay.
//
// The instants of an event, of a price and of its being out of date may each be of
// another replica's clock. So a price counts as asked after the event only when it
// is by more than the clocks may differ; otherwise it is asked for now, whatever
// the instant of the event, and what is known of it bears no later instant than the
// answer.
func (f *Follower) update(ctx context.Context, e Event, does effect, n positions.NotifiedNotice) (result string, _ told, err error) {
	org, ok := f.Directory.Organization(n.OrganizationFiscalCode)
	if !ok {
		return resultUnknown, told{}, nil
	}
	notice, err := f.Store.Notice(ctx, org.FiscalCode, n.NAV)
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		return resultUnknown, told{}, nil
	case err != nil:
		return "", told{}, err
	case notice.Option.SendBound && notice.Option.Paid() && morePaper[e.Category] && org.FiscalCode == e.Organization:
		result, soon, err := f.tellAgain(ctx, e, &notice.Option)
		return result, told{soon: soon}, err
	case !notice.Option.SendBound, notice.Option.Paid():
		return resultUnknown, told{}, nil
	}
	since := f.Now().Add(-time.Microsecond) // the stores' precision
	if p := notice.Price; p != nil {
		last := told{Price: p}
		if !p.Pushed && !p.Outdated() && p.AskedAfter(e.ArrivedAt.Add(f.terms.skew)) && !last.ripe(f.Now()) {
			return resultFresh, last, nil
		}
		for _, at := range []time.Time{p.FetchedAt, p.StaleSince} {
			if at.After(since) {
				since = at
			}
		}
	}
	if does == reopens {
		if err := f.Prices.Reopen(ctx, org.FiscalCode, n.NAV, since); err != nil {
			return "", told{}, err
		}
	}
	price, err := f.Prices.Refresh(ctx, org, n.NAV)
	if err == nil && !price.AskedAfter(since) {
		err = errClockBehind
	}
	if err != nil {
		return "", told{}, err
	}
	return resultRefreshed, told{Price: price}, nil
}
