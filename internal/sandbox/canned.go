package sandbox

import (
	"encoding/base64"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// Canned is an outcome that a notice number has by its prefix, when no
// notification was ever registered for it. Testers know some of the prefixes from pagoPA's
// mock of a creditor (pagopa-mock-ec), where the third and following digits
// choose the case.
type Canned struct {
	Prefix  string `json:"prefix"`
	Meaning string `json:"meaning"`
	// Script of the notification behind the notice, or
	Script []Step `json:"script,omitempty"`
	// Fault that every request for it meets, until a notification is registered for it.
	Fault Kind `json:"fault,omitempty"`
}

// CannedOutcomes is the table of the prefixes. Their notifications were
// deposited at a fixed instant long ago, so that an answer never changes.
var CannedOutcomes = []Canned{
	{Prefix: "30200", Meaning: "digital, not yet perfected: 200", Script: []Step{{Event: Accept}, {Event: DigitalSend}}},
	{Prefix: "30204", Meaning: "one 890, not yet perfected: 1424", Script: []Step{{Event: Accept}, {Event: AnalogSend, Cost: 1003}}},
	{Prefix: "30205", Meaning: "two 890, not yet perfected: 2557", Script: []Step{
		{Event: Accept}, {Event: AnalogSend, Cost: 969}, {Event: AnalogFail}, {Event: AnalogSend, Cost: 963},
	}},
	{Prefix: "30210", Meaning: "404, request not yet accepted", Script: []Step{}},
	{Prefix: "30211", Meaning: "404, cancellation requested", Script: []Step{{Event: Accept}, {Event: DigitalSend}, {Event: RequestCancellation}}},
	{Prefix: "30295", Meaning: "digital, viewed and paid: 200, final", Script: []Step{
		{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, {Event: View}, {Event: Pay},
	}},
	{Prefix: "30297", Meaning: "unreachable: connection reset", Fault: Reset},
	{Prefix: "30298", Meaning: "timeout: no answer until the client leaves", Fault: Hang},
	{Prefix: "30299", Meaning: "digital, refined long ago: 200, final", Script: []Step{
		{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, {Event: Refine},
	}},
}

var cannedDeposit = time.Date(2024, time.January, 15, 9, 0, 0, 0, time.UTC)

func cannedFor(noticeCode string) *Canned {
	for i := range CannedOutcomes {
		if strings.HasPrefix(noticeCode, CannedOutcomes[i].Prefix) {
			return &CannedOutcomes[i]
		}
	}
	return nil
}

// cannedNotification returns the notification behind a notice that no
// registered notification carries or ever carried, or nil. Callers hold s.mu.
func (s *Sandbox) cannedNotification(key noticeKey) *Notification {
	c := cannedFor(key.notice)
	if c == nil || c.Script == nil || s.deposits[key] > 0 || !taxIDPattern.MatchString(key.creditor) || !noticePattern.MatchString(key.notice) {
		return nil
	}
	return c.notification(key)
}

func (s *Sandbox) cannedFault(key noticeKey) *Fault {
	c := cannedFor(key.notice)
	if c == nil || c.Fault == "" || !noticePattern.MatchString(key.notice) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deposits[key] > 0 {
		return nil
	}
	return &Fault{Kind: c.Fault}
}

// notification builds the notification behind a canned notice; its sender is
// the creditor. The same notice always gives the same notification.
func (c *Canned) notification(key noticeKey) *Notification {
	hash := fnv.New64a()
	hash.Write([]byte(key.creditor + "##" + key.notice))
	n, err := newNotification(Request{
		SenderTaxID: key.creditor,
		Recipients:  []RecipientRequest{{Payments: []Payment{{CreditorTaxID: key.creditor, NoticeCode: key.notice}}}},
	})
	if err != nil {
		panic("sandbox: canned notification: " + err.Error()) // the caller checked the key
	}
	n.SentAt = cannedDeposit
	n.IUN = newIUN(rand.New(rand.NewPCG(hash.Sum64(), 0)), n.SentAt)
	n.RequestID = base64.StdEncoding.EncodeToString([]byte(n.IUN))
	var sequence int64
	w := &writer{n: n, terms: RealTerms, now: cannedDeposit, sequence: &sequence}
	for _, step := range c.Script {
		if err := w.apply(step); err != nil {
			panic("sandbox: canned script: " + err.Error()) // tested
		}
	}
	return n
}
