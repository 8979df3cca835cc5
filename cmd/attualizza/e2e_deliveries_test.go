package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestDeliveries(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"a receipt is pushed, signed, within two seconds of its acknowledgement": pushed,
		"a delivery is replayed by REST and on the command line":                 replayed,
		"a receiver that was down gets everything once it is up, and is metered": downThenUp,
		"SEND hears of a payment and sends no more paper":                        noMorePaper,
		"SEND hears of a payment that is reported by REST":                       reportedByREST,
		"who is not the sender, or has no key of SEND, tells it nothing":         nothingToTell,
		"a notice that SEND does not know ends the matter":                       unknownToSEND,
	})
}

// deliveries reads by REST what leaves because of a notice, of one kind.
func (e *ente) deliveries(t testing.TB, nav positions.NoticeNumber, kind positions.DeliveryKind) []rest.NoticeDelivery {
	t.Helper()
	var list rest.DeliveryList
	e.mustREST(t, http.MethodGet, fmt.Sprintf("/deliveries?nav=%s&kind=%s", nav, kind), e.key, nil, http.StatusOK, &list)
	return list.Deliveries
}

// delivered waits until the one delivery of a kind about a notice is in a state.
func (e *ente) delivered(t testing.TB, nav positions.NoticeNumber, kind positions.DeliveryKind, state positions.DeliveryState) (d rest.NoticeDelivery) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("what %s wants of notice %s is %s", kind, nav, state), func() bool {
		all := e.deliveries(t, nav, kind)
		if len(all) != 1 {
			t.Fatalf("%d deliveries of kind %s: %s", len(all), kind, show(all))
		}
		d = all[0]
		return d.State == state
	})
	return d
}

func pushed(t *testing.T, h *house) {
	r := newReceiver(t)
	e := h.ente(t, pushesTo(r))
	d := e.publish(t, oneLetter)
	receipt := e.pay(t, d)
	acknowledged := time.Now()
	id := receipt.Receipt.ReceiptID
	eventually(t, 2*time.Second, "the receipt arrives", func() bool { return len(r.of(id)) == 1 })
	t.Logf("%s after its acknowledgement", r.of(id)[0].from.Sub(acknowledged).Round(time.Millisecond))

	got := e.delivered(t, d.nav, positions.DeliverReceipt, positions.DeliveryDelivered)
	if got.Attempts != 1 || got.LastStatus == nil || *got.LastStatus != http.StatusOK || got.LastError != nil || got.EndedAt == nil ||
		got.ReceiptID == nil || *got.ReceiptID != id || r.of(id)[0].id != fmt.Sprintf("delivery_%d_%d", got.ID, got.CreatedAt.UnixMicro()) {
		t.Errorf("the delivery reads %s, the receiver saw %s", show(got), r.of(id)[0].id)
	}
	var kept rest.Receipt
	e.mustREST(t, http.MethodGet, "/receipts/"+id, e.key, nil, http.StatusOK, &kept)
	if a, b := show(r.of(id)[0].receipt), show(kept); a != b || kept.PaymentAmount != d.amount+1424 {
		t.Errorf("the receiver was told\n%s\nand reads\n%s", a, b)
	}

	e.accepted(t, receipt) // the Nodo sends it again
	second := *receipt.Receipt
	second.ReceiptID += "-2"
	again := *receipt
	again.Receipt = &second
	e.accepted(t, &again) // the money comes twice
	eventually(t, 20*time.Second, "the second payment arrives", func() bool { return len(r.of(second.ReceiptID)) == 1 })
	if flags := r.of(second.ReceiptID)[0].receipt.Flags; !slices.Contains(flags, positions.FlagAlreadyPaid) {
		t.Errorf("the second payment is flagged %v", flags)
	}
	if n := len(r.seen()); n != 2 {
		t.Errorf("%d attempts for two receipts", n)
	}
}

func replayed(t *testing.T, h *house) {
	r := newReceiver(t)
	e := h.ente(t, pushesTo(r))
	d := e.publish(t, digital)
	id := e.pay(t, d).Receipt.ReceiptID
	first := e.delivered(t, d.nav, positions.DeliverReceipt, positions.DeliveryDelivered)

	var again rest.NoticeDelivery
	e.mustREST(t, http.MethodPost, fmt.Sprintf("/deliveries/%d/replay", first.ID), e.key, nil, http.StatusOK, &again)
	if again.ID != first.ID || again.State != positions.DeliveryPending {
		t.Errorf("replayed it reads %s", show(again))
	}
	eventually(t, 10*time.Second, "it arrives again", func() bool { return len(r.of(id)) == 2 })
	e.delivered(t, d.nav, positions.DeliverReceipt, positions.DeliveryDelivered)
	var count rest.Replayed
	e.mustREST(t, http.MethodPost, "/deliveries/replay", e.key, object{"state": "DELIVERED", "kind": "RECEIPT"}, http.StatusOK, &count)
	if count.Replayed != 1 {
		t.Errorf("%d deliveries are replayed", count.Replayed)
	}
	eventually(t, 10*time.Second, "it arrives a third time", func() bool { return len(r.of(id)) == 3 })
	e.delivered(t, d.nav, positions.DeliverReceipt, positions.DeliveryDelivered)

	command := h.command(t, "deliveries", "replay", strconv.FormatInt(first.ID, 10))
	said, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "to be delivered again: 1;") {
		t.Fatalf("%v: %s", err, said)
	}
	began := time.Now()
	eventually(t, 10*time.Second, "the running service finds it", func() bool { return len(r.of(id)) == 4 }) // it looks every second
	slowest.note("a replay on the command line is found", time.Since(began))
	e.delivered(t, d.nav, positions.DeliverReceipt, positions.DeliveryDelivered)
	for _, a := range r.of(id) {
		if a.id != r.of(id)[0].id {
			t.Errorf("identifiers %s and %s", a.id, r.of(id)[0].id)
		}
	}
	e.mustREST(t, http.MethodGet, "/deliveries/"+strconv.FormatInt(first.ID, 10), e.key, nil, http.StatusOK, &again)
	if again.State != positions.DeliveryDelivered || again.Attempts != 1 {
		t.Errorf("in the end it reads %s", show(again))
	}
}

// command is the program beside the service, on its database.
func (h *house) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "ATTUALIZZA_DATABASE_URL=" + string(h.cfg.DatabaseURL)}
	c.Dir = t.TempDir()
	return c
}

func downThenUp(t *testing.T, h *house) {
	r := newReceiver(t)
	r.answers(func(a attempt) int {
		if a.number == 1 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		return http.StatusServiceUnavailable
	})
	e := h.ente(t, pushesTo(r))
	d := e.publish(t, digital)
	first := e.receipt(t, d, pafornode.GetPaymentV2)
	second := *first
	second.Receipt = new(*first.Receipt)
	second.Receipt.ReceiptID += "-2"
	e.accepted(t, first)
	e.accepted(t, &second)
	eventually(t, 20*time.Second, "it was tried three times", func() bool { return len(r.seen()) == 3 }) // after 1 s, and 5 s
	if n := len(r.of(second.Receipt.ReceiptID)); n != 0 {
		t.Errorf("the second receipt was tried before the first had arrived, %d times", n)
	}
	var waiting []rest.NoticeDelivery
	eventually(t, 5*time.Second, "the third attempt is on record", func() bool {
		waiting = e.deliveries(t, d.nav, positions.DeliverReceipt)                                            // newest first
		return len(waiting) == 2 && waiting[1].DueAt != nil && time.Until(*waiting[1].DueAt) > 20*time.Second // in 30
	})
	if w := waiting[1]; w.State != positions.DeliveryPending || w.Attempts != 3 || w.LastStatus == nil || *w.LastStatus != http.StatusServiceUnavailable || w.LastError == nil {
		t.Errorf("it reads %s", show(w))
	}
	const pending, oldest = "attualizza_deliveries_pending", "attualizza_deliveries_oldest_seconds"
	eventually(t, 20*time.Second, "the backlog is metered", func() bool { // looked at every 15 s
		return h.gauge(t, pending, "RECEIPT") >= 2 && h.gauge(t, oldest, "RECEIPT") > 3
	})
	if h.gauge(t, pending, "SEND_PAYMENT") < 0 || h.gauge(t, oldest, "SEND_PAYMENT") < 0 {
		t.Error("the backlog of SEND is not metered")
	}

	r.answers(takes)
	e.mustREST(t, http.MethodPost, "/deliveries/replay", e.key, object{"state": "PENDING"}, http.StatusOK, nil)
	eventually(t, 20*time.Second, "both arrive", func() bool { return len(r.taken()) == 2 })
	if got := r.taken(); got[0].receipt.ReceiptID != first.Receipt.ReceiptID || got[1].receipt.ReceiptID != second.Receipt.ReceiptID {
		t.Errorf("they arrived as %s, %s", got[0].receipt.ReceiptID, got[1].receipt.ReceiptID)
	}
}

// gauge reads a metric of the deliveries of one kind; -1 when it is not there.
func (h *house) gauge(t *testing.T, name, kind string) float64 {
	t.Helper()
	_, page := h.get(t, "ops", "/metrics")
	found := regexp.MustCompile(`(?m)^` + name + `\{kind="` + kind + `"\} (\S+)$`).FindStringSubmatch(page)
	if found == nil {
		return -1
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// SEND sends no paper once it knows of the payment (SEND, "Pagamenti pagoPA"): the
// second attempt of a letter is not made.
func noMorePaper(t *testing.T, h *house) {
	e := h.ente(t)
	paid, owed := e.publish(t, digital), e.publish(t, digital)
	first, other := e.notifies(t, paid), e.notifies(t, owed)
	letter := sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003}
	for _, n := range []*notification{first, other} {
		n.step(sandbox.Step{Event: sandbox.Accept}, letter)
	}
	receipt := e.pay(t, paid)
	eventually(t, 20*time.Second, "SEND is told", func() bool { return first.tells(sandbox.PaymentReceived) })
	got := e.delivered(t, paid.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
	if got.LastStatus == nil || *got.LastStatus != http.StatusNoContent || got.Amount == nil || *got.Amount != paid.amount+1424 ||
		got.ReceiptID == nil || *got.ReceiptID != receipt.Receipt.ReceiptID {
		t.Errorf("the delivery reads %s", show(got))
	}
	if told := first.payment(); told != paid.amount+1424 {
		t.Errorf("SEND was told of %s", told)
	}
	for _, n := range []*notification{first, other} {
		n.step(sandbox.Step{Event: sandbox.ElapseTime, For: sandbox.Duration(10 * 24 * time.Hour)}, sandbox.Step{Event: sandbox.AnalogFail})
	}
	if _, err := h.sim.Advance(first.iun, letter); err == nil {
		t.Error("the second letter leaves though the notice is paid")
	}
	other.step(letter)
}

// payment is what SEND was told was paid, 0 for nothing.
func (n *notification) payment() money.Cents {
	n.t.Helper()
	now, err := n.sim.Notification(n.iun)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range now.Timeline {
		if e.Category == sandbox.PaymentReceived {
			return *e.Details.Amount
		}
	}
	return 0
}

func reportedByREST(t *testing.T, h *house) {
	for name, report := range map[string]func(e *ente, nav string){
		"…/pay": func(e *ente, nav string) {
			e.mustREST(t, http.MethodPost, "/paymentoptions/"+nav+"/pay", e.key,
				object{"paymentMethod": "contanti", "pspCompany": "Tesoriere", "idReceipt": "q-1", "fee": "0"}, http.StatusOK, nil)
		},
		"…/paids/{nav}": func(e *ente, nav string) {
			e.mustREST(t, http.MethodPost, "/paymentoptions/paids/"+nav, e.key, object{}, http.StatusOK, nil)
		},
	} {
		r := newReceiver(t)
		e := h.ente(t, pushesTo(r))
		d := e.publish(t, digital)
		n := e.notifies(t, d)
		n.step(sandbox.Step{Event: sandbox.Accept}, sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+1424)
		report(e, string(d.nav))
		eventually(t, 20*time.Second, name+" is told to SEND", func() bool { return n.tells(sandbox.PaymentReceived) })
		if told := n.payment(); told != d.amount+1424 {
			t.Errorf("%s: SEND was told of %s", name, told)
		}
		e.delivered(t, d.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
		if own := e.deliveries(t, d.nav, positions.DeliverReceipt); len(own) != 0 || len(r.seen()) != 0 {
			t.Errorf("%s: the debt system is told what it told: %s", name, show(own))
		}
	}
}

// told is how often SEND got payment events under an organization's key.
func (e *ente) told() (n int) {
	for _, r := range e.h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPaymentEvents}) {
		if r.KeyName == e.fiscalCode {
			n++
		}
	}
	return n
}

func nothingToTell(t *testing.T, h *house) {
	sender := h.ente(t)
	of := func(code string) func(_, option object) {
		return func(_, option object) { option["senderFiscalCode"] = code }
	}
	own, relay := h.ente(t), h.relayed(t, positions.RelayNative, sandbox.RelayAccount{})
	for _, c := range []struct {
		name  string
		e     *ente
		d     debt
		tells bool
	}{
		{"another administration notifies", own, own.publish(t, digital, of(sender.fiscalCode)), false},
		{"it notifies itself, and says so", own, own.publish(t, digital, of(own.fiscalCode)), true},
		{"SEND does not notify", own, own.publish(t, digital, withoutSEND), false},
		{"a relay is asked, without a key of SEND", relay, relay.publish(t, digital), false},
	} {
		r := c.e.pay(t, c.d)
		if c.tells {
			c.e.delivered(t, c.d.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
		} else if all := c.e.deliveries(t, c.d.nav, positions.DeliverToSEND); len(all) != 0 {
			t.Errorf("%s: it tells %s", c.name, show(all))
		}
		if len(c.e.kept(t, c.d.nav)) != 1 {
			t.Errorf("%s: receipt %s is not kept", c.name, r.Receipt.ReceiptID)
		}
	}
	time.Sleep(time.Second) // for whoever would tell
	if own.told() != 1 || relay.told() != 0 || sender.told() != 0 {
		t.Errorf("SEND was told %d, %d and %d times", own.told(), relay.told(), sender.told())
	}

	// With a key, payments are told to SEND beside the relay.
	relay.body["send"].(object)["apiKey"] = relay.sendKey
	relay.register(t, http.StatusOK)
	d := relay.publish(t, digital)
	relay.pay(t, d)
	relay.delivered(t, d.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
}

func unknownToSEND(t *testing.T, h *house) {
	const nothing = 77 // of which the simulator knows nothing
	e := h.ente(t)
	d := e.publish(t, nothing)
	e.pay(t, d)
	got := e.delivered(t, d.nav, positions.DeliverToSEND, positions.DeliveryEnded)
	if got.LastStatus == nil || *got.LastStatus != http.StatusNotFound || got.Attempts != 1 || got.EndedAt == nil || got.LastError == nil {
		t.Errorf("it reads %s", show(got))
	}
}
