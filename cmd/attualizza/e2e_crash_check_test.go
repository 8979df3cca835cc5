package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// kept is what a store holds of one notice.
type kept struct {
	receipts   []positions.Receipt  // oldest first, without messages
	deliveries []positions.Delivery // of both kinds, oldest first
	answers    []positions.Answer
}

// check opens the store without the service and holds it, the debt system and
// SEND to what was acknowledged.
func (c *crash) check(t *testing.T) {
	t.Helper()
	store := opened(t, string(c.cfg.DatabaseURL))
	defer store.Close()
	found := c.read(t, store)
	attempts := map[string][]attempt{} // by notice, in order of arrival
	for _, a := range c.receiver.seen() {
		nav := string(a.receipt.Nav)
		attempts[nav] = append(attempts[nav], a)
	}
	var n tally
	looked := 0 // since something was wrong
	for _, s := range c.stories {
		k := found[string(s.d.nav)]
		delete(found, string(s.d.nav))
		n.receipts += len(k.receipts)
		s.checkReceipts(t, store, k, &n)
		s.checkPosition(t, store, k)
		s.checkDeliveries(t, k, attempts[string(s.d.nav)], &n)
		s.checkAnswers(t, k, &n)
		if t.Failed() {
			if looked++; looked == 200 {
				t.Fatal("enough is wrong: the stories behind are not looked at")
			}
		}
	}
	for nav, k := range found {
		t.Errorf("of notice %s, which nobody spoke of, there are %d receipts and %d deliveries", nav, len(k.receipts), len(k.deliveries))
	}
	t.Logf("%d receipts acknowledged, %d not, %d stored; %d attempts to deliver, %d of them again; %d payments told to SEND, %d of notices that it does not know",
		n.acknowledged, n.unacknowledged, n.receipts, c.receiver.count(), n.again, n.events, n.ended)
	t.Logf("%d activations answered, %d not on record, %d left before their record (attualizza_answers_unlogged_total); the slowest took %s",
		n.answers, n.missing, c.lost, n.slowest.Round(time.Millisecond))
	if n.missing > c.lost {
		t.Errorf("%d answers are missing, only %d left before their record", n.missing, c.lost)
	}
	if n.again == 0 {
		t.Log("no delivery was made again: no kill met one under way")
	}
}

// tally counts what the log of the test tells.
type tally struct {
	receipts, acknowledged, unacknowledged, again, events, ended, answers, missing int

	slowest time.Duration // of the answers
}

// checkReceipts: each acknowledged one is there once and as it came, and no
// other but those that nobody waited for.
func (s *story) checkReceipts(t *testing.T, store positions.Store, k kept, n *tally) {
	t.Helper()
	var ids []string
	for i := range k.receipts {
		ids = append(ids, k.receipts[i].ReceiptID)
	}
	var want []string
	for _, r := range s.receipts {
		switch {
		case r.acknowledged:
			n.acknowledged++
		case !slices.Contains(ids, r.id):
			n.unacknowledged++
			continue
		default:
			n.unacknowledged++
		}
		want = append(want, r.id)
		stored, err := store.Receipt(t.Context(), s.e.fiscalCode, r.id)
		if err != nil {
			t.Errorf("%v: receipt %s, acknowledged %t: %v", s, r.id, r.acknowledged, err)
		} else if !bytes.Equal(stored.Message, r.message) {
			t.Errorf("%v: receipt %s is kept as %s", s, r.id, stored.Message)
		}
	}
	if !slices.Equal(ids, want) {
		t.Errorf("%v: kept are the receipts %q, want %q", s, ids, want)
	}
}

// checkPosition: the first receipt has paid the notice, and each later one is
// money to give back.
func (s *story) checkPosition(t *testing.T, store positions.Store, k kept) {
	t.Helper()
	for i, r := range k.receipts {
		var want []string
		switch {
		case s.unknown:
			want = []string{positions.FlagUnknownNotice}
		case i > 0:
			want = []string{positions.FlagAlreadyPaid}
		}
		if verdicts := slices.DeleteFunc(slices.Clone(r.Flags), func(flag string) bool {
			return flag != positions.FlagUnknownNotice && flag != positions.FlagAlreadyPaid && flag != positions.FlagNotOwed
		}); !slices.Equal(verdicts, want) {
			t.Errorf("%v: receipt %s is flagged %q, want %q", s, r.ReceiptID, r.Flags, want)
		}
	}
	if s.unknown {
		return
	}
	p, err := store.Position(t.Context(), s.e.fiscalCode, s.d.iupd)
	if err != nil {
		t.Errorf("%v: %v", s, err)
		return
	}
	status, by := positions.Valid, ""
	if len(k.receipts) > 0 {
		status, by = positions.Paid, k.receipts[0].ReceiptID
	}
	o, was := p.Option(s.d.nav), ""
	if o.Payment != nil {
		was = o.Payment.ReceiptID
	}
	if p.Status != status || was != by {
		t.Errorf("%v: %s, paid by %q; want %s by %q", s, p.Status, was, status, by)
	}
}

// checkDeliveries: each stored receipt has arrived, in order, and SEND knows of
// the payment of what it notified.
func (s *story) checkDeliveries(t *testing.T, k kept, attempts []attempt, n *tally) {
	t.Helper()
	var leaving []string
	events := 0
	for _, d := range k.deliveries {
		want := positions.DeliveryDelivered
		if d.Kind == positions.DeliverToSEND {
			events++
			if s.iun == "" {
				want = positions.DeliveryEnded
				n.ended++
			} else {
				n.events++
			}
		} else {
			leaving = append(leaving, d.ReceiptID)
		}
		if d.State != want {
			t.Errorf("%v: delivery %d, %s, is %s after %d attempts: %s", s, d.ID, d.Kind, d.State, d.Attempts, d.LastError)
		}
	}
	var ids []string
	for i := range k.receipts {
		ids = append(ids, k.receipts[i].ReceiptID)
	}
	if !slices.Equal(leaving, ids) {
		t.Errorf("%v: the outbox holds %q, want %q", s, leaving, ids)
	}
	wantEvents := 0
	if s.bound && len(ids) > 0 {
		wantEvents = 1
	}
	if events != wantEvents {
		t.Errorf("%v: %d events for SEND, want %d", s, events, wantEvents)
	}
	if s.iun != "" {
		if times, err := s.noted(); err != nil || times != wantEvents {
			t.Errorf("%v: SEND has noted %d payments, want %d: %v", s, times, wantEvents, err)
		}
	}
	n.again += s.checkOrder(t, ids, attempts)
}

// checkOrder holds the attempts to deliver the receipts of one notice to their
// order: each was acknowledged, and none came again once the next one had come. It
// tells how many came again.
func (s *story) checkOrder(t *testing.T, ids []string, attempts []attempt) (again int) {
	t.Helper()
	var all []string
	for _, a := range attempts {
		all = append(all, fmt.Sprintf("%s HTTP %d", a.receipt.ReceiptID, a.status))
	}
	came, first, acknowledged := 0, "", false // of the last one that came: its number from 1, its delivery, whether it was taken
	for _, a := range attempts {
		switch {
		case came > 0 && a.receipt.ReceiptID == ids[came-1]:
			again++
			if a.id != first {
				t.Errorf("%v: receipt %s came as %s and as %s", s, a.receipt.ReceiptID, first, a.id)
			}
		case came < len(ids) && a.receipt.ReceiptID == ids[came] && (came == 0 || acknowledged):
			came, first, acknowledged = came+1, a.id, false
		default:
			t.Errorf("%v: receipt %s came out of order, want %q; these came: %q", s, a.receipt.ReceiptID, ids, all)
			return again
		}
		acknowledged = acknowledged || a.took()
		if a.receipt.OrganizationFiscalCode != s.e.fiscalCode {
			t.Errorf("%v: receipt %s came as one of %s", s, a.receipt.ReceiptID, a.receipt.OrganizationFiscalCode)
		}
	}
	if came != len(ids) || came > 0 && !acknowledged {
		t.Errorf("%v: the debt system took %d of %d receipts, the last one: %t", s, came, len(ids), acknowledged)
	}
	return again
}

// checkAnswers looks for the record of each answer by what it said and when: it
// arrived between the instants of question and answer.
func (s *story) checkAnswers(t *testing.T, k kept, n *tally) {
	t.Helper()
	for _, told := range s.answers {
		n.answers++
		n.slowest = max(n.slowest, told.took)
		matches := slices.DeleteFunc(slices.Clone(k.answers), func(a positions.Answer) bool {
			return a.At.Before(told.sent.Truncate(time.Microsecond)) || a.At.After(told.answered)
		})
		switch {
		case len(matches) == 0:
			if n.missing++; n.missing > 10 {
				continue
			}
			t.Logf("%v: the answer %s %s %s of %s, given within %s, is not on record", s, told.outcome, told.fault, told.amount, told.answered.Format(time.RFC3339Nano), told.took)
		case len(matches) > 1:
			t.Errorf("%v: one answer is on record as %s", s, show(matches))
		case matches[0].Outcome != told.outcome || matches[0].Fault != told.fault || matches[0].Amount != told.amount || matches[0].Operation != "paGetPaymentV2":
			t.Errorf("%v: told was %s %s %s, on record is %s", s, told.outcome, told.fault, told.amount, show(matches[0]))
		}
	}
}

// read reads all that the store holds of the organizations, by notice.
func (c *crash) read(t *testing.T, store positions.Store) map[string]kept {
	t.Helper()
	const limit = 1000
	found := map[string]kept{}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range c.enti {
		for page, total := 0, 1; page*limit < total; page++ {
			var all []positions.Receipt
			var err error
			all, total, err = store.Receipts(t.Context(), positions.ReceiptFilter{OrganizationFiscalCode: e.fiscalCode, Page: positions.Page{Number: page, Limit: limit}})
			must(err)
			for i := range all {
				k := found[string(all[i].NAV)]
				k.receipts = append(k.receipts, all[i])
				found[string(all[i].NAV)] = k
			}
		}
		for page, total := 0, 1; page*limit < total; page++ {
			var all []positions.Delivery
			var err error
			all, total, err = store.Deliveries(t.Context(), positions.DeliveryFilter{OrganizationFiscalCode: e.fiscalCode, Page: positions.Page{Number: page, Limit: limit}})
			must(err)
			for i := range all {
				k := found[string(all[i].NAV)]
				k.deliveries = append(k.deliveries, all[i])
				found[string(all[i].NAV)] = k
			}
		}
	}
	for _, s := range c.stories {
		k := found[string(s.d.nav)]
		var err error
		k.answers, _, err = store.Answers(t.Context(), s.e.fiscalCode, s.d.nav, positions.Page{Limit: limit})
		must(err)
		slices.Reverse(k.receipts) // they are listed newest first
		slices.Reverse(k.deliveries)
		found[string(s.d.nav)] = k
	}
	return found
}
