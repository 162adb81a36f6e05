package export

import (
	"context"
	"net/http"
	"time"

	"rollcall/schema/tables"
)

// maxPlans is how many plans may fail before only what exactness needs is insisted on: that the
// plan holds, not that the log stands still for the ETag. One more plan is made after them.
const maxPlans = 3

// untilPlanHolds calls try, which makes a plan for the span and reads by it. It calls try again
// while a guard of the statement says that the plan no longer held. After rows were missing, the
// next plans count rows: they may have gone for good. If no plan holds, the client is told to come
// again.
func untilPlanHolds(span tables.Span, try func(span tables.Span, last bool) error) error {
	for attempt := 1; ; attempt++ {
		last := attempt > maxPlans
		err := try(span, last)
		switch {
		case !tables.Stale(err) && !tables.StaleVersion(err):
			return err
		case last:
			return &failure{
				status: http.StatusServiceUnavailable, retryAfter: time.Second, err: err,
				detail: "This workspace's data is being reorganised at the moment; try again in a second.",
			}
		case tables.Stale(err):
			span = span.Counting()
		}
	}
}

// byPlan makes a plan for the span and reads by it, as untilPlanHolds does.
func (e *Export) byPlan(ctx context.Context, span tables.Span, read func(tables.Plan) error) error {
	return untilPlanHolds(span, func(span tables.Span, _ bool) error {
		plan, err := tables.ReadPlan(ctx, e.conn, span, e.cfg.Now())
		if err != nil {
			return err
		}
		return read(plan)
	})
}

// byJobsPlan makes a plan for the job and reads by it, as untilPlanHolds does. A tagged answer says
// which data it is made of, unless this data moves too fast. read must not begin to answer: it may
// be called again.
func (e *Export) byJobsPlan(ctx context.Context, j *job, tagged bool, read func(planned) error) error {
	span := j.request.Period.Span(j.request.Org)
	return untilPlanHolds(span, func(span tables.Span, last bool) error {
		p, err := e.plan(ctx, j, span, last || !tagged)
		if err != nil {
			return err
		}
		return read(p)
	})
}
