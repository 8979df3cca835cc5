package positions_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/positions"
)

func TestSENDIsToldOfAPaymentByTheSenderOfANotificationOnly(t *testing.T) {
	const comune, unione = "77777777777", "88888888888"
	nav := positions.NoticeNumber("302000000000000001")
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	payment := &positions.OptionPayment{Date: at, ReceiptID: "rt-1", Amount: 12_345, NotificationFee: 345}
	told := positions.Delivery{Kind: positions.DeliverToSEND, OrganizationFiscalCode: comune, NAV: nav, ReceiptID: "rt-1", Amount: 12_345, PaidAt: at}
	for _, tt := range []struct {
		name   string
		option positions.PaymentOption
		want   bool
	}{
		{"the organization notifies", positions.PaymentOption{NAV: nav, SendBound: true, Payment: payment}, true},
		{"the organization is named as the sender", positions.PaymentOption{NAV: nav, SendBound: true, SenderFiscalCode: comune, Payment: payment}, true},
		{"another administration notifies", positions.PaymentOption{NAV: nav, SendBound: true, SenderFiscalCode: unione, Payment: payment}, false},
		{"SEND does not notify the notice", positions.PaymentOption{NAV: nav, Payment: payment}, false},
		{"the notice is not paid", positions.PaymentOption{NAV: nav, SendBound: true}, false},
		{"the notice is of no option", positions.PaymentOption{NAV: "302000000000000002", SendBound: true, Payment: payment}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &positions.Position{OrganizationFiscalCode: comune, Options: []positions.PaymentOption{tt.option}}
			d, ok := p.PaymentDelivery(nav)
			want := positions.Delivery{}
			if tt.want {
				want = told
			}
			if diff := cmp.Diff(want, d); ok != tt.want || diff != "" {
				t.Errorf("told: %v, want %v (-want +got):\n%s", ok, tt.want, diff)
			}
		})
	}
}
