package soap

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestAnActivationIsHeldAgainstTheVerifyBeforeIt(t *testing.T) {
	d, m := metered(t)
	by, refusal := money.Cents(0), positions.Payable
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		q := payable()
		q.Refusal = refusal
		q.Amount += by
		q.Transfers[0].Amount += by
		return q, nil
	}
	asks := func(op pafornode.Operation, more money.Cents, why positions.Refusal) {
		t.Helper()
		by, refusal = more, why
		_, answer := d.ask(t, op, nil)
		if want := map[bool]string{true: "OK", false: "KO"}[why == positions.Payable]; answer.Outcome != want {
			t.Fatalf("%v: %s %v", op, answer.Outcome, answer.Fault)
		}
	}
	asks(pafornode.GetPaymentV2, 5, positions.Payable) // nobody verified it before
	asks(pafornode.VerifyPaymentNotice, 0, positions.Payable)
	asks(pafornode.GetPaymentV2, 0, positions.Payable)
	asks(pafornode.GetPayment, 300, positions.Payable)
	asks(pafornode.VerifyPaymentNotice, 900, positions.RefusedExpired) // tells no amount
	asks(pafornode.GetPaymentV2, 900, positions.RefusedExpired)        // asks for none
	asks(pafornode.VerifyPaymentNotice, 100, positions.Payable)        // the last one is what the payer knows
	asks(pafornode.GetPaymentV2, 60, positions.Payable)
	asks(pafornode.SendRTV2, 60, positions.Payable)
	says(t, scraped(t, m),
		`attualizza_verified_then_activated_total{result="same"} 1`,
		`attualizza_verified_then_activated_total{result="more"} 1`,
		`attualizza_verified_then_activated_total{result="less"} 1`,
		`attualizza_amount_drift_cents_total{direction="up"} 300`,
		`attualizza_amount_drift_cents_total{direction="down"} 40`,
	)
}

func TestWhatAVerifyToldIsForgottenInTime(t *testing.T) {
	var m told
	began := time.Now()
	k := toldKey{1}
	m.remember(k, 100, began)
	m.remember(toldKey{2}, 200, began.Add(generation-1))
	for after, want := range map[time.Duration]bool{0: true, generation - 1: true} {
		if amount, ok := m.recall(k, began.Add(after)); ok != want || amount != 100 {
			t.Errorf("after %v: %v %v", after, amount, ok)
		}
	}
	if amount, ok := m.recall(k, began.Add(generation)); !ok || amount != 100 {
		t.Errorf("forgotten by the next generation: %v %v", amount, ok)
	}
	m.remember(k, 300, began.Add(generation)) // what is told last is what counts
	if amount, _ := m.recall(k, began.Add(generation)); amount != 300 {
		t.Errorf("%v is remembered in place of what was told last", amount)
	}
	if _, ok := m.recall(toldKey{2}, began.Add(2*generation)); ok {
		t.Error("it is remembered beyond two generations")
	}
	if amount, ok := m.recall(k, began.Add(2*generation)); !ok || amount != 300 {
		t.Errorf("%v %v", amount, ok)
	}
	if _, ok := m.recall(k, began.Add(time.Hour)); ok {
		t.Error("it is remembered after a pause of an hour, in which nothing turned the generations")
	}
}

func TestWhatIsRememberedOfVerifiesIsBounded(t *testing.T) {
	var m told
	now := time.Now()
	numbered := func(i int) (k toldKey) {
		binary.BigEndian.PutUint64(k[:], uint64(i))
		return k
	}
	const many = 10 * mostGeneration
	for i := range many {
		m.remember(numbered(i), money.Cents(i), now)
		if n := len(m.young) + len(m.old); n > 2*mostGeneration {
			t.Fatalf("%d notices are remembered", n)
		}
	}
	for i := many - mostGeneration; i < many; i++ {
		if amount, ok := m.recall(numbered(i), now); !ok || amount != money.Cents(i) {
			t.Fatalf("number %d of %d is forgotten", i, many)
		}
	}
	if _, ok := m.recall(numbered(0), now); ok {
		t.Error("the first is remembered yet")
	}
}
