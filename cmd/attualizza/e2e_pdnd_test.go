package main

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// Faults of the token endpoint concern every client of it: these scenarios run
// one after the other, on a house of their own.
func TestVouchers(t *testing.T) {
	t.Parallel()
	for _, deploy := range deployments {
		t.Run(deploy.name, func(t *testing.T) {
			t.Parallel()
			database, redis := deploy.start(t)
			h := newHouse(t, database, redis)
			for _, scenario := range []struct {
				name string
				run  func(*testing.T, *house)
			}{
				{"one voucher serves many notices", oneVoucher},
				{"PDND down at first is waited for in the background", pdndDown},
				{"PDND hanging costs no answer its budget", pdndHanging},
				{"one organization's wrong key is its own trouble", wrongKey},
			} {
				t.Run(scenario.name, func(t *testing.T) {
					scenario.run(t, h)
					h.nothingPersonal(t)
				})
			}
		})
	}
}

// tokens is how many vouchers a client asked PDND for.
func (e *ente) tokens() (n int) {
	id := e.body["send"].(object)["pdnd"].(object)["clientId"]
	for _, r := range e.h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointToken}) {
		if r.ClientID == id {
			n++
		}
	}
	return n
}

func oneVoucher(t *testing.T, h *house) {
	e := h.ente(t, h.withVoucher(t))
	for range 3 {
		d := e.publish(t, digital)
		reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+200)
		e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
		for _, r := range h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice, NoticeCode: string(d.nav)}) {
			if !r.Voucher {
				t.Error("a price was asked without the voucher")
			}
		}
	}
	if n := e.tokens(); n != 1 {
		t.Errorf("PDND was asked for %d vouchers", n)
	}
}

func pdndFails(t *testing.T, h *house, f sandbox.Fault) (mend func()) {
	t.Helper()
	f.Endpoint = sandbox.EndpointToken
	got, err := h.sim.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := h.sim.ClearFault(got.ID); err != nil {
			t.Error(err)
		}
	}
}

func pdndDown(t *testing.T, h *house) {
	mend := pdndFails(t, h, sandbox.Fault{Kind: sandbox.Reset})
	e := h.ente(t, h.withVoucher(t))
	d := e.publish(t, digital)
	for range 20 {
		reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wants(t, reply, d.amount)
		if a := e.wantsSource(t, d.nav, reply, positions.SourceNone, 0); a.Send == nil || *a.Send.Code != string(sendclient.KindNoVoucher) {
			t.Errorf("on record is %s", show(a.Send))
		}
	}
	if n := e.tokens(); n > 3 {
		t.Errorf("PDND, which is down, was asked %d times within moments", n)
	}
	if n := e.calls(d); n != 0 {
		t.Errorf("SEND was called %d times without a voucher", n)
	}
	mend()
	e.recoversWithin(t, d, 10*time.Second)
}

func pdndHanging(t *testing.T, h *house) {
	mend := pdndFails(t, h, sandbox.Fault{Kind: sandbox.Hang})
	e := h.ente(t, h.withVoucher(t))
	d := e.publish(t, digital)
	for _, op := range bothWays {
		reply := e.ask(t, op, d.nav)
		wants(t, reply, d.amount)
		e.wantsSource(t, d.nav, reply, positions.SourceNone, 0)
		slowest.note("PDND hanging, first voucher", reply.Took)
	}
	mend()
	e.recoversWithin(t, d, 15*time.Second)
}

func wrongKey(t *testing.T, h *house) {
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	right := h.ente(t, h.withVoucher(t), askEveryTime)
	wrong := h.ente(t, h.withVoucher(t), askEveryTime, func(body object) {
		id := body["send"].(object)["pdnd"].(object)["clientId"].(string)
		if err := h.sim.RegisterClient(sandbox.Client{ID: id, Purposes: []string{"purpose"}, Keys: map[string]*rsa.PublicKey{"kid": &stranger.PublicKey}}); err != nil {
			t.Fatal(err)
		}
	})
	unwanted := h.ente(t, h.withVoucher(t), askEveryTime) // its key for SEND wants no voucher
	if err := h.sim.RegisterKey(sandbox.APIKey{Name: unwanted.fiscalCode, Value: unwanted.sendKey, SenderTaxID: unwanted.fiscalCode, PDND: sandbox.VoucherForbidden}); err != nil {
		t.Fatal(err)
	}
	good, bad, worse := right.publish(t, digital), wrong.publish(t, digital), unwanted.publish(t, digital)
	for range 10 {
		reply := right.ask(t, pafornode.GetPaymentV2, good.nav)
		wants(t, reply, good.amount+200)
		right.wantsSource(t, good.nav, reply, positions.SourceLive, 200)

		reply = wrong.ask(t, pafornode.GetPaymentV2, bad.nav)
		wants(t, reply, bad.amount)
		wrong.wantsSource(t, bad.nav, reply, positions.SourceNone, 0)

		reply = unwanted.ask(t, pafornode.GetPaymentV2, worse.nav)
		wants(t, reply, worse.amount)
		unwanted.wantsSource(t, worse.nav, reply, positions.SourceNone, 0)
	}
	if n := wrong.tokens(); n > 3 {
		t.Errorf("PDND was asked %d times with a key that it refuses", n)
	}
	if n := wrong.calls(bad); n != 0 {
		t.Errorf("SEND was called %d times without a voucher", n)
	}
	if n := unwanted.calls(worse); n != 1 {
		t.Errorf("SEND was called %d times with a voucher that it refuses", n)
	}
	if n := right.calls(good); n != 10 {
		t.Errorf("SEND was called %d times for the organization that is in order, of 10", n)
	}
}
