package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// BenchmarkReceipts sends receipts, each of a notice of its own, to a whole service
// over loopback: as fast as 32 connections go, with and without a receiver to push
// them to, and 50 a second, to see how long a push takes. Its figures are those of
// docs/performance.md.
func BenchmarkReceipts(b *testing.B) {
	for _, store := range durableStores(b) {
		b.Run(store.name+"/without delivery.url", func(b *testing.B) { flood(b, store.database(b), nil) })
		b.Run(store.name+"/pushed", func(b *testing.B) { flood(b, store.database(b), newReceiver(b)) })
		b.Run(store.name+"/pushed, 50 a second", func(b *testing.B) { trickle(b, store.database(b)) })
	}
}

// payments publishes notices that SEND does not notify and returns their receipts.
func (e *ente) payments(b *testing.B, n int) []*pafornode.Request {
	b.Helper()
	all := make([]*pafornode.Request, n)
	template := e.receipt(b, e.publish(b, digital, withoutSEND), pafornode.GetPaymentV2)
	var making sync.WaitGroup
	for worker := range 8 {
		making.Go(func() {
			for i := worker; i < n; i += 8 {
				nav := e.publish(b, digital, withoutSEND).nav
				request, receipt := *template, *template.Receipt
				receipt.NoticeNumber, receipt.CreditorReferenceID, receipt.ReceiptID = string(nav), string(nav.IUV()), "rt-"+string(nav)
				request.Receipt = &receipt
				all[i] = &request
			}
		})
	}
	making.Wait()
	return all
}

// acknowledged sends a receipt, which must be taken.
func (h *house) acknowledged(b *testing.B, receipt *pafornode.Request) {
	b.Helper()
	client := nodo.Client{Endpoint: h.endpoint(), HTTP: h.client}
	reply, err := client.Send(context.Background(), receipt)
	if err != nil || reply.HTTPStatus != http.StatusOK || !reply.OK() {
		b.Errorf("%v %+v", err, reply)
	}
}

// flood sends b.N receipts over 32 connections, and waits until they were pushed, if
// there is a receiver.
func flood(b *testing.B, database string, r *receiver) {
	h := newHouse(b, database, "")
	e := h.ente(b)
	if r != nil {
		pushesTo(r)(e.body)
		e.register(b, http.StatusOK)
	}
	receipts := e.payments(b, b.N)
	work := make(chan *pafornode.Request)
	b.ResetTimer()
	began := time.Now()
	var sending sync.WaitGroup
	for range 32 {
		sending.Go(func() {
			for receipt := range work {
				h.acknowledged(b, receipt)
			}
		})
	}
	for _, receipt := range receipts {
		work <- receipt
	}
	close(work)
	sending.Wait()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "receipts/s")
	if r != nil {
		eventually(b, 2*time.Minute, "everything is pushed", func() bool { return r.count() >= b.N })
		b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "pushed/s")
	}
}

// trickle sends b.N receipts at a steady pace and measures the time from each
// one's acknowledgement to its arrival.
func trickle(b *testing.B, database string) {
	r := newReceiver(b)
	h := newHouse(b, database, "")
	e := h.ente(b, pushesTo(r))
	receipts := e.payments(b, b.N)
	b.ResetTimer()
	var mu sync.Mutex
	acknowledged := map[string]time.Time{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var sending sync.WaitGroup
	for _, receipt := range receipts {
		<-tick.C
		sending.Go(func() {
			h.acknowledged(b, receipt)
			mu.Lock()
			defer mu.Unlock()
			acknowledged[receipt.Receipt.ReceiptID] = time.Now()
		})
	}
	sending.Wait()
	eventually(b, time.Minute, "everything is pushed", func() bool { return r.count() >= b.N })
	var took []time.Duration
	for _, a := range r.taken() {
		took = append(took, a.from.Sub(acknowledged[a.receipt.ReceiptID]))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "longest-ms")
}
