package export

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errLate ends the work on a request whose answer did not begin in time.
var errLate = errors.New("the answer did not begin in time")

// retryLate is when a client should try again after errLate.
const retryLate = 30 * time.Second

// A firstByte limits the time until an answer begins. An engine that is frozen neither answers nor
// closes the connection, so without a limit a client would wait for minutes.
type firstByte struct {
	timer *time.Timer
	ctx   context.Context // of the request; its end with errLate as the cause means that time is up
	limit time.Duration
}

// limitFirstByte returns the request with a context that ends if its answer does not begin in time.
// end must be called when the request has ended.
func (e *Export) limitFirstByte(r *http.Request) (_ *http.Request, limit *firstByte, end func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	limit = &firstByte{ctx: ctx, limit: e.cfg.FirstByteTimeout}
	limit.timer = time.AfterFunc(limit.limit, func() { cancel(errLate) })
	return r.WithContext(ctx), limit, func() {
		limit.timer.Stop()
		cancel(nil)
	}
}

// begun says that the answer begins: from here on, it may take as long as the client reads.
func (l *firstByte) begun() { l.timer.Stop() }

// failure returns what to answer if a request failed with err, before its answer began: a 503 if
// that was because time was up, else err. A refusal stays a refusal.
func (l *firstByte) failure(err error) error {
	if err == nil || !errors.Is(context.Cause(l.ctx), errLate) || failureOf(err, "").status < statusClientGone {
		return err
	}
	detail := "The answer did not begin within %v, because the service's database is overloaded or does " +
		"not answer; try again in half a minute, or ask for a shorter period."
	if errors.Is(err, errMaking) {
		detail = "The workbook was not made within %v; take format=csv, which begins at once, or ask for a shorter period."
	}
	return &failure{
		status: http.StatusServiceUnavailable, retryAfter: retryLate,
		err:    fmt.Errorf("%w, which is %v: %w", errLate, l.limit, err),
		detail: fmt.Sprintf(detail, l.limit),
	}
}
