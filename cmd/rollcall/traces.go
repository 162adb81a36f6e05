package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"rollcall/schema/outage"
)

// traceFlags say where the spans of batches, recomputes and exports go. OpenTelemetry has standard
// variables for the rest (headers, certificates, compression, sampling, resource attributes), and
// its own library reads them. Flags of ours for the same would be a second place for each setting.
type traceFlags struct {
	OTLPEndpoint string `name:"otlp-endpoint" help:"Where traces are sent, OTLP over HTTP; /v1/traces is appended. Without it, none are made. OpenTelemetry's other variables, OTEL_EXPORTER_OTLP_HEADERS or OTEL_TRACES_SAMPLER for example, hold as everywhere." env:"ROLLCALL_OTLP_ENDPOINT,OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL"`
}

// traces makes the spans of a process. close sends the spans that are left, within the time that a
// stop may take.
type traces struct {
	trace.TracerProvider
	close func()
}

// tracesEndpoint is OpenTelemetry's variable for an address that receives traces only; the library
// reads it.
const tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

// open makes the provider of spans. Without an endpoint, the provider makes no spans and costs
// nothing.
func (f traceFlags) open(ctx context.Context, stage string, log *slog.Logger) (traces, error) {
	none := traces{noop.NewTracerProvider(), func() {}}
	if f.OTLPEndpoint == "" && os.Getenv(tracesEndpoint) == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return none, nil
	}
	options, err := f.exporter()
	if err != nil {
		return none, err
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return none, badSetting("--otlp-endpoint: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "rollcall-"+stage)), resource.WithFromEnv())
	if err != nil {
		return none, badSetting("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// the library has one error handler for the whole process
	sending := &outage.Outage{
		Log: log, What: "traces were not sent", Do: "look at the collector at --otlp-endpoint; nothing else waits for it",
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { sending.Failed("not sent", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return traces{provider, func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace/5)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces were not sent", "error", err)
		}
	}}, nil
}

// exporter turns the setting into the exporter's options. It refuses values that the library would
// silently interpret as something else.
func (f traceFlags) exporter() ([]otlptracehttp.Option, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" {
			if protocol != "http/protobuf" {
				return nil, badSetting("%s is %q; traces are sent as http/protobuf only, to port 4318 by convention",
					name, protocol)
			}
			break
		}
	}
	if os.Getenv(tracesEndpoint) != "" {
		return nil, nil
	}
	u, err := url.Parse(f.OTLPEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, badSetting("--otlp-endpoint must look like http://collector:4318, not %q", f.OTLPEndpoint)
	}
	return []otlptracehttp.Option{otlptracehttp.WithEndpointURL(fmt.Sprint(u.JoinPath("v1/traces")))}, nil
}
