package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// One span per batch, below it one per insert and one for the commit; nothing per record. No
// attribute names an org, a person or an event.

// traceBatch begins the span of a batch; the function it gives ends it.
func (s *storer) traceBatch(ctx context.Context, b *batch) (context.Context, func(slices int, err error)) {
	ctx, span := s.engine.tracer.Start(ctx, "ingest batch", trace.WithAttributes(
		attribute.Int64("rollcall.batch", int64(b.number)), attribute.String("rollcall.writer", s.writer.String()),
		attribute.Int("rollcall.partitions", len(b.ends)),
		attribute.Int("rollcall.events", b.events.Len()), attribute.Int("rollcall.entities", b.entities.Len()),
		attribute.Int("rollcall.rejects", b.rejects.Len())))
	return ctx, func(slices int, err error) {
		span.SetAttributes(attribute.Int("rollcall.slices", slices))
		end(span, err)
	}
}

// traceStep begins the span of one step of a batch.
func (e *engine) traceStep(
	ctx context.Context, name string, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	return e.tracer.Start(ctx, name, trace.WithAttributes(attributes...))
}

// end ends a span, with what it failed by. The text of an error may quote data, so it is left to
// the log, which has the batch's number.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "see the log")
	}
	span.End()
}
