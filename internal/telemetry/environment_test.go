package telemetry

import (
	"strings"
	"testing"
)

func TestWhatOpenTelemetrysVariablesAskFor(t *testing.T) {
	for _, c := range []struct {
		name     string
		set      map[string]string
		disabled bool
		export   bool
		sampler  string
		refusal  string // names the variable
	}{
		{name: "nothing is set: no exporter, and the SDK's own sampler", sampler: "ParentBased{root:AlwaysOnSampler"},
		{name: "an endpoint is enough", set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, export: true, sampler: "ParentBased{root:AlwaysOnSampler"},
		{name: "so is one for traces alone", set: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces"}, export: true, sampler: "ParentBased"},
		{name: "the collector of this machine", set: map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, export: true, sampler: "ParentBased"},
		{name: "an endpoint for other things", set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, sampler: "ParentBased"},
		{name: "disabled, whatever else is said", set: map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, disabled: true, sampler: "ParentBased"},
		{name: "one in twenty", set: map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05"}, sampler: "TraceIDRatioBased{0.05}"},
		{name: "one in twenty, unless the caller decided", set: map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05"}, sampler: "ParentBased{root:TraceIDRatioBased{0.05}"},
		{name: "an argument that the sampler does not take", set: map[string]string{"OTEL_TRACES_SAMPLER": "always_off", "OTEL_TRACES_SAMPLER_ARG": "x"}, sampler: "AlwaysOffSampler"},
		{name: "W3C among others", set: map[string]string{"OTEL_PROPAGATORS": "baggage, tracecontext"}, sampler: "ParentBased"},

		{name: "neither true nor false", set: map[string]string{"OTEL_SDK_DISABLED": "yes"}, refusal: "OTEL_SDK_DISABLED"},
		{name: "another exporter", set: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, refusal: "OTEL_TRACES_EXPORTER"},
		{name: "gRPC", set: map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, refusal: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{name: "metrics that are pushed", set: map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, refusal: "OTEL_METRICS_EXPORTER"},
		{name: "another propagator", set: map[string]string{"OTEL_PROPAGATORS": "b3"}, refusal: "OTEL_PROPAGATORS"},
		{name: "an endpoint without a scheme", set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, refusal: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{name: "a sampler that is none", set: map[string]string{"OTEL_TRACES_SAMPLER": "sometimes"}, refusal: "OTEL_TRACES_SAMPLER"},
		{name: "a share above all", set: map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "5"}, refusal: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "a share that is no number", set: map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"}, refusal: "OTEL_TRACES_SAMPLER_ARG"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, err := ReadEnvironment(func(name string) string { return c.set[name] })
			if c.refusal != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.refusal+" is ") {
					t.Errorf("refused with %v, which does not begin with %s", err, c.refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if env.Disabled != c.disabled || env.Export != c.export || !strings.HasPrefix(env.Sampler.Description(), c.sampler) {
				t.Errorf("disabled %v, export %v, sampler %s", env.Disabled, env.Export, env.Sampler.Description())
			}
		})
	}
}
