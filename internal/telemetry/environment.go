package telemetry

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Environment is what OpenTelemetry's own variables ask for, as far as this program
// can do it (OpenTelemetry specification, "Environment variable specification").
// Those of the exporter itself (OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _CERTIFICATE
// and the like, OTEL_BSP_*, OTEL_SPAN_*) are read by the SDK.
type Environment struct {
	// Disabled switches metrics and traces off (OTEL_SDK_DISABLED).
	Disabled bool
	// Export: traces are sent to a collector, by OTLP over HTTP. It takes an endpoint
	// (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) or
	// OTEL_TRACES_EXPORTER=otlp, which means the collector of this machine.
	Export bool
	// Sampler decides at the start of a trace (OTEL_TRACES_SAMPLER, _ARG); by default
	// all of them are sampled, save those whose parent was not.
	Sampler sdktrace.Sampler
}

// ReadEnvironment reads the variables through getenv. It fails on a value that cannot
// be understood or asks for what this program does not do, naming the variable.
func ReadEnvironment(getenv func(string) string) (Environment, error) {
	get := func(name string) string { return strings.TrimSpace(getenv(name)) }
	var env Environment
	switch text := strings.ToLower(get("OTEL_SDK_DISABLED")); text {
	case "", "false":
	case "true":
		env.Disabled = true
	default:
		return env, fmt.Errorf("OTEL_SDK_DISABLED is %q: it is true or false", text)
	}
	for _, v := range []struct {
		name string
		can  []string
	}{
		{"OTEL_TRACES_EXPORTER", []string{"otlp", "none"}},
		{"OTEL_METRICS_EXPORTER", []string{"prometheus", "none"}}, // read at /metrics either way
		{"OTEL_LOGS_EXPORTER", []string{"console", "none"}},       // written to standard output either way
		{"OTEL_EXPORTER_OTLP_PROTOCOL", []string{"http/protobuf"}},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", []string{"http/protobuf"}},
	} {
		if text := get(v.name); text != "" && !slices.Contains(v.can, text) {
			return env, fmt.Errorf("%s is %q: this program can do %s", v.name, text, strings.Join(v.can, " and "))
		}
	}
	if text := get("OTEL_PROPAGATORS"); text != "" && !slices.Contains(strings.Split(strings.ReplaceAll(text, " ", ""), ","), "tracecontext") {
		return env, fmt.Errorf("OTEL_PROPAGATORS is %q: this program hands on tracecontext (W3C), and nothing else", text)
	}
	endpoint := false
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		text := get(name)
		if text == "" {
			continue
		}
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return env, fmt.Errorf("%s is no address of a collector: it is like http://localhost:4318", name)
		}
		endpoint = true
	}
	exporter := get("OTEL_TRACES_EXPORTER")
	env.Export = !env.Disabled && (exporter == "otlp" || endpoint && exporter == "")
	var err error
	env.Sampler, err = sampler(strings.ToLower(get("OTEL_TRACES_SAMPLER")), get("OTEL_TRACES_SAMPLER_ARG"))
	return env, err
}

// sampler is the SDK's own reading of the two variables, which it does not export.
func sampler(name, arg string) (sdktrace.Sampler, error) {
	ratio := 1.0
	if arg != "" && strings.HasSuffix(name, "traceidratio") {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: it is a share, from 0 to 1", arg)
		}
	}
	switch name {
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	}
	return nil, fmt.Errorf("OTEL_TRACES_SAMPLER is %q: it is one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio", name)
}
