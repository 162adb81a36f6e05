package export

import (
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// A span says "error" for what the service has to answer for, and for nothing else: a refused
// request is not an error.
func TestSpansTellErrors(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	f := newFixture(t, func(c *Config) { c.Traces = sdk.NewTracerProvider(sdk.WithSyncer(spans)) })
	of := func(name string) codes.Code {
		t.Helper()
		for _, s := range spans.GetSpans() {
			if s.Name == name {
				return s.Status.Code
			}
		}
		t.Fatalf("no span %q among %d", name, len(spans.GetSpans()))
		return 0
	}
	for outcome, want := range map[string]codes.Code{
		outcomeComplete: codes.Unset, outcomeRefused: codes.Unset, outcomeFailed: codes.Error, outcomeAborted: codes.Error,
	} {
		spans.Reset()
		x := &exchange{}
		_, x.span = f.service.tracer.Start(t.Context(), "export")
		x.endTrace(outcome)
		if got := of("export"); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	for _, c := range []struct {
		err  error
		want codes.Code
	}{{nil, codes.Unset}, {errors.New("broken"), codes.Error}} {
		spans.Reset()
		_, end := f.service.traceStep(t.Context(), "plan")
		end(&c.err)
		if got := of("plan"); got != c.want {
			t.Errorf("a step with error %v: %v, want %v", c.err, got, c.want)
		}
	}
}
