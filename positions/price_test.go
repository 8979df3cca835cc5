package positions

import (
	"errors"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

func TestWhatIsKnownOfAFeeWithoutAskingAnybody(t *testing.T) {
	const organization = "77777777777"
	for name, c := range map[string]struct {
		bound  bool
		price  *Price
		source FeeSource
		fee    money.Cents
	}{
		"neither bound nor priced":                   {false, nil, SourceNotBound, 0},
		"bound, and SEND never answered":             {true, nil, SourceNone, 0},
		"bound, and SEND said what it costs":         {true, &Price{TotalPrice: 710}, SourceLastKnown, 710},
		"bound, and it cannot grow":                  {true, &Price{TotalPrice: 710, Final: true}, SourceFinal, 710},
		"bound, and SEND said that it costs nothing": {true, &Price{NoCost: "CANCELLED"}, SourceNoCost, 0},
		"bound, and a fee was pushed":                {true, &Price{TotalPrice: 300, Pushed: true}, SourceLastKnown, 300},
		"a fee was pushed for an unbound notice":     {false, &Price{TotalPrice: 300, Pushed: true}, SourcePushed, 300},
		"no longer bound":                            {false, &Price{TotalPrice: 710, Final: true}, SourceNotBound, 0},
	} {
		o := &PaymentOption{SendBound: c.bound, Transfers: []Transfer{{ID: 1, OrganizationFiscalCode: "88888888888"}, {ID: 2}}}
		if source := o.KnownSource(c.price); source != c.source {
			t.Errorf("%s: source %s, want %s", name, source, c.source)
		}
		fee, carrier := o.KnownFee(organization, c.price)
		if fee != c.fee || fee > 0 && carrier != 1 {
			t.Errorf("%s: %d on transfer %d, want %d on the organization's own", name, fee, carrier, c.fee)
		}
		o.Transfers = o.Transfers[:1]
		if fee, _ := o.KnownFee(organization, c.price); fee != 0 {
			t.Errorf("%s: %d without a transfer that can carry it", name, fee)
		}
	}
}

func TestAPushedFeeIsTheNewestPrice(t *testing.T) {
	const organization = "77777777777"
	o := sample().Options[0]
	viewed := noon.AddDate(0, 0, -3)
	for name, c := range map[string]struct {
		last *Price
		want Price
	}{
		"the first":                        {nil, Price{TotalPrice: 300, Pushed: true, FetchedAt: noon}},
		"after a price, whose dates stay":  {&Price{TotalPrice: 710, IUN: "X", NotificationViewDate: viewed, Final: true, FetchedAt: viewed}, Price{TotalPrice: 300, Pushed: true, IUN: "X", NotificationViewDate: viewed, FetchedAt: noon}},
		"after a cancellation":             {&Price{NoCost: "CANCELLED", IUN: "X", FetchedAt: viewed}, Price{TotalPrice: 300, Pushed: true, FetchedAt: noon}},
		"after one of a clock that is off": {&Price{TotalPrice: 710, FetchedAt: noon.Add(time.Hour)}, Price{TotalPrice: 300, Pushed: true, FetchedAt: noon.Add(time.Hour + time.Microsecond)}},
	} {
		got, err := o.Push(organization, 300, c.last, noon)
		if err != nil || *got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAFeeThatCannotBeAddedIsNotPushed(t *testing.T) {
	push := func(fee money.Cents, change func(*PaymentOption)) error {
		o := sample().Options[0]
		if change != nil {
			change(&o)
		}
		_, err := o.Push("77777777777", fee, nil, noon)
		return err
	}
	largest := money.Max - sample().Options[0].Amount
	if err := errors.Join(push(0, nil), push(largest, nil)); err != nil {
		t.Errorf("the smallest and the largest fee: %v", err)
	}
	for _, fee := range []money.Cents{-1, largest + 1, 1<<63 - 1} {
		if err := push(fee, nil); CodeOf(err) != Invalid {
			t.Errorf("%d: %v", fee, err)
		}
	}
	if err := push(1, func(o *PaymentOption) { o.Status = OptionPaid }); CodeOf(err) != Unprocessable || errors.Is(err, ErrNoFeeTransfer) {
		t.Errorf("a paid option: %v", err)
	}
	if err := push(1, func(o *PaymentOption) { o.Transfers = o.Transfers[1:] }); CodeOf(err) != Unprocessable || !errors.Is(err, ErrNoFeeTransfer) {
		t.Errorf("no transfer of the organization: %v", err)
	}
}
