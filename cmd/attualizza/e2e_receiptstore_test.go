package main

import (
	"crypto/rand"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// A KO to a receipt is final, and the Nodo sends again what got no answer (SANP,
// "Best practice": 48 times, once an hour). So a store that does not answer must
// never become one.
func TestAReceiptIsNeverRefusedForAFaultOfOurs(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testing.T) (database string, fail func() (heal func())){
		"PostgreSQL frozen": func(t *testing.T) (string, func() func()) {
			server := testservers.StartPostgres(t)
			return server.Database(), func() func() { server.Pause(); return server.Resume }
		},
		"PostgreSQL killed": func(t *testing.T) (string, func() func()) {
			server := testservers.StartPostgres(t, testservers.Durable())
			return server.Database(), func() func() { server.Kill(); return server.Start }
		},
		"SQLite's file held by another process": func(t *testing.T) (string, func() func()) {
			path := filepath.Join(t.TempDir(), "held.db")
			return "sqlite:" + path, func() func() { return hold(t, path) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, fail := stop(t)
			sim := newSimulator(t)
			cfg, err := stageConfig(sim, database, "")
			if err != nil {
				t.Fatal(err)
			}
			cfg.MaxInFlight = 8 // two receipts at once
			h := newHouseWith(t, sim, cfg)
			if err := h.ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := h.ente(t, policy("duplicateReceipt", "DUPLICATA"))
			debts, messages := []debt{}, []string{}
			for range 6 {
				d := e.publish(t, digital)
				receipt := e.receipt(t, d, pafornode.GetPaymentV2)
				receipt.Receipt.ReceiptID = rand.Text()
				debts, messages = append(debts, d), append(messages, string(pafornode.AppendRequest(nil, receipt)))
			}

			heal := fail()
			// Two have their budget run out, the others find no place: both are ours.
			var all sync.WaitGroup
			for _, message := range messages {
				all.Go(func() {
					began := time.Now()
					if status, answer := h.post(t, message); status != http.StatusServiceUnavailable || answer != "" {
						t.Errorf("HTTP %d %q", status, answer)
					}
					if took := time.Since(began); took > promptly {
						t.Errorf("asked to come back after %s", took)
					}
				})
			}
			all.Wait()
			heal()

			for i, message := range messages {
				var status int
				var answer string
				eventually(t, 15*time.Second, "the service is well again", func() bool {
					status, answer = h.post(t, message)
					return status != http.StatusServiceUnavailable
				})
				// What a frozen server had been told to commit may be there already.
				if status != http.StatusOK || !strings.Contains(answer, "<outcome>OK<") && !strings.Contains(answer, "PAA_RECEIPT_DUPLICATA") {
					t.Errorf("afterwards: HTTP %d %s", status, answer)
				}
				if kept := e.kept(t, debts[i].nav); len(kept) != 1 || len(kept[0].Flags) != 0 {
					t.Errorf("kept are %s", show(kept))
				}
				e.wantsStatus(t, debts[i].iupd, positions.Paid)
			}
		})
	}
}

// hold takes the write lock of a SQLite file as another process would.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}
