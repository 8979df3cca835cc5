package deliveries

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// maxAnswer bounds what is read of a receiver's answer, so that its connection
// can be used again; nothing in it is looked at.
const maxAnswer = 16 << 10

// message is the body of a receipt's webhook (Standard Webhooks, "Payload
// structure").
type message struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"` // when the receipt arrived
	Data      json.RawMessage `json:"data"`
}

// pushReceipt posts a receipt to its organization's address, signed as Standard
// Webhooks say. Any 2xx means that the receiver has it.
func (c *Courier) pushReceipt(ctx context.Context, d *positions.Delivery) outcome {
	org, o := c.organization(d)
	if org == nil {
		return o
	}
	if org.Delivery == nil {
		return outcome{ended: true, err: errors.New("the organization has no delivery.url any more")}
	}
	receipt, err := c.receipt(ctx, d)
	if err != nil {
		return outcome{err: fmt.Errorf("read the receipt: %w", err), ours: true}
	}
	data, err := c.Render(receipt)
	if err != nil {
		return outcome{err: fmt.Errorf("write the receipt: %w", err)}
	}
	body, err := json.Marshal(message{Type: "receipt.received", Timestamp: receipt.ReceivedAt.UTC(), Data: data})
	if err != nil {
		return outcome{err: fmt.Errorf("write the receipt: %w", err)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, org.Delivery.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{err: errors.New("delivery.url cannot be called"), general: true}
	}
	if err := c.sign(request, org, d, body); err != nil {
		return outcome{err: err, general: true}
	}
	onward.Inject(ctx, propagation.HeaderCarrier(request.Header))
	return c.post(request)
}

// organization returns who a delivery is of, or why it cannot be made.
func (c *Courier) organization(d *positions.Delivery) (*registry.Organization, outcome) {
	current := c.Directory.Current()
	org, ok := c.Directory.Organization(d.OrganizationFiscalCode)
	switch {
	case ok:
		return org, outcome{}
	case current:
		return nil, outcome{ended: true, err: errors.New("the organization is not registered any more")}
	}
	return nil, outcome{err: errors.New("the organizations are not loaded yet"), ours: true}
}

// sign sets the headers. The identifier is the delivery's, so that a receiver
// knows a repetition; its instant is in it because the numbers begin anew in every
// database. The signature is of this attempt.
func (c *Courier) sign(r *http.Request, org *registry.Organization, d *positions.Delivery, body []byte) error {
	sealed, ok := org.Sealed[positions.SecretDelivery]
	if !ok {
		return errors.New("no delivery.secret is registered: receipts are not sent unsigned")
	}
	secret, err := c.Secrets.Open(org.FiscalCode, string(positions.SecretDelivery), sealed)
	if err != nil {
		return fmt.Errorf("delivery.secret cannot be opened: %w", err)
	}
	signer, err := webhooks.NewWebhook(string(secret))
	if err != nil {
		return errors.New("delivery.secret is not whsec_ and base64")
	}
	id, now := fmt.Sprintf("delivery_%d_%d", d.ID, d.CreatedAt.UnixMicro()), c.Now()
	signature, err := signer.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Attualizza")
	r.Header.Set(webhooks.HeaderWebhookID, id)
	r.Header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(webhooks.HeaderWebhookSignature, signature)
	return nil
}

func (c *Courier) post(r *http.Request) outcome {
	response, err := c.client.Do(r)
	if err != nil {
		return outcome{err: bare(r.Context(), err), general: true}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // only so that the connection lives on
	o := outcome{status: response.StatusCode}
	if response.StatusCode/100 != 2 {
		o.err, o.general = fmt.Errorf("the receiver answered HTTP %d", response.StatusCode), general(response.StatusCode)
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			o.wait = time.Duration(min(seconds, 3600)) * time.Second
		}
	}
	return o
}

// general tells whether an HTTP status is about the receiver, or the way to it,
// rather than about what it was sent.
func general(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// bare tells what went wrong without what the other side wrote: net/http repeats
// the URL, whose path may hold a secret, and pieces of an answer that is none.
func bare(ctx context.Context, err error) error {
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", attemptTimeout)
	case errors.As(err, &certificate):
		return errors.New("the receiver's certificate is not to be trusted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection broke")
	case errors.As(err, &network) && network.Op == "dial":
		return errors.New("the receiver cannot be reached")
	case errors.As(err, &network):
		return errors.New("the connection broke")
	}
	return errors.New("the receiver's answer is not HTTP, or the connection failed")
}

func (c *Courier) receipt(ctx context.Context, d *positions.Delivery) (*positions.Receipt, error) {
	if !c.enter(ctx) {
		return nil, ctx.Err()
	}
	defer c.leave()
	return c.Outbox.Receipt(ctx, d.OrganizationFiscalCode, d.ReceiptID)
}
