package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// backlog is what waits to leave while people pay.
type backlog struct {
	name      string
	receivers int
	each      int // receipts of each
	url       func(tb testing.TB) string
}

func backlogs(most int) []backlog {
	return []backlog{
		{"nothing", 1, 0, refusing},
		{"one receiver that works", 1, most, func(tb testing.TB) string { return newReceiver(tb).URL }},
		{"a hundred that work", 100, most / 100, func(tb testing.TB) string { return newReceiver(tb).URL }},
		{"a hundred that refuse connections", 100, most / 100, refusing},
		{"a hundred that hang", 100, most / 100, hanging},
	}
}

// refusing is where nobody listens.
func refusing(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// hanging takes everything in and never answers.
func hanging(tb testing.TB) string {
	tb.Helper()
	r := newReceiver(tb)
	r.answers(func(a attempt) int {
		<-a.gone
		return 0
	})
	return r.URL
}

// wait stores receipts that are to leave, and tells of whom.
func (b *backlog) wait(tb testing.TB, h *house) (codes []string) {
	tb.Helper()
	url := b.url(tb) // one host of all
	for range b.receivers {
		e := h.ente(tb, func(body object) { body["delivery"] = object{"url": url + "/receipts", "secret": webhookSecret} })
		codes = append(codes, e.fiscalCode)
	}
	work := make(chan int)
	var saving sync.WaitGroup
	for range 8 {
		saving.Go(func() {
			for i := range work {
				code := codes[i%len(codes)]
				id := fmt.Sprintf("waits-%s-%d", code, i)
				_, err := h.store.SaveReceipt(tb.Context(), &positions.Receipt{
					OrganizationFiscalCode: code, CreditorFiscalCode: code, ReceiptID: id, NAV: positions.NoticeNumber(fmt.Sprintf("302%015d", i)),
					Operation: "paSendRTV2", Outcome: "OK", ReceivedAt: time.Now(), Message: []byte("<x/>"), Outgoing: positions.Outgoing{Receipt: true},
				})
				if err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range b.each * b.receivers {
		work <- i
	}
	close(work)
	saving.Wait()
	return codes
}

// delivered counts what has left of some organizations.
func (h *house) delivered(tb testing.TB, codes []string) (n int) {
	tb.Helper()
	for _, code := range codes {
		_, total, err := h.store.Deliveries(tb.Context(), positions.DeliveryFilter{OrganizationFiscalCode: code, State: positions.DeliveryDelivered})
		if err != nil {
			tb.Error(err)
		}
		n += total
	}
	return n
}

// TestPeoplePayWhileDeliveriesWait loads a service with 50 calls a second while
// thousands of receipts wait for a hundred receivers of each kind.
func TestPeoplePayWhileDeliveriesWait(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			database, redis := d.start(t)
			h := newHouse(t, database, redis)
			for _, b := range backlogs(1500)[1:] {
				t.Run(b.name, func(t *testing.T) {
					b.wait(t, h)
					l := h.load(t)
					time.Sleep(3 * time.Second)
					l.stop()
					if refused, again := l.judge(t, "beside a backlog of "+b.name); refused+again > 0 {
						t.Errorf("%d payments refused, %d receipts to be sent again", refused, again)
					}
				})
			}
		})
	}
}

// BenchmarkPaymentsBesideABacklog pays 50 times a second for half a minute while
// 20 000 deliveries wait. Its figures are those of docs/performance.md.
func BenchmarkPaymentsBesideABacklog(b *testing.B) {
	for _, store := range durableStores(b) {
		for _, waits := range backlogs(20_000) {
			b.Run(store.name+"/"+waits.name, func(b *testing.B) {
				h := newHouse(b, store.database(b), "")
				codes := waits.wait(b, h)
				before, began := h.delivered(b, codes), time.Now()
				l := h.load(b)
				b.ResetTimer()
				time.Sleep(30 * time.Second)
				l.stop()
				left := h.delivered(b, codes)
				b.ReportMetric(float64(left-before)/time.Since(began).Seconds(), "delivered/s")
				var took []time.Duration
				bad := 0
				for _, x := range l.soFar() {
					took = append(took, x.took)
					if !x.ok() || x.status != http.StatusOK {
						bad++
					}
				}
				slices.Sort(took)
				for name, d := range map[string]time.Duration{"median-ms": took[len(took)/2], "p99-ms": took[len(took)*99/100], "longest-ms": took[len(took)-1]} {
					b.ReportMetric(float64(d.Microseconds())/1000, name)
				}
				b.ReportMetric(float64(bad), "refused")
			})
		}
	}
}
