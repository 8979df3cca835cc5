package positions

import (
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// FeeSource says where the fee of an answer came from. Every answer records it.
type FeeSource string

// The sources, from the best to the worst.
const (
	SourceNotBound  FeeSource = "NOT_BOUND"  // the notice is not SEND-bound
	SourceLive      FeeSource = "LIVE"       // asked of SEND or the relay for this answer, joiners included
	SourceCache     FeeSource = "CACHE"      // asked at most priceFreshFor ago
	SourceFinal     FeeSource = "FINAL"      // frozen: the cost cannot grow
	SourceNoCost    FeeSource = "NO_COST"    // SEND said that there is no cost
	SourcePushed    FeeSource = "PUSHED"     // set by …/notificationfee
	SourceLastKnown FeeSource = "LAST_KNOWN" // degraded: the last answer SEND ever gave
	SourceBase      FeeSource = "BASE"       // degraded: a price is known but the policy does not use it
	SourceNone      FeeSource = "NONE"       // degraded: none was ever given
)

// Answer is what the Nodo was told about a notice: the evidence in a dispute,
// in PagoPA's acceptance test TC-COSTO-01 and for reconciliation.
type Answer struct {
	// ID names an answer and orders those of one instant; the store assigns it.
	ID                     int64         `json:"id"`
	At                     time.Time     `json:"at"` // arrival of the request
	OrganizationFiscalCode string        `json:"organizationFiscalCode"`
	NAV                    NoticeNumber  `json:"nav"`
	Operation              string        `json:"operation"` // paVerifyPaymentNotice, paGetPayment, paGetPaymentV2
	StationCode            string        `json:"stationCode"`
	Duration               time.Duration `json:"duration"` // until the answer was ready
	Outcome                string        `json:"outcome"`  // OK or KO
	Fault                  string        `json:"fault,omitempty"`
	Amount                 money.Cents   `json:"amount"`     // asked of the payer; 0 on KO
	BaseAmount             money.Cents   `json:"baseAmount"` // after amount rules, before the fee
	NotificationFee        money.Cents   `json:"notificationFee"`
	Source                 FeeSource     `json:"source,omitempty"` // empty when no amount was computed
	PositionVersion        int64         `json:"positionVersion"`
	// Send is the exchange with SEND behind this answer, nil when none was made.
	Send *SendExchange `json:"send,omitempty"`
	// Price is the price that the fee came from, nil when there was none.
	Price *Price `json:"price,omitempty"`
}

// Doubtful tells that the payer was asked for an amount without SEND's price, which
// leaves something to reconcile.
func (a *Answer) Doubtful() bool { return a.Outcome == "OK" && a.Source.Degraded() }

// SendExchange is one price request as it went.
type SendExchange struct {
	RequestedAt time.Time `json:"requestedAt"`
	AnsweredAt  time.Time `json:"answeredAt,omitzero"`
	Status      int       `json:"status,omitempty"` // HTTP status; 0: no answer
	Code        string    `json:"code,omitempty"`   // errors[0].code, or what went wrong
}
