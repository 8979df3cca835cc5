package soap

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// scraped is what Prometheus would read.
func scraped(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func says(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
}

func metered(t *testing.T) (*door, *telemetry.Metrics) {
	t.Helper()
	m, err := telemetry.NewMetrics(telemetry.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	return open(t, func(c *Config, _ *positions.Organization) { c.Meter = m.Meter() }), m
}

func TestWhatAlertsLookAtIsAtZeroFromTheStart(t *testing.T) {
	_, m := metered(t)
	page := scraped(t, m)
	says(t, page,
		`attualizza_answers_total{fault_code="",operation="paGetPaymentV2",outcome="OK"} 0`,
		`attualizza_answers_total{fault_code="PAA_SYSTEM_ERROR",operation="paVerifyPaymentNotice",outcome="KO"} 0`,
		`attualizza_answers_total{fault_code="PAA_SYSTEM_ERROR",operation="paDemandPaymentNotice",outcome="KO"} 0`,
		`attualizza_answers_total{fault_code="",operation="paSendRTV2",outcome="RESUBMIT"} 0`,
		`attualizza_answers_total{fault_code="",operation="unknown",outcome="RESUBMIT"} 0`,
		`attualizza_answers_total{fault_code="PAA_ID_DOMINIO_ERRATO",operation="paSendRT",outcome="KO"} 0`,
		`attualizza_fee_source_total{source="NONE"} 0`,
		`attualizza_notification_fee_cents_total{source="LIVE"} 0`,
		`attualizza_verified_then_activated_total{result="same"} 0`,
		`attualizza_verified_then_activated_total{result="more"} 0`,
		`attualizza_verified_then_activated_total{result="less"} 0`,
		`attualizza_amount_drift_cents_total{direction="up"} 0`,
		`attualizza_amount_drift_cents_total{direction="down"} 0`,
		`attualizza_receipts_total{outcome="KO"} 0`,
		`attualizza_answers_in_flight{kind="payment"} 0`,
		`attualizza_answers_in_flight{kind="receipt"} 0`,
	)
	if strings.Contains(page, `operation="paDemandPaymentNotice",outcome="OK"`) {
		t.Error("an answer is told of that nobody ever gets")
	}
}

func TestTheFeesOfActivationsAreAddedUpAndThoseOfVerifiesAreNot(t *testing.T) {
	d, m := metered(t)
	d.ask(t, pafornode.VerifyPaymentNotice, nil)
	d.ask(t, pafornode.GetPayment, nil)
	d.ask(t, pafornode.GetPaymentV2, nil)
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		q := payable()
		q.Refusal = positions.RefusedExpired
		return q, nil
	}
	d.ask(t, pafornode.GetPaymentV2, nil) // a KO asks nobody for anything
	says(t, scraped(t, m), `attualizza_notification_fee_cents_total{source="LIVE"} 400`)
}

func TestAnswersInPreparationAreCountedByTheirKind(t *testing.T) {
	d, m := metered(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		inside <- struct{}{}
		<-leave
		return payable(), nil
	}
	d.desk.receipt = func(context.Context, *positions.Receipt) (bool, error) {
		inside <- struct{}{}
		<-leave
		return false, nil
	}
	done := make(chan struct{}, 3)
	for _, op := range []pafornode.Operation{pafornode.GetPaymentV2, pafornode.VerifyPaymentNotice, pafornode.SendRTV2} {
		go func() {
			d.ask(t, op, nil)
			done <- struct{}{}
		}()
		<-inside
	}
	says(t, scraped(t, m), `attualizza_answers_in_flight{kind="payment"} 2`, `attualizza_answers_in_flight{kind="receipt"} 1`)
	close(leave)
	for range 3 {
		<-done
	}
	says(t, scraped(t, m), `attualizza_answers_in_flight{kind="payment"} 0`, `attualizza_answers_in_flight{kind="receipt"} 0`)
}
