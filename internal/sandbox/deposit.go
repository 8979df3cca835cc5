package sandbox

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"

	"github.com/attualizza/attualizza/internal/money"
)

// Request deposits a notification.
type Request struct {
	// SenderTaxID is the administration that notifies: 11 digits. Only its
	// API keys may send payment events. It may differ from the creditors.
	SenderTaxID string `json:"senderTaxId"`
	// FeePolicy defaults to DELIVERY_MODE.
	FeePolicy FeePolicy `json:"notificationFeePolicy,omitempty"`
	// PaFee is the sender's own fee, 0 to 100 cents; default 100.
	PaFee *money.Cents `json:"paFee,omitempty"`
	// VAT on paper costs, per cent, 0 to 100; default 22.
	VAT *int `json:"vat,omitempty"`
	// IntMode defaults to SYNC for DELIVERY_MODE with payments, else NONE.
	IntMode IntMode `json:"pagoPaIntMode,omitempty"`
	// Recipients, 1 to 50.
	Recipients []RecipientRequest `json:"recipients"`
	// Script names one of [Scripts], to be advanced with [Sandbox.Next] or
	// [Sandbox.Finish]; Steps is a script of one's own. Not both.
	Script string `json:"script,omitempty"`
	Steps  []Step `json:"steps,omitempty"`
}

// RecipientRequest is one recipient of a [Request]. The sandbox wants no name
// and no tax code: nothing it simulates needs them.
type RecipientRequest struct {
	// Type is PF (person, the default) or PG (company).
	Type string `json:"recipientType,omitempty"`
	// Payments, 0 to 20.
	Payments []Payment `json:"payments"`
}

// Errors of a deposit; match them with errors.Is.
var (
	// ErrInvalid marks a request that SEND would refuse as malformed.
	ErrInvalid = errors.New("invalid request")
	// ErrDuplicate marks a notice that a live notification already carries.
	ErrDuplicate = errors.New("duplicated notification for creditorTaxId##noticeCode")
	// ErrUnknown marks a notification, fault or key that is not there.
	ErrUnknown = errors.New("not found")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

var (
	taxIDPattern  = regexp.MustCompile(`^[0-9]{11}$`)
	noticePattern = regexp.MustCompile(`^[0-9]{18}$`)
)

// Notify deposits a notification: it is in validation, its notices are taken,
// and nothing has been sent. The constraints are those of SEND's validator
// (NotificationReceiverValidator of pn-delivery).
func (s *Sandbox) Notify(r Request) (Notification, error) {
	n, err := newNotification(r)
	if err != nil {
		return Notification{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notifications) >= s.options.MaxNotifications {
		return Notification{}, fmt.Errorf("%w: it holds %d notifications", ErrFull, len(s.notifications))
	}
	for key := range n.notices() {
		if iun, taken := s.rows[key]; taken {
			return Notification{}, fmt.Errorf("%w: %s##%s is in %s", ErrDuplicate, key.creditor, key.notice, iun)
		}
	}
	n.SentAt = s.clock().UTC()
	for n.IUN == "" || s.notifications[n.IUN] != nil {
		n.IUN = newIUN(s.random, n.SentAt)
	}
	n.RequestID = base64.StdEncoding.EncodeToString([]byte(n.IUN))
	s.notifications[n.IUN] = n
	s.order = append(s.order, n.IUN)
	for key := range n.notices() {
		s.rows[key] = n.IUN
		s.deposits[key]++
	}
	return n.clone(), nil
}

func newNotification(r Request) (*Notification, error) {
	if !taxIDPattern.MatchString(r.SenderTaxID) {
		return nil, invalid("senderTaxId must be 11 digits")
	}
	n := &Notification{
		SenderTaxID: r.SenderTaxID,
		FeePolicy:   r.FeePolicy,
		PaFee:       100,
		VAT:         22,
		IntMode:     r.IntMode,
		Status:      StatusInValidation,
		Timeline:    []Element{},
		Remaining:   []Step{},
	}
	switch n.FeePolicy {
	case "":
		n.FeePolicy = DeliveryMode
	case DeliveryMode, FlatRate:
	default:
		return nil, invalid("notificationFeePolicy must be %s or %s", DeliveryMode, FlatRate)
	}
	if r.PaFee != nil {
		n.PaFee = *r.PaFee
	}
	if n.PaFee < 0 || n.PaFee > 100 {
		return nil, invalid("paFee must be between 0 and 100 cents")
	}
	if r.VAT != nil {
		n.VAT = *r.VAT
	}
	if n.VAT < 0 || n.VAT > 100 {
		return nil, invalid("vat must be between 0 and 100 per cent")
	}
	if err := n.addRecipients(r.Recipients); err != nil {
		return nil, err
	}
	switch n.IntMode {
	case IntNone, IntSync, IntAsync:
	case "":
		n.IntMode = IntNone
		if n.FeePolicy == DeliveryMode && n.hasPayments() {
			n.IntMode = IntSync
		}
	default:
		return nil, invalid("pagoPaIntMode must be %s, %s or %s", IntNone, IntSync, IntAsync)
	}
	steps, err := scriptOf(r)
	if err != nil {
		return nil, err
	}
	n.Remaining = steps
	return n, nil
}

func (n *Notification) addRecipients(requests []RecipientRequest) error {
	if len(requests) == 0 || len(requests) > 50 {
		return invalid("recipients must be between 1 and 50")
	}
	seen := map[noticeKey]bool{}
	for i, r := range requests {
		rec := Recipient{Type: r.Type, Payments: []Payment{}, Phase: PhaseWaiting}
		switch rec.Type {
		case "":
			rec.Type = "PF"
		case "PF", "PG":
		default:
			return invalid("recipients[%d].recipientType must be PF or PG", i)
		}
		if len(r.Payments) > 20 {
			return invalid("recipients[%d] has more than 20 payments", i)
		}
		charged := false
		for j, p := range r.Payments {
			where := fmt.Sprintf("recipients[%d].payments[%d]", i, j)
			if !taxIDPattern.MatchString(p.CreditorTaxID) {
				return invalid("%s.creditorTaxId must be 11 digits", where)
			}
			if !noticePattern.MatchString(p.NoticeCode) {
				return invalid("%s.noticeCode must be 18 digits", where)
			}
			key := noticeKey{p.CreditorTaxID, p.NoticeCode}
			if seen[key] {
				return fmt.Errorf("%w: %s##%s twice in the request", ErrDuplicate, key.creditor, key.notice)
			}
			seen[key] = true
			apply := n.FeePolicy == DeliveryMode
			if p.ApplyCost != nil {
				apply = *p.ApplyCost
			}
			if apply && n.FeePolicy == FlatRate {
				return invalid("%s: applyCost must be false under FLAT_RATE", where)
			}
			charged = charged || apply
			p.ApplyCost = &apply
			rec.Payments = append(rec.Payments, p)
		}
		if n.FeePolicy == DeliveryMode && len(rec.Payments) > 0 && !charged {
			return invalid("recipients[%d]: DELIVERY_MODE wants applyCost on at least one payment", i)
		}
		n.Recipients = append(n.Recipients, rec)
	}
	return nil
}
