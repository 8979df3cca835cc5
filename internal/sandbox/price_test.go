package sandbox

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

func TestThePriceIsTheFormulaOfSEND(t *testing.T) {
	for _, c := range []struct {
		name           string
		policy         FeePolicy
		apply          bool
		letters        []money.Cents
		vat            int
		paFee          money.Cents
		partial, total money.Cents
	}{
		{"digital with the default fee", DeliveryMode, true, nil, 22, 100, 100, 200},
		{"digital without the sender's fee", DeliveryMode, true, nil, 22, 0, 100, 100},
		{"one letter", DeliveryMode, true, []money.Cents{1003}, 22, 100, 1103, 1424},
		{"the documentation's two letters", DeliveryMode, true, []money.Cents{969, 963}, 22, 100, 2032, 2557},
		{"VAT on the sum, not on each letter", DeliveryMode, true, []money.Cents{761, 761}, 22, 100, 1622, 2057},
		{"half a cent rounds up", DeliveryMode, true, []money.Cents{850}, 15, 0, 950, 1078},
		{"less than half a cent rounds down", DeliveryMode, true, []money.Cents{1}, 49, 0, 101, 101},
		{"no VAT", DeliveryMode, true, []money.Cents{2496}, 0, 1, 2596, 2597},
		{"VAT as high as the cost", DeliveryMode, true, []money.Cents{2496}, 100, 100, 2596, 5192},
		{"a notice that does not apply the cost", DeliveryMode, false, []money.Cents{857}, 22, 100, 0, 0},
		{"flat rate", FlatRate, false, []money.Cents{857}, 10, 100, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Options{})
			payments := []Payment{{creditor, notice, &c.apply}}
			if c.policy == DeliveryMode && !c.apply { // another notice must carry the cost
				payments = append(payments, Payment{creditor, "302000100000019999", new(true)})
			}
			n, err := b.Notify(Request{
				SenderTaxID: sender, FeePolicy: c.policy, VAT: &c.vat, PaFee: &c.paFee,
				Recipients: []RecipientRequest{{Payments: payments}},
			})
			b.must(err)
			b.do(n.IUN, Step{Event: Accept})
			var sum money.Cents
			for i, cost := range c.letters {
				if i > 0 {
					b.do(n.IUN, Step{Event: AnalogFail})
				}
				b.do(n.IUN, Step{Event: AnalogSend, Cost: cost})
				sum += cost
			}
			var got Price
			b.must(json.Unmarshal([]byte(b.ask(creditor, notice).body), &got))
			want := Price{IUN: n.IUN, PartialPrice: c.partial, TotalPrice: c.total, VAT: c.vat, PaFee: c.paFee, SendFee: 100, AnalogCost: sum}
			if got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestAPriceIsWrittenAsSENDWritesIt(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("digital-viewed")
	_, err := b.Finish(n.IUN)
	b.must(err)
	got := b.ask(creditor, notice)
	want := `{"iun":"` + n.IUN + `","partialPrice":100,"totalPrice":200,"vat":22,"paFee":100,` +
		`"refinementDate":"2026-02-16T23:59:59.999999999+01:00","notificationViewDate":"2026-02-10T23:59:59.999999999+01:00",` +
		`"sendFee":100,"analogCost":0}`
	if got.status != 200 || got.body != want {
		t.Errorf("got %d %s\nwant %s", got.status, got.body, want)
	}
}

func TestADateIsTheEndOfTheDayInRome(t *testing.T) {
	for instant, want := range map[string]string{
		"2026-02-10T09:00:00Z": "2026-02-10T23:59:59.999999999+01:00",
		"2026-02-10T23:30:00Z": "2026-02-11T23:59:59.999999999+01:00", // past midnight in Rome
		"2026-07-10T22:30:00Z": "2026-07-11T23:59:59.999999999+02:00",
		"2026-03-28T22:00:00Z": "2026-03-28T23:59:59.999999999+01:00", // the night the clocks go forward
		"2026-03-29T00:30:00Z": "2026-03-29T23:59:59.999999999+02:00",
		"2026-10-25T00:30:00Z": "2026-10-25T23:59:59.999999999+01:00",
	} {
		at, err := time.Parse(time.RFC3339, instant)
		if err != nil {
			t.Fatal(err)
		}
		if got := endOfDay(at); got != want {
			t.Errorf("%s: got %s, want %s", instant, got, want)
		}
	}
}

func TestAMessageDeliveredInTheEveningCountsFromTheNextDay(t *testing.T) {
	for delivered, want := range map[string]string{
		"2026-02-09T19:59:59Z": "2026-02-16", // 20:59:59 in Rome
		"2026-02-09T20:00:00Z": "2026-02-17", // 21:00 in Rome
		"2026-07-01T18:59:59Z": "2026-07-08",
		"2026-07-01T19:00:00Z": "2026-07-09",
	} {
		at, err := time.Parse(time.RFC3339, delivered)
		if err != nil {
			t.Fatal(err)
		}
		if got := endOfDay(RealTerms.afterDigitalSuccess(at)); !strings.HasPrefix(got, want) {
			t.Errorf("delivered %s: refined %s, want %s", delivered, got, want)
		}
	}
}

func TestEachRecipientHasItsOwnPriceAndEachOfItsNoticesTheWholeCost(t *testing.T) {
	b := newBench(t, Options{})
	code := func(last string) string { return "30200010000001942" + last }
	n, err := b.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{
		{Payments: []Payment{{creditor, code("1"), nil}}},
		{Payments: []Payment{{creditor, code("2"), nil}, {creditor, code("3"), nil}, {creditor, code("4"), new(false)}}},
	}})
	b.must(err)
	b.do(n.IUN, Step{Event: Accept},
		Step{Event: DigitalSend, Recipient: new(0)},
		Step{Event: AnalogSend, Recipient: new(1), Cost: 969}, Step{Event: AnalogFail, Recipient: new(1)},
		Step{Event: AnalogSend, Recipient: new(1), Cost: 963})
	for last, want := range map[string]money.Cents{"1": 200, "2": 2557, "3": 2557, "4": 0} {
		var got Price
		b.must(json.Unmarshal([]byte(b.ask(creditor, code(last)).body), &got))
		if got.TotalPrice != want || got.IUN != n.IUN {
			t.Errorf("notice %s: got %+v, want total %d", last, got, want)
		}
	}
	if n, _ := b.Notification(n.IUN); n.Recipients[0].Phase != PhaseDigitalSent || n.Recipients[1].Phase != PhaseAnalogSent {
		t.Errorf("phases: %+v", n.Recipients)
	}
}

func TestTheSameCodeUnderTwoCreditorsTakesTheFirstFlag(t *testing.T) {
	b := newBench(t, Options{})
	const other = "88888888888"
	n, err := b.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{
		{Payments: []Payment{{creditor, notice, new(true)}, {other, notice, new(false)}}},
	}})
	b.must(err)
	b.do(n.IUN, Step{Event: Accept})
	if p, _ := b.Price(other, notice); p.TotalPrice != 200 {
		t.Errorf("got %+v", p)
	}
}

func TestAnUnanswerableNoticeSaysWhy(t *testing.T) {
	b := newBench(t, Options{})
	check := func(when string, want string) {
		t.Helper()
		got := b.ask(creditor, notice)
		if got.status != 404 || !strings.Contains(got.body, `"code":"`+want+`"`) || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %s, want %s", when, got.status, got.body, want)
		}
	}
	if got := b.ask(creditor, "302300100000019421"); !strings.Contains(got.body, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND") {
		t.Errorf("never notified: got %d %s", got.status, got.body)
	}
	n := b.one("")
	check("deposited", "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED")
	b.do(n.IUN, Step{Event: Accept}, Step{Event: RequestCancellation})
	check("cancellation requested", "PN_DELIVERY_NOTIFICATION_CANCELLED")
	b.do(n.IUN, Step{Event: Cancel})
	check("cancelled", "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND")
	second := b.one("") // the notice is free again
	if second.IUN == n.IUN {
		t.Error("the second notification has the IUN of the first")
	}
	b.do(second.IUN, Step{Event: Refuse})
	check("refused", "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND")
	third := b.one("")
	b.do(third.IUN, Step{Event: Accept})
	b.must(b.Orphan(third.IUN))
	check("orphaned", "PN_DELIVERY_NOTIFICATIONNOTFOUND")
}

func TestMalformedParametersAreRefusedByTheGateway(t *testing.T) {
	b := newBench(t, Options{})
	for _, path := range []string{
		"/7777777777/" + notice, "/777777777777/" + notice, "/7777777777A/" + notice,
		"/" + creditor + "/30200010000001942", "/" + creditor + "/3020001000000194211", "/" + creditor + "/30200010000001942X",
	} {
		r := b.send("GET", "/delivery/v2.3/price"+path, map[string]string{"X-Api-Key": plainKey, "X-Request-Id": "mine"}, "")
		if r.status != 400 || !strings.Contains(r.body, `"title":"VALIDATION ERROR"`) || r.header.Get("X-Request-Id") != "mine" {
			t.Errorf("%s: got %d %s", path, r.status, r.body)
		}
	}
}

func TestCannedOutcomes(t *testing.T) {
	b := newBench(t, Options{})
	for prefix, want := range map[string]string{
		"30200": `"totalPrice":200,"vat":22,"paFee":100,"sendFee":100,"analogCost":0}`,
		"30204": `"totalPrice":1424,"vat":22,"paFee":100,"sendFee":100,"analogCost":1003}`,
		"30205": `"totalPrice":2557,"vat":22,"paFee":100,"sendFee":100,"analogCost":1932}`,
		"30210": "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED",
		"30211": "PN_DELIVERY_NOTIFICATION_CANCELLED",
		"30295": `"notificationViewDate":"2024-01-15T23:59:59.999999999+01:00","sendFee":100`,
		"30299": `"totalPrice":200,"vat":22,"paFee":100,"refinementDate":"2024-01-15T23:59:59.999999999+01:00","sendFee":100`,
		"30294": "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND",
		"00200": "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND",
	} {
		got := b.ask(creditor, prefix+"1000000194219"[:13])
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: got %s, want %s", prefix, got.body, want)
		}
		if again := b.ask(creditor, prefix+"1000000194219"[:13]); got.status == 200 && again.body != got.body {
			t.Errorf("%s: %s then %s", prefix, got.body, again.body)
		}
	}
	if paid := b.cannedNotification(noticeKey{creditor, "302951000000194219"}); !paid.noticePaid(noticeKey{creditor, "302951000000194219"}) {
		t.Error("30295 has no PAYMENT in its timeline")
	}
	n := b.one("") // a registered notification comes before the table
	if got := b.ask(creditor, notice); !strings.Contains(got.body, "NOT_ACCEPTED") {
		t.Errorf("%s: got %s", n.IUN, got.body)
	}
}

func TestARegisteredNoticeHasNoCannedFault(t *testing.T) {
	b := newBench(t, Options{})
	const unreachable = "302970000000019421"
	n, err := b.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{{Payments: []Payment{{creditor, unreachable, nil}}}}})
	b.must(err)
	if r := b.ask(creditor, unreachable); r.status != 404 {
		t.Errorf("got %d", r.status)
	}
	b.must(b.Forget(n.IUN))
	if _, _, _, err := b.raw(t.Context(), unreachable); err == nil {
		t.Error("a forgotten notice is not canned again")
	}
}

func TestIUNsHaveSENDsForm(t *testing.T) {
	if got := controlLetter([]byte("ABCD-EFGH-ILMN-202201")); got != 'N' {
		t.Errorf("control letter %c, want N", got)
	}
	b := newBench(t, Options{})
	n := b.one("")
	if len(n.IUN) != 25 || !strings.Contains(n.IUN, "-202602-") {
		t.Errorf("IUN %s", n.IUN)
	}
}
