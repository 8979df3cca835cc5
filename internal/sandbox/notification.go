package sandbox

import (
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// FeePolicy says who bears the cost of the notification.
type FeePolicy string

// The two policies of SEND. With FlatRate every price is zero.
const (
	DeliveryMode FeePolicy = "DELIVERY_MODE"
	FlatRate     FeePolicy = "FLAT_RATE"
)

// IntMode is how the cost reaches the debt position (pagoPaIntMode).
type IntMode string

// The integration modes of SEND. The price API answers whatever the mode.
const (
	IntNone  IntMode = "NONE"
	IntSync  IntMode = "SYNC"
	IntAsync IntMode = "ASYNC"
)

// Payment is a pagoPA notice attached to a recipient.
type Payment struct {
	CreditorTaxID string `json:"creditorTaxId"` // 11 digits
	NoticeCode    string `json:"noticeCode"`    // 18 digits, the whole NAV
	// ApplyCost says whether the cost is charged on this notice. Absent, it
	// is true under DELIVERY_MODE and false under FLAT_RATE.
	ApplyCost *bool `json:"applyCost,omitempty"`
}

// Notification is a notification as the sandbox knows it.
type Notification struct {
	IUN         string      `json:"iun"`
	RequestID   string      `json:"notificationRequestId"` // base64 of the IUN
	SenderTaxID string      `json:"senderTaxId"`
	FeePolicy   FeePolicy   `json:"notificationFeePolicy"`
	PaFee       money.Cents `json:"paFee"`
	VAT         int         `json:"vat"`
	IntMode     IntMode     `json:"pagoPaIntMode"`
	SentAt      time.Time   `json:"sentAt"`
	Status      Status      `json:"status"`
	Recipients  []Recipient `json:"recipients"`
	Timeline    []Element   `json:"timeline"`
	// Remaining steps of the script.
	Remaining []Step `json:"remainingSteps"`
	// Orphaned: SEND's index still knows the notices, but not the
	// notification (see [Sandbox.Orphan]).
	Orphaned bool `json:"orphaned,omitempty"`
}

// Recipient is one recipient with the phase of its own workflow.
type Recipient struct {
	Type     string    `json:"recipientType"`
	Payments []Payment `json:"payments"`
	Phase    Phase     `json:"phase"`
	Attempts int       `json:"analogAttempts"` // paper attempts of the current round
	Reworks  int       `json:"reworks"`
}

func (n *Notification) hasPayments() bool {
	return slices.ContainsFunc(n.Recipients, func(r Recipient) bool { return len(r.Payments) > 0 })
}

// notices yields every notice with the index of its recipient.
func (n *Notification) notices() func(yield func(noticeKey, int) bool) {
	return func(yield func(noticeKey, int) bool) {
		for i, r := range n.Recipients {
			for _, p := range r.Payments {
				if !yield(noticeKey{p.CreditorTaxID, p.NoticeCode}, i) {
					return
				}
			}
		}
	}
}

// clone returns a copy that shares nothing which is ever changed in place.
func (n *Notification) clone() Notification {
	c := *n
	c.Recipients = slices.Clone(n.Recipients)
	for i := range c.Recipients {
		c.Recipients[i].Payments = slices.Clone(c.Recipients[i].Payments)
	}
	c.Timeline = slices.Clone(n.Timeline)
	c.Remaining = slices.Clone(n.Remaining)
	return c
}

// Notification returns a notification by its IUN, refinements that fell due
// included.
func (s *Sandbox) Notification(iun string) (Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.current(iun)
	if err != nil {
		return Notification{}, err
	}
	return n.clone(), nil
}

// Notifications returns at most limit notifications in order of deposit,
// beginning after the given IUN (empty: from the first).
func (s *Sandbox) Notifications(after string, limit int) []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := 0
	if after != "" {
		start = slices.Index(s.order, after) + 1
	}
	page := []Notification{}
	for _, iun := range s.order[start:] {
		if len(page) >= limit {
			break
		}
		if n, err := s.current(iun); err == nil {
			page = append(page, n.clone())
		}
	}
	return page
}

// Forget removes a notification and frees its notices, as if it had never
// been deposited.
func (s *Sandbox) Forget(iun string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notifications[iun]
	if n == nil {
		return fmt.Errorf("notification %s: %w", iun, ErrUnknown)
	}
	s.free(n)
	for key := range n.notices() {
		if s.deposits[key]--; s.deposits[key] == 0 {
			delete(s.deposits, key)
		}
	}
	delete(s.notifications, iun)
	s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == iun })
	return nil
}

// Orphan makes SEND's index inconsistent for one notification: its notices
// are still in the index, the notification is not. The price API then answers
// PN_DELIVERY_NOTIFICATIONNOTFOUND.
func (s *Sandbox) Orphan(iun string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.current(iun)
	if err != nil {
		return err
	}
	c := n.clone()
	c.Orphaned = true
	s.notifications[iun] = &c
	return nil
}

// free removes the rows of n from the index. Callers hold s.mu.
func (s *Sandbox) free(n *Notification) {
	for key := range n.notices() {
		if s.rows[key] == n.IUN {
			delete(s.rows, key)
		}
	}
}

// current returns the published notification after settling the refinements
// that fell due. Callers hold s.mu.
func (s *Sandbox) current(iun string) (*Notification, error) {
	n := s.notifications[iun]
	if n == nil {
		return nil, fmt.Errorf("notification %s: %w", iun, ErrUnknown)
	}
	now := s.clock().UTC()
	if !n.refinementDue(now) {
		return n, nil
	}
	c := n.clone()
	s.writer(&c, now).settle()
	s.publish(&c)
	return &c, nil
}
