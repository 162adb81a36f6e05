package export

import (
	"context"
	"net/http"
	"time"

	"rollcall/schema/tables"
)

// maxPlans is the number of plans that may fail because data moved, including data that only
// changes the ETag. After them, one more plan is made that only has to be exact: then the log may
// move, and the answer has no tag.
const maxPlans = 3

// untilPlanHolds calls try, which makes a plan for the span and reads by it. If a guard of the
// statement says that the plan no longer held, it calls try again. After a plan whose rows were
// missing, the next plans count rows, because the rows may be gone for good. The last plan counts
// in any case: if data moves and rows are missing, the engine may have said only the former. If no
// plan holds, the client gets a 503 that says when to try again.
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
		case tables.Stale(err) || attempt == maxPlans:
			span = span.Counting()
		}
	}
}

// byPlan makes a plan for the span and reads by it, again and again until the plan holds
// (untilPlanHolds).
func (e *Export) byPlan(ctx context.Context, span tables.Span, read func(tables.Plan) error) error {
	return untilPlanHolds(span, func(span tables.Span, _ bool) error {
		plan, err := tables.ReadPlan(ctx, e.conn, span, e.cfg.Now())
		if err != nil {
			return err
		}
		return read(plan)
	})
}

// byJobsPlan makes a plan for the job and reads by it until the plan holds (untilPlanHolds). With
// tagged, the answer gets a tag that says which data it is made of, unless this data moves too
// fast. read may be called several times, so it must not begin to answer.
func (e *Export) byJobsPlan(ctx context.Context, j *job, tagged bool, read func(planned) error) error {
	span := j.request.Span()
	return untilPlanHolds(span, func(span tables.Span, last bool) error {
		p, err := e.plan(ctx, j, span, last || !tagged)
		if err != nil {
			return err
		}
		return read(p)
	})
}
