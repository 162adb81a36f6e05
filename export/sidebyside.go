package export

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// steps of one request that run side by side; the first error is Wait's. A panic in one is an error, as it is in the handler itself: left to errgroup, it would end
// the process, and with it every other download.
type steps struct{ *errgroup.Group }

// allSteps all run to their end, whatever fails beside them.
func allSteps() steps { return steps{new(errgroup.Group)} }

// stepsUntil an error, which cancels the context of the others.
func stepsUntil(ctx context.Context) (steps, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return steps{group}, ctx
}

func (s steps) Go(do func() error) {
	s.Group.Go(func() (err error) {
		defer recovered(&err)
		return do()
	})
}

// recovered is deferred: a panic becomes the error.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
