package sandbox

import (
	"time"
	_ "time/tzdata" // Rome must be known wherever the binary runs

	"github.com/attualizza/attualizza/internal/money"
)

// rome is the time zone of every calendar date of SEND.
var rome = mustLoad("Europe/Rome")

func mustLoad(name string) *time.Location {
	location, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // tzdata is linked in
	}
	return location
}

// Price is the body of a 200 (NotificationPriceResponseV23), its fields in the
// order in which SEND writes them. Amounts are cents.
type Price struct {
	IUN                  string      `json:"iun"`
	PartialPrice         money.Cents `json:"partialPrice"`
	TotalPrice           money.Cents `json:"totalPrice"`
	VAT                  int         `json:"vat"`
	PaFee                money.Cents `json:"paFee"`
	RefinementDate       string      `json:"refinementDate,omitempty"`
	NotificationViewDate string      `json:"notificationViewDate,omitempty"`
	SendFee              money.Cents `json:"sendFee"`
	AnalogCost           money.Cents `json:"analogCost"`
}

// codes of the Problems with which SEND answers 404 to a price request.
const (
	codeCostNotFound         = "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"
	codeCancelled            = "PN_DELIVERY_NOTIFICATION_CANCELLED"
	codeNotAccepted          = "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED"
	codeNotificationNotFound = "PN_DELIVERY_NOTIFICATIONNOTFOUND"
)

// Price returns what the price API would answer for a notice: a price, or the
// code of a 404. It is not logged as a request and meets no fault.
func (s *Sandbox) Price(creditorTaxID, noticeCode string) (p Price, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := noticeKey{creditorTaxID, noticeCode}
	iun, ok := s.rows[key]
	if !ok {
		if n := s.cannedNotification(key); n != nil {
			return n.price(key)
		}
		return Price{}, codeCostNotFound
	}
	n, err := s.current(iun)
	if err != nil {
		return Price{}, codeNotificationNotFound
	}
	return n.price(key)
}

func (n *Notification) price(key noticeKey) (Price, string) {
	switch {
	case n.Orphaned:
		return Price{}, codeNotificationNotFound
	case n.Status == StatusRefused, n.Status == StatusCancelled:
		return Price{}, codeCostNotFound
	case n.cancelling():
		return Price{}, codeCancelled
	case !n.accepted():
		return Price{}, codeNotAccepted
	}
	for k, i := range n.notices() {
		if k == key {
			return n.priceOf(i, n.applyCost(key.notice)), ""
		}
	}
	return Price{}, codeNotificationNotFound
}

// applyCost looks for the payment by notice code alone and takes the first,
// as SEND does: the same code under two creditors of one notification shares
// the flag of the first.
func (n *Notification) applyCost(noticeCode string) bool {
	for _, r := range n.Recipients {
		for _, p := range r.Payments {
			if p.NoticeCode == noticeCode {
				return *p.ApplyCost
			}
		}
	}
	return false
}

// priceOf computes a recipient's price from the timeline.
func (n *Notification) priceOf(recipient int, applyCost bool) Price {
	p := Price{IUN: n.IUN, VAT: n.VAT, PaFee: n.PaFee, SendFee: sendFee, AnalogCost: n.analogCost(recipient)}
	if n.FeePolicy == DeliveryMode && applyCost {
		p.PartialPrice = p.SendFee + p.AnalogCost
		p.TotalPrice = p.SendFee + withVAT(p.AnalogCost, p.VAT) + p.PaFee
	}
	if at, _, known := n.refinement(recipient); known {
		p.RefinementDate = endOfDay(at)
	}
	if at, ok := n.viewedAt(recipient); ok {
		p.NotificationViewDate = endOfDay(at)
	}
	return p
}

// withVAT adds VAT to the sum of the paper costs and rounds once, half up
// (CostUtils of pn-delivery-push).
func withVAT(cost money.Cents, vat int) money.Cents {
	return (cost*money.Cents(100+vat) + 50) / 100
}

// endOfDay writes the end of the day in Rome, to the nanosecond and with the
// offset in force then, as SEND does (RefinementLocalDate of pn-delivery; its
// OpenAPI says midnight).
func endOfDay(t time.Time) string {
	y, m, d := t.In(rome).Date()
	return time.Date(y, m, d, 23, 59, 59, 999_999_999, rome).Format(time.RFC3339Nano)
}
