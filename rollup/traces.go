package rollup

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
)

// traceRecompute begins the span of a recompute; the function that it returns ends it. No attribute
// names an org, and the text of an error is only in the log.
func (r *Rollup) traceRecompute(ctx context.Context, b *attempt) (context.Context, func(committed int, err error)) {
	ctx, span := r.tracer.Start(ctx, "rollup recompute")
	return ctx, func(committed int, err error) {
		span.SetAttributes(
			attribute.Int("rollcall.slices", b.asked),
			attribute.Int("rollcall.slices_committed", committed),
			attribute.Int64("rollcall.rows", int64(b.rows)),
		)
		if err != nil {
			span.SetStatus(codes.Error, "see the log")
		}
		span.End()
	}
}
