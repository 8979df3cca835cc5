package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestTheServiceTellsOfItselfAndOfWhatItDependsOn(t *testing.T) {
	onBoth(t, map[string]func(t *testing.T, h *house){"": func(t *testing.T, h *house) {
		e := h.ente(t, h.withVoucher(t))
		d := e.publish(t, digital)
		wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount+200)
		want := []string{
			`attualizza_build_info\{config="` + h.cfg.Fingerprint() + `",version="[^"]+"\} 1`,
			`attualizza_ready 1`, `attualizza_dependency_up\{dependency="store"\} 1`,
			`attualizza_voucher_not_after_timestamp_seconds\{key="` + e.fiscalCode + `"\} 1\.\d+e\+09`,
			`attualizza_store_connections\{state="max"\} \d+`, `attualizza_store_connections\{state="used"\} \d+`,
			`attualizza_store_waits_total \d+`, `attualizza_store_wait_seconds_total \S+`,
			`attualizza_receipts_missing \d+`, `attualizza_answers_unlogged_total 0`, `attualizza_under_collected_cents_total \d+`,
			`attualizza_deliveries_total\{kind="RECEIPT",result="parked"\} 0`, `attualizza_deliveries_pending\{kind="SEND_PAYMENT"\} \d+`,
			`attualizza_notification_fee_cents_total\{source="LIVE"\} 200`,
			`attualizza_rest_requests_total\{method="POST",route="/v1/organizations/:organizationFiscalCode/debtpositions",status="201"\} 1`,
			`attualizza_position_changes_total\{event="created"\} 1`,
		}
		if h.redis != nil {
			want = append(want, `attualizza_dependency_up\{dependency="redis"\} 1`, `attualizza_redis_bypassed 0`, `attualizza_redis_request_duration_seconds_count\{command="set"\} \d+`)
		}
		eventually(t, 10*time.Second, "everything is told", func() bool {
			_, page := h.get(t, "ops", "/metrics")
			for _, line := range want {
				if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(page) {
					t.Log("not yet:", line)
					return false
				}
			}
			return true
		})
		if _, page := h.get(t, "ops", "/metrics"); h.redis == nil && strings.Contains(page, `dependency="redis"`) {
			t.Error("a Redis is told of that is not configured")
		}
		documented(t, h)
		h.draining.Store(true)
		defer h.draining.Store(false)
		if _, page := h.get(t, "ops", "/metrics"); !strings.Contains(page, "\nattualizza_ready 0\n") {
			t.Error("who drains is told to be ready")
		}
	}})
}

// documented holds what the service exposes to the page about it.
func documented(t *testing.T, h *house) {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page := h.get(t, "ops", "/metrics")
	names := regexp.MustCompile(`(?m)^# HELP (attualizza_\w+) \S`).FindAllStringSubmatch(page, -1)
	if all := strings.Count(page, "# TYPE attualizza_"); len(names) != all || all == 0 {
		t.Errorf("of %d metrics %d say what they are", all, len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name[1]+"`") {
			t.Errorf("docs/metrics.md says nothing of %s", name[1])
		}
	}
}

func TestADependencyIsAskedNowAndThenHoweverOftenTheMetricsAreRead(t *testing.T) {
	asked, answer := 0, error(nil)
	p := &pulse{ping: func(ctx context.Context) error {
		asked++
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("it may be waited for without end")
		}
		return answer
	}}
	for range 10 {
		if !p.beats(t.Context()) {
			t.Fatal("it answers, and is told not to")
		}
	}
	answer = errors.New("down")
	if !p.beats(t.Context()) || asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	p.at = time.Now().Add(-pulseEvery)
	for range 2 {
		if p.beats(t.Context()) {
			t.Error("it does not answer, and is told to")
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// missingInHand is a store whose missing receipts are the test's.
type missingInHand map[string]int

func (s missingInHand) MissingReceipts(ctx context.Context, f positions.MissingReceiptFilter) ([]positions.MissingReceipt, int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, 0, errors.New("the store may be waited for without end")
	}
	if age := f.Now.Sub(f.To); age != positions.DefaultMissingAge || f.Page.Limit != 0 {
		return nil, 0, errors.New("another question than that of the API")
	}
	n := s[f.OrganizationFiscalCode]
	if n < 0 {
		return nil, 0, errors.New("down")
	}
	return nil, n, nil
}

func TestASurveyAddsUpAndKeepsWhatItKnewOfWhoIsNotTold(t *testing.T) {
	store := missingInHand{"1": 2, "2": 3}
	all := []*registry.Organization{{Organization: positions.Organization{FiscalCode: "1"}}, {Organization: positions.Organization{FiscalCode: "2"}}}
	var logs strings.Builder
	v := newSurvey(store, func() []*registry.Organization { return all }, slog.New(slog.NewTextHandler(&logs, nil)))
	wants := func(n int64) {
		t.Helper()
		v.round(t.Context())
		if got := v.missing.Load(); got != n {
			t.Errorf("%d are missing, want %d", got, n)
		}
	}
	if v.missing.Load() >= 0 {
		t.Error("something is told before anybody looked")
	}
	wants(5)
	store["1"], store["2"] = 4, -1
	wants(7)
	if strings.Count(logs.String(), "level=WARN") != 1 {
		t.Errorf("the log says %s", logs.String())
	}
	store["2"] = 1
	wants(5)
	all = all[:1]
	wants(4)
	store["1"] = 9
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	v.round(ended)
	if v.missing.Load() != 4 {
		t.Error("half a round is told")
	}
}
