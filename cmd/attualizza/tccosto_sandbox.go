package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/tccosto"
	"github.com/attualizza/attualizza/positions"
)

// rehearsed are the notices of both scenarios: who sends the notification, and
// the simulator's script that it followed.
var rehearsed = []struct {
	scenario tccosto.Scenario
	sender   string
	base     int64 // of the notice number
	amount   money.Cents
	script   string
}{
	{tccosto.SenderIsCreditor, demoOrganization, 6000000000101, 10000, "digital-viewed"},
	{tccosto.SenderIsCreditor, demoOrganization, 6000000000102, 17300, "two-890"},
	{tccosto.SenderIsAnother, demoBeneficiary, 6000000000201, 10000, "digital-refined"},
	{tccosto.SenderIsAnother, demoBeneficiary, 6000000000202, 8850, "one-890"},
}

// rehearse runs both scenarios against a service and a simulator of its own, with
// an ente that is not real.
func rehearse(ctx context.Context, shown *progress) ([]tccosto.Report, error) {
	logger := slog.New(slog.DiscardHandler)
	folder, err := os.MkdirTemp("", "attualizza-tc-costo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	shown.step("starting SEND's simulator, the database and the service")
	sim, err := startSandbox(ctx, "127.0.0.1:0", sandbox.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	defer sim.Close()
	stage, err := newStage(ctx, sim, "sqlite:"+filepath.Join(folder, "tc-costo.db"), "", logger)
	if err != nil {
		return nil, err
	}
	defer stage.Close()
	shown.step("registering the sample ente, its positions and their notifications")
	if err := stage.register(ctx, positions.Duration(15*time.Minute)); err != nil {
		return nil, err
	}
	notices, err := stage.notify(ctx)
	if err != nil {
		return nil, err
	}
	var reader struct{ Key string }
	if err := stage.rest(ctx, http.MethodPost, "/api-keys", stage.adminKey, map[string]any{"name": "tc-costo", "role": "READER"}, &reader); err != nil {
		return nil, err
	}
	collector := tccosto.Collector{
		Endpoint: "http://" + stage.address("nodo") + "/soap/paForNode", API: "http://" + stage.address("api"), Key: reader.Key,
		Organization: demoOrganization, Broker: demoBroker, Station: demoStation, Progress: shown.step,
	}
	var reports []tccosto.Report
	for _, s := range []tccosto.Scenario{tccosto.SenderIsCreditor, tccosto.SenderIsAnother} {
		report, err := collector.Report(ctx, s, notices[s])
		if err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// notify publishes the rehearsed notices and lets their notifications run to
// their end.
func (s *stage) notify(ctx context.Context) (map[tccosto.Scenario][]positions.NoticeNumber, error) {
	notices := make(map[tccosto.Scenario][]positions.NoticeNumber)
	for _, r := range rehearsed {
		nav, err := positions.NewNoticeNumber(2, r.base)
		if err != nil {
			return nil, err
		}
		sample := scene{nav: nav, amount: r.amount, bound: true, due: time.Now().AddDate(0, 1, 0)}
		position := sample.position()
		if r.sender != demoOrganization {
			position["paymentOption"].([]any)[0].(map[string]any)["senderFiscalCode"] = r.sender
		}
		if err := s.publish(ctx, position); err != nil {
			return nil, err
		}
		n, err := s.sim.Notify(sandbox.Request{
			SenderTaxID: r.sender, Script: r.script,
			Recipients: []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: demoOrganization, NoticeCode: string(nav)}}}},
		})
		if err != nil {
			return nil, err
		}
		if _, err := s.sim.Finish(n.IUN); err != nil {
			return nil, err
		}
		notices[r.scenario] = append(notices[r.scenario], nav)
	}
	return notices, nil
}
