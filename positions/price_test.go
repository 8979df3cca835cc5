package positions

import (
	"testing"

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
