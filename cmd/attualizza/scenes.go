package main

import (
	"context"
	"fmt"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// scene is one case worth seeing: a position, and what the Nodo is told.
type scene struct {
	title   string
	nav     positions.NoticeNumber
	amount  money.Cents
	bound   bool
	due     time.Time
	expires bool
	stamp   bool
	fine    bool // less 30% for five days, 347.50 after sixty
	pays    bool // its receipt is played in the end
	before  func(ctx context.Context, stage *stage, sim *simulator, s *scene) error

	wantRules, wantFee   money.Cents         // what the amount rules add, negative to take; the fee
	wantVerify, wantThen positions.FeeSource // of the verify and of the activation
	wantFault            string
	verify, activation   *nodo.Reply
	said                 []positions.Answer // the journal, oldest first
	lines                []string           // why it costs that much, when rules say so
	problem              string
}

// demoScenes are nine positions. The notice numbers' prefixes choose what the
// simulator says about them; testers know them from pagoPA's mock of an EC.
func demoScenes(now time.Time) []scene {
	due := now.AddDate(0, 1, 0)
	nav := func(base int64) positions.NoticeNumber {
		n, err := positions.NewNoticeNumber(2, base)
		if err != nil {
			panic(err) // the bases are constants
		}
		return n
	}
	return []scene{
		{
			title: "not SEND-bound", nav: nav(5000000000001), amount: 4250, due: due,
			wantVerify: positions.SourceNotBound, wantThen: positions.SourceNotBound,
		},
		{
			title: "digital notification", nav: nav(1), amount: 10000, bound: true, due: due, pays: true,
			wantFee: 200, wantVerify: positions.SourceLive, wantThen: positions.SourceCache,
		},
		{
			title: "one registered letter", nav: nav(400000000001), amount: 17300, bound: true, due: due,
			wantFee: 1424, wantVerify: positions.SourceLive, wantThen: positions.SourceCache,
		},
		{
			title: "two registered letters", nav: nav(500000000001), amount: 17300, bound: true, due: due,
			wantFee: 2557, wantVerify: positions.SourceLive, wantThen: positions.SourceCache,
		},
		{
			title: "two beneficiaries and a stamp, viewed", nav: nav(6000000000001), amount: 13600, bound: true, due: due, stamp: true,
			wantFee: 200, wantVerify: positions.SourceLive, wantThen: positions.SourceFinal,
		},
		{
			title: "a fine, viewed two days ago: -30%", nav: nav(6000000000002), amount: 17300, bound: true, due: due, fine: true,
			before: viewTwoDaysAgo, wantRules: -5190, wantFee: 200, wantVerify: positions.SourceLive, wantThen: positions.SourceFinal,
		},
		{
			title: "expired", nav: nav(9900000000001), amount: 8000, bound: true, due: now.Add(3 * time.Second), expires: true,
			before: waitForDue, wantFault: string(positions.RefusedExpired),
		},
		{
			title: "SEND down, a price is known", nav: nav(2), amount: 9000, bound: true, due: due,
			before: askThenBreak, wantFee: 200, wantVerify: positions.SourceLastKnown, wantThen: positions.SourceLastKnown,
		},
		{
			title: "SEND down, none is known", nav: nav(9800000000001), amount: 9000, bound: true, due: due,
			wantVerify: positions.SourceNone, wantThen: positions.SourceNone,
		},
	}
}

// sceneOf returns the scene that is what a step needs.
func sceneOf(scenes []scene, is func(*scene) bool) *scene {
	for i := range scenes {
		if is(&scenes[i]) {
			return &scenes[i]
		}
	}
	panic("no such scene") // the scenes are constants
}

// play verifies and activates the notice, then reads the journal.
func (s *scene) play(ctx context.Context, stage *stage, sim *simulator) (err error) {
	if s.before != nil {
		if err := s.before(ctx, stage, sim, s); err != nil {
			return err
		}
	}
	began := time.Now()
	if s.verify, err = stage.ask(ctx, pafornode.VerifyPaymentNotice, s.nav); err != nil {
		return err
	}
	if s.activation, err = stage.ask(ctx, pafornode.GetPaymentV2, s.nav); err != nil {
		return err
	}
	if s.said, err = stage.journal(ctx, s.nav, began, 2); err != nil {
		return err
	}
	if s.wantRules != 0 {
		if s.lines, err = stage.explain(ctx, s.nav); err != nil {
			return err
		}
	}
	s.problem = s.judge()
	return nil
}

// judge compares what the Nodo was told with what the scene expects.
func (s *scene) judge() string {
	for i, reply := range []*nodo.Reply{s.verify, s.activation} {
		if len(reply.Problems) > 0 {
			return "not acceptable for the Nodo: " + reply.Problems[0]
		}
		a := s.said[i]
		want := []positions.FeeSource{s.wantVerify, s.wantThen}[i]
		switch {
		case a.Fault != s.wantFault:
			return fmt.Sprintf("%s: fault %q, expected %q", a.Operation, a.Fault, s.wantFault)
		case s.wantFault != "":
		case a.Source != want || a.NotificationFee != s.wantFee || a.Amount != s.amount+s.wantRules+s.wantFee:
			return fmt.Sprintf("%s: %s + %s = %s from %s, expected %s + %s from %s", a.Operation, a.BaseAmount, a.NotificationFee, a.Amount, a.Source,
				s.amount+s.wantRules, s.wantFee, want)
		}
	}
	if s.wantFault == "" && s.verify.Response.Verify.Amount != s.activation.Response.Payment.Amount {
		return "verify and activation do not agree"
	}
	return ""
}

// waitForDue lets the due date of a scene pass.
func waitForDue(ctx context.Context, _ *stage, _ *simulator, s *scene) error {
	return sleep(ctx, time.Until(s.due)+10*time.Millisecond)
}

// askThenBreak learns the price, lets it grow old and breaks SEND for the
// notice.
func askThenBreak(ctx context.Context, stage *stage, sim *simulator, s *scene) error {
	if _, err := stage.ask(ctx, pafornode.VerifyPaymentNotice, s.nav); err != nil {
		return err
	}
	if err := sleep(ctx, demoFresh); err != nil {
		return err
	}
	_, err := sim.Inject(sandbox.Fault{Kind: sandbox.Hang, NoticeCode: string(s.nav)})
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// viewTwoDaysAgo has SEND notify a scene's notice, and its recipient view it two
// days before now.
func viewTwoDaysAgo(_ context.Context, _ *stage, sim *simulator, s *scene) error {
	n, err := notifyViewed(sim, s.nav)
	if err != nil {
		return err
	}
	_, err = sim.Elapse(n.IUN, 48*time.Hour)
	return err
}

// notifyStamp has SEND notify the notice of the stamp scene, and the recipient
// view it, so that its price is final.
func notifyStamp(sim *simulator, nav positions.NoticeNumber) error {
	_, err := notifyViewed(sim, nav)
	return err
}

func notifyViewed(sim *simulator, nav positions.NoticeNumber) (sandbox.Notification, error) {
	n, err := sim.Notify(sandbox.Request{
		SenderTaxID: demoOrganization, Script: "digital-viewed",
		Recipients: []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: demoOrganization, NoticeCode: string(nav)}}}},
	})
	if err != nil {
		return n, err
	}
	return sim.Finish(n.IUN)
}

// playReceipt pays a scene's notice and asks about it again.
func playReceipt(ctx context.Context, stage *stage, s *scene) (scene, error) {
	again := scene{title: "the digital one, now paid", nav: s.nav, amount: s.amount, wantFault: string(positions.RefusedDuplicate)}
	reply, err := stage.send(ctx, nodo.ReceiptFor(stage.request(pafornode.GetPaymentV2, s.nav), s.activation.Response.Payment, time.Now()))
	if err != nil {
		return again, err
	}
	if !reply.OK() {
		return again, fmt.Errorf("the receipt was not accepted: %v", reply.Problems)
	}
	return again, again.play(ctx, stage, nil)
}
