package telemetry

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
)

func TestMetricsCarryTheContractsNames(t *testing.T) {
	m, err := NewMetrics(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	answers, err := m.Meter().Int64Counter("attualizza_answers", metric.WithDescription("Answers."))
	if err != nil {
		t.Fatal(err)
	}
	answers.Add(context.Background(), 1)
	duration, err := m.Meter().Float64Histogram("attualizza_answer_duration", metric.WithUnit("s"), metric.WithDescription("Time."),
		metric.WithExplicitBucketBoundaries(1.5, 2, 7))
	if err != nil {
		t.Fatal(err)
	}
	duration.Record(context.Background(), 1.7)

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	page, _ := io.ReadAll(w.Body)
	for _, want := range []string{
		"\nattualizza_answers_total 1\n", `attualizza_answer_duration_seconds_bucket{le="2"} 1`, "\ngo_goroutines ", "# HELP attualizza_answers_total Answers.",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(string(page), "otel_scope") {
		t.Error("scope labels make every series wider for nothing")
	}
}

func TestLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range [][2]string{{"loud", "json"}, {"info", "xml"}} {
		if _, err := NewLogger(io.Discard, c[0], c[1]); err == nil {
			t.Errorf("level %q and format %q were accepted", c[0], c[1])
		}
	}
	var out bytes.Buffer
	l, err := NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	l.Debug("hidden")
	l.Info("shown")
	if s := out.String(); strings.Contains(s, "hidden") || !strings.Contains(s, `"msg":"shown"`) || !strings.Contains(s, `Z","level"`) {
		t.Errorf("logged %s", s)
	}
}

func TestTheAuditIsWrittenWhateverTheLevel(t *testing.T) {
	var out bytes.Buffer
	logger, err := NewLogger(&out, "error", "json")
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("chatter")
	Audit(logger).Info("act", "by", "operator")
	if got := out.String(); strings.Contains(got, "chatter") || !strings.Contains(got, `"audit":true`) || !strings.Contains(got, `"by":"operator"`) {
		t.Errorf("written is %s", got)
	}
}
