package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// There is one span per batch, and below it one per insert and one for the commit. There is none
// per record. No attribute names an org, a person or an event.

// traceBatch begins the span of a batch. The function that it returns ends the span.
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

// end ends a span and marks it as failed after an error. The error's text may quote data, so it
// goes only into the log, under the batch's number.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "see the log")
	}
	span.End()
}
