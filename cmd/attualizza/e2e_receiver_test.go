package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/attualizza/attualizza/internal/rest"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is a debt-position system that receipts are pushed to. It believes only
// what is signed, and notes every attempt.
type receiver struct {
	*httptest.Server
	t        testing.TB
	mu       sync.Mutex
	answer   func(attempt) int // after as long as it likes; 200 takes the receipt
	attempts []attempt
	tries    map[string]int // of each delivery
}

// attempt is one call of a receiver.
type attempt struct {
	id       string // webhook-id: the same of every attempt of a delivery
	receipt  rest.Receipt
	number   int // of this delivery, from 1
	from, to time.Time
	status   int             // 0 while it lasts, and when the caller left before the answer
	gone     <-chan struct{} // closed when the caller has left
}

// took tells that the receiver said it has the receipt.
func (a *attempt) took() bool { return a.status == http.StatusOK }

func takes(attempt) int { return http.StatusOK }

// newReceiver starts a receiver that takes everything.
func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t, answer: takes, tries: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// pushesTo has an organization's receipts pushed to a receiver.
func pushesTo(r *receiver) func(object) {
	return func(body object) { body["delivery"] = object{"url": r.URL + "/receipts", "secret": webhookSecret} }
}

// answers changes what the receiver says from now on.
func (r *receiver) answers(f func(attempt) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	a := attempt{id: request.Header.Get(webhooks.HeaderWebhookID), from: time.Now(), gone: request.Context().Done()}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // who called has left
	}
	verifier, err := webhooks.NewWebhook(webhookSecret)
	if err == nil {
		err = verifier.Verify(body, request.Header)
	}
	message := struct {
		Type string
		Data *rest.Receipt
	}{Data: &a.receipt}
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err != nil || message.Type != "receipt.received" || a.id == "" || request.URL.Path != "/receipts" {
		r.t.Errorf("a message that cannot be believed: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.tries[a.id]++
	a.number = r.tries[a.id]
	at, answer := len(r.attempts), r.answer
	r.attempts = append(r.attempts, a)
	r.mu.Unlock()
	a.status = answer(a)
	a.to = time.Now()
	if request.Context().Err() != nil {
		a.status = 0
	}
	r.mu.Lock()
	r.attempts[at] = a
	r.mu.Unlock()
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
}

// seen returns every attempt until now, in order of arrival.
func (r *receiver) seen() []attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.attempts)
}

// taken returns the attempts whose receipt it has, in order of arrival.
func (r *receiver) taken() []attempt {
	return slices.DeleteFunc(r.seen(), func(a attempt) bool { return !a.took() })
}

// of returns the attempts about a receipt.
func (r *receiver) of(receiptID string) []attempt {
	return slices.DeleteFunc(r.seen(), func(a attempt) bool { return a.receipt.ReceiptID != receiptID })
}

// count is how many attempts there were.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.attempts)
}
