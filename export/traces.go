package export

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// trace begins the span of a request for data. If the request names a parent span (traceparent),
// the span is below it. It says no more than the log line: no key, path or query.
func (e *Export) trace(r *http.Request, x *exchange) *http.Request {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, x.span = e.tracer.Start(ctx, "export", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", r.Method),
			attribute.String("rollcall.request_id", x.id.String())))
	return r.WithContext(ctx)
}

// endTrace ends the span with the outcome of the request.
func (x *exchange) endTrace(outcome string) {
	kind, format := x.labels()
	x.span.SetAttributes(attribute.String("rollcall.type", kind), attribute.String("rollcall.format", format),
		attribute.Int("http.response.status_code", x.status),
		attribute.String("rollcall.outcome", outcome), attribute.Int64("rollcall.bytes", int64(x.bytes)))
	if x.rows != nil {
		x.span.SetAttributes(attribute.Int64("rollcall.rows", int64(*x.rows)))
	}
	if outcome == outcomeFailed || outcome == outcomeAborted {
		x.span.SetStatus(codes.Error, "see the log, by the request id")
	}
	x.span.End()
}

// traceStep begins the span of one step of a request: the plan, or the query up to its first bytes.
func (e *Export) traceStep(ctx context.Context, name string) (context.Context, func(*error)) {
	ctx, span := e.tracer.Start(ctx, name)
	return ctx, func(err *error) {
		if *err != nil {
			span.SetStatus(codes.Error, "see the log, by the request id")
		}
		span.End()
	}
}
