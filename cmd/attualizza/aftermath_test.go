package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

// aged DATABASE prepares a database with what time has passed over: an activation
// of three hours ago that no receipt followed, one that a receipt followed, and
// answers, receipts and a delivery of eleven years ago.
func aged(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: aged sqlite:FILE")
		}
		database := "sqlite:" + ts.MkAbs(strings.TrimPrefix(args[0], "sqlite:"))
		registered(t, database)
		store := opened(t, database)
		defer store.Close()
		const missing, paid = positions.NoticeNumber("302000000000000178"), positions.NoticeNumber("302000000000000279")
		now := time.Now()
		ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
		activation := func(nav positions.NoticeNumber, at time.Time) positions.Answer {
			return positions.Answer{At: at, OrganizationFiscalCode: loadtest.Organization, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK", Amount: 19_857}
		}
		decade := now.AddDate(-11, 0, 0)
		ts.Check(store.RecordAnswers(t.Context(), []positions.Answer{
			activation(missing, ago(72)), activation(missing, ago(3)), activation(paid, ago(4)), activation(paid, decade), activation(paid, decade.Add(time.Hour)),
		}))
		for i, at := range []time.Time{ago(4).Add(time.Minute), decade.Add(2 * time.Hour)} {
			_, err := store.SaveReceipt(t.Context(), &positions.Receipt{
				OrganizationFiscalCode: loadtest.Organization, CreditorFiscalCode: loadtest.Organization, ReceiptID: fmt.Sprint("rt-", i), NAV: paid,
				ReceivedAt: at, Outcome: "OK", Message: []byte("Maria Rossi"), Outgoing: positions.Outgoing{Receipt: at.Before(now.AddDate(-1, 0, 0))},
			})
			ts.Check(err)
		}
		d, err := store.ClaimDelivery(t.Context(), positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: loadtest.Organization}, decade.Add(2*time.Hour), decade.Add(3*time.Hour))
		ts.Check(err)
		d.State, d.EndedAt = positions.DeliveryDelivered, decade.Add(3*time.Hour)
		ts.Check(store.SettleDelivery(t.Context(), d))
		doubtful := activation("302000000000000380", now)
		doubtful.Operation, doubtful.Source = "paVerifyPaymentNotice", positions.SourceNone
		ts.Check(store.RecordAnswers(t.Context(), []positions.Answer{doubtful}))
		open, err := store.DueReconciliations(t.Context(), loadtest.Organization, now, 1)
		ts.Check(err)
		open[0].Lapse(decade)
		ts.Check(store.SettleReconciliation(t.Context(), &open[0]))
	}
}
