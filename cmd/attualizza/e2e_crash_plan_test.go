package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// story is all that the Nodo sends about one notice, one message after the
// other: the next one leaves when the last one was answered. A story is written
// before anything is sent and its messages depend on the seed alone, but for
// what an activation answers.
type story struct {
	e       *ente
	d       debt
	unknown bool   // no such notice exists here
	bound   bool   // SEND notifies the notice
	iun     string // of its notification; empty: SEND does not know the notice
	steps   []step

	// What happened, written by the one client that tells the story.
	payment  *pafornode.Payment // the amount that was activated last
	receipts []*sentReceipt     // those that were sent, in this order
	answers  []toldAmount
}

// unnotified is a kind of notice that SEND knows nothing of, unless a notification
// is registered for it.
const unnotified = 50

// step is one message.
type step struct {
	kind stepKind
	once bool // a receipt that is not sent again when no answer comes
	of   int  // which receipt, of a repetition
}

type stepKind int

const (
	activates stepKind = iota
	pays               // a receipt with a receiptId of its own
	repeats            // a receipt that was acknowledged, sent again as it was
	isLate             // an activation of what is paid
)

// sentReceipt is a receipt and whether it was acknowledged.
type sentReceipt struct {
	id           string
	request      *pafornode.Request
	message      []byte
	acknowledged bool
}

// toldAmount is an answer to an activation, and between which instants the
// request must have arrived.
type toldAmount struct {
	sent, answered time.Time
	took           time.Duration
	outcome, fault string
	amount         money.Cents
}

// plan writes stories of so many messages in all.
func plan(random *rand.Rand, messages int) []*story {
	var all []*story
	for messages > 0 {
		s := newStory(random)
		s.steps = s.steps[:min(messages, len(s.steps))]
		messages -= len(s.steps)
		all = append(all, s)
	}
	return all
}

func newStory(random *rand.Rand) *story {
	chance := func(percent int) bool { return random.IntN(100) < percent }
	s := &story{unknown: chance(8)}
	s.bound = !s.unknown && chance(40)
	if !s.unknown {
		s.steps = append(s.steps, step{kind: activates})
		if chance(20) {
			s.steps = append(s.steps, step{kind: activates})
		}
		if chance(15) {
			return s // nobody pays
		}
	}
	receipts := 1
	for receipts < 5 && chance(45) {
		receipts++
	}
	for i := range receipts {
		last := i == receipts-1
		once := last && chance(25)
		s.steps = append(s.steps, step{kind: pays, once: once})
		if once {
			break // whether it is there nobody knows, so that nothing may follow
		}
		if chance(20) {
			s.steps = append(s.steps, step{kind: repeats, of: random.IntN(i + 1)})
		}
		if last && !s.unknown && chance(25) {
			s.steps = append(s.steps, step{kind: isLate})
		}
	}
	return s
}

// publish gives the stories to organizations and notices, publishes the notices
// and lets SEND notify those that are bound, but for some.
func (c *crash) publish(t *testing.T, random *rand.Rand) {
	t.Helper()
	positionsOf := map[*ente][]object{}
	for _, s := range c.stories {
		s.e = c.enti[random.IntN(len(c.enti))]
		var position object
		s.d, position = s.e.position(t, unnotified, func(_, option object) { option["sendBound"] = s.bound })
		if s.unknown {
			continue
		}
		positionsOf[s.e] = append(positionsOf[s.e], position)
		if s.bound && random.IntN(10) > 0 {
			n, err := c.sim.Notify(sandbox.Request{SenderTaxID: s.e.fiscalCode, Script: "digital-viewed", Recipients: []sandbox.RecipientRequest{
				{Payments: []sandbox.Payment{{CreditorTaxID: s.e.fiscalCode, NoticeCode: string(s.d.nav)}}},
			}})
			if err == nil {
				n, err = c.sim.Finish(n.IUN)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.iun = n.IUN
		}
	}
	for e, all := range positionsOf {
		for len(all) > 0 {
			n := min(len(all), 100) // GPD's own bound
			e.publishAll(t, all[:n])
			all = all[n:]
		}
	}
}

// activation is the request that begins a payment.
func (s *story) activation() *pafornode.Request { return s.e.request(pafornode.GetPaymentV2, s.d.nav) }

// nextReceipt writes the next receipt of a notice; all of them say the amount
// that was activated.
func (s *story) nextReceipt(now time.Time) *sentReceipt {
	payment := s.payment
	if payment == nil { // of an unknown notice nothing was activated
		payment = &pafornode.Payment{
			CreditorReferenceID: s.d.nav.IUV(), Amount: s.d.amount, Description: "Verbale di prova", CompanyName: "Comune di Prova",
			Debtor: pafornode.Subject{EntityType: "F", EntityCode: debtorCode, FullName: debtorName},
		}
	}
	request := nodo.ReceiptFor(s.activation(), payment, now)
	request.Receipt.ReceiptID = fmt.Sprintf("%s-%d", s.d.nav, len(s.receipts))
	request.Receipt.Payer = &pafornode.Subject{EntityType: "F", EntityCode: payerCode, FullName: payerName}
	r := &sentReceipt{id: request.Receipt.ReceiptID, request: request, message: pafornode.AppendRequest(nil, request)}
	s.receipts = append(s.receipts, r)
	return r
}

// publishAll creates positions together, payable at once, as GPD's version 2 does.
func (e *ente) publishAll(t testing.TB, all []object) {
	t.Helper()
	status, problem, err := e.callVersion("v2", http.MethodPost, "/debtpositions?toPublish=true", e.key, object{"paymentPositions": all}, nil)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("POST %d positions: %d %+v %v", len(all), status, problem, err)
	}
}

// String names the notice in errors.
func (s *story) String() string { return fmt.Sprintf("notice %s of %s", s.d.nav, s.e.fiscalCode) }

// noted is how often SEND has noted the payment of the notice.
func (s *story) noted() (times int, err error) {
	n, err := s.e.h.sim.Notification(s.iun)
	if err != nil {
		return 0, err
	}
	for _, e := range n.Timeline {
		if e.Category == sandbox.PaymentReceived && e.Details.NoticeCode == string(s.d.nav) {
			times++
		}
	}
	return times, nil
}
