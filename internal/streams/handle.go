package streams

import (
	"context"
	"fmt"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// maxNotices bounds the notices of one notification.
const maxNotices = 2_000

// Handle carries out an event: the prices that it may have changed are asked for
// again, unless they have been since it arrived. It may be called on any replica,
// in any order, and again: what was done is not done twice. An error means that it
// has to be called again; what it managed until then stays.
//
// A notice that is not here, is paid, or that SEND does not notify is passed over;
// so is one whose creditor is not registered here.
func (f *Follower) Handle(ctx context.Context, e Event) error {
	does := effects[e.Category]
	if does == none {
		f.meters.count(ctx, e.Category, resultIgnored, 1)
		return nil
	}
	notices, err := f.resolve(ctx, e)
	if err != nil {
		f.meters.count(ctx, e.Category, resultFailed, 1)
		return fmt.Errorf("notices of %s: %w", e.IUN, err)
	}
	result, failed := resultUnknown, 0
	var first error
	for _, n := range notices {
		if ctx.Err() != nil {
			failed, first = failed+1, ctx.Err()
			break
		}
		done, err := f.update(ctx, e, does, n)
		switch {
		case err != nil:
			if failed++; first == nil {
				first = err
			}
		case done == resultRefreshed, done == resultFresh && result == resultUnknown:
			result = done
		}
	}
	if first != nil {
		f.meters.count(ctx, e.Category, resultFailed, 1)
		return fmt.Errorf("%s of %s: %d of %d notices: %w", e.Category, e.IUN, failed, len(notices), first)
	}
	f.meters.count(ctx, e.Category, result, 1)
	return nil
}

// resolve finds the notices that an event is about: as SEND told before, else as it
// tells now, once for each notification. Where it does not, those whose price names
// the notification are better than none.
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
	if failure != nil || len(priced) == 0 {
		return nil, err
	}
	return priced, nil
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

// update has the price of one notice asked for again, where an event has changed it
// for somebody who may still pay.
func (f *Follower) update(ctx context.Context, e Event, does effect, n positions.NotifiedNotice) (result string, err error) {
	org, ok := f.Directory.Organization(n.OrganizationFiscalCode)
	if !ok {
		return resultUnknown, nil
	}
	notice, err := f.Store.Notice(ctx, org.FiscalCode, n.NAV)
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		return resultUnknown, nil
	case err != nil:
		return "", err
	case !notice.Option.SendBound, notice.Option.Paid():
		return resultUnknown, nil
	}
	if p := notice.Price; p != nil && !p.Pushed && !p.Outdated() && p.AskedAfter(e.ArrivedAt) {
		return resultFresh, nil
	}
	if does == reopens {
		if err := f.Prices.Reopen(ctx, org.FiscalCode, n.NAV, e.ArrivedAt); err != nil {
			return "", err
		}
	}
	if _, err := f.Prices.Refresh(ctx, org, n.NAV); err != nil {
		return "", err
	}
	return resultRefreshed, nil
}
