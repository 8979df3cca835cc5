package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// traffic is the Nodo, payers and a debt-position system on an ordinary day, some
// sixteen requests a second: verifies and activations of standing notices, payments
// of new ones, reading by REST, and mistakes.
type traffic struct {
	nodo   *nodo.Client
	asking *ente              // whose every answer asks SEND
	paying *ente              // whose receipts are pushed
	notice []debt             // standing ones of asking
	bodies chan object        // positions to publish, each once
	navs   map[string]debt    // of bodies, by iupd
	within chan struct{}      // bounds what is under way
	stop   context.CancelFunc // ends it
	done   sync.WaitGroup

	mu       sync.Mutex
	answered int
	failed   []error // of calls that got no answer at all
}

const trafficEvery = 60 * time.Millisecond

// start lets it run until end is called.
func (f *traffic) start(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	f.done.Go(func() {
		tick := time.NewTicker(trafficEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case f.within <- struct{}{}:
				f.done.Go(func() {
					defer func() { <-f.within }()
					f.note(ctx, f.step(ctx, n))
				})
			default: // a service that does not answer gets no more
			}
		}
	})
}

func (f *traffic) end() {
	f.stop()
	f.done.Wait()
}

func (f *traffic) note(ctx context.Context, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.answered++
	case ctx.Err() == nil:
		f.failed = append(f.failed, err)
	}
}

// unanswered returns how many calls were answered, and those that were not.
func (f *traffic) unanswered() (answered int, failed error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answered, errors.Join(f.failed...)
}

// step makes the nth call. Any answer will do: what it should be is for others to
// test.
func (f *traffic) step(ctx context.Context, n int) error {
	d := f.notice[n%len(f.notice)]
	switch {
	case n%16 == 5:
		return f.payment(ctx)
	case n%16 == 9:
		_, err := f.rest(f.asking, http.MethodGet, "/notices/"+string(d.nav), f.asking.key, nil)
		return err
	case n%32 == 13:
		_, err := f.rest(f.asking, http.MethodGet, "/debtpositions/of-nobody", f.asking.key, nil)
		return err
	case n%32 == 29:
		_, err := f.rest(f.asking, http.MethodGet, "/debtpositions/"+d.iupd, "of-nobody", nil)
		return err
	case n%64 == 27:
		return f.drift(ctx, 50)
	case n%64 == 59:
		return f.drift(ctx, -50)
	case n%64 == 11:
		return f.garbage(ctx)
	case n%64 == 43:
		return f.receiptOfNobody(ctx)
	case n%2 == 0:
		_, err := f.ask(ctx, f.asking, pafornode.VerifyPaymentNotice, d.nav)
		return err
	default:
		_, err := f.ask(ctx, f.asking, pafornode.GetPaymentV2, d.nav)
		return err
	}
}

func (f *traffic) ask(ctx context.Context, e *ente, op pafornode.Operation, nav positions.NoticeNumber) (*nodo.Reply, error) {
	return f.nodo.Send(ctx, e.request(op, nav))
}

// payment publishes a notice, verifies, activates and pays it, as far as it gets.
func (f *traffic) payment(ctx context.Context) error {
	receipt, err := f.activated(ctx)
	if err != nil || receipt == nil {
		return err
	}
	_, err = f.nodo.Send(ctx, receipt)
	return err
}

// activated is a receipt that is to be sent, nil if the payer was refused.
func (f *traffic) activated(ctx context.Context) (*pafornode.Request, error) {
	var position object
	select {
	case position = <-f.bodies:
	default:
		return nil, nil // all are paid
	}
	if status, err := f.rest(f.paying, http.MethodPost, "/debtpositions?toPublish=true", f.paying.key, position); err != nil || status != http.StatusCreated {
		return nil, err
	}
	d := f.navs[position["iupd"].(string)]
	if _, err := f.ask(ctx, f.paying, pafornode.VerifyPaymentNotice, d.nav); err != nil {
		return nil, err
	}
	request := f.paying.request(pafornode.GetPaymentV2, d.nav)
	reply, err := f.nodo.Send(ctx, request)
	if err != nil || reply.Response == nil || reply.Response.Payment == nil {
		return nil, err
	}
	return nodo.ReceiptFor(request, reply.Response.Payment, time.Now()), nil
}

// drift changes what a notice costs between its verify and its activation, which are
// answered by the same replica.
func (f *traffic) drift(ctx context.Context, by money.Cents) error {
	var position object
	select {
	case position = <-f.bodies:
	default:
		return nil
	}
	at, d := "/debtpositions?toPublish=true", f.navs[position["iupd"].(string)]
	if status, err := f.rest(f.paying, http.MethodPost, at, f.paying.key, position); err != nil || status != http.StatusCreated {
		return err
	}
	if _, err := f.ask(ctx, f.paying, pafornode.VerifyPaymentNotice, d.nav); err != nil {
		return err
	}
	option := position["paymentOption"].([]object)[0]
	option["amount"], option["transfer"] = d.amount+by, []object{transfer("1", d.amount+by)}
	if _, err := f.rest(f.paying, http.MethodPut, "/debtpositions/"+d.iupd+"?toPublish=true", f.paying.key, position); err != nil {
		return err
	}
	_, err := f.ask(ctx, f.paying, pafornode.GetPaymentV2, d.nav)
	return err
}

func (f *traffic) rest(e *ente, method, path, key string, body any) (int, error) {
	status, _, err := e.callREST(method, path, key, body, nil)
	if status != 0 {
		return status, nil // an answer, whatever it says
	}
	return status, fmt.Errorf("%s %s: %w", method, path, err)
}

// garbage is no message of the Nodo.
func (f *traffic) garbage(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.nodo.Endpoint, strings.NewReader("<hello/>"))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/xml")
	response, err := f.nodo.HTTP.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// receiptOfNobody is about an organization that is not here: it is refused for good.
func (f *traffic) receiptOfNobody(ctx context.Context) error {
	request := f.paying.request(pafornode.GetPaymentV2, f.notice[0].nav)
	request.IDPA, request.QRCode.FiscalCode = "90000000009", "90000000009"
	_, err := f.nodo.Send(ctx, nodo.ReceiptFor(request, &pafornode.Payment{
		CreditorReferenceID: f.notice[0].nav.IUV(), Amount: 10000, Description: "Verbale di prova", CompanyName: "Comune di Prova",
		Debtor:    pafornode.Subject{EntityType: "F", EntityCode: debtorCode, FullName: debtorName},
		Transfers: []pafornode.Transfer{{IDTransfer: 1, Amount: 10000, FiscalCodePA: "90000000009", IBAN: demoIBAN, RemittanceInformation: "Verbale", TransferCategory: "9/0101100IM/"}},
	}, time.Now()))
	return err
}
