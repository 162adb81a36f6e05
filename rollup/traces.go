package rollup

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
)

// traceRecompute begins the span of a recompute; the function it gives ends it. No attribute names
// an org; the text of an error is left to the log.
func (r *Rollup) traceRecompute(ctx context.Context, b *attempt) (context.Context, func(committed int, err error)) {
	ctx, span := r.tracer.Start(ctx, "rollup recompute")
	return ctx, func(committed int, err error) {
		span.SetAttributes(attribute.Int("rollcall.slices", b.asked), attribute.Int("rollcall.slices_committed", committed),
			attribute.Int64("rollcall.rows", int64(b.rows)))
		if err != nil {
			span.SetStatus(codes.Error, "see the log")
		}
		span.End()
	}
}
