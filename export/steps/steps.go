// Package steps runs the steps of one request side by side.
package steps

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// A Group is steps of one request that run side by side; the first error is Wait's. A panic in one
// is an error, as it is in the handler itself: left to errgroup, it would end the process, and with
// it every other download.
type Group struct{ *errgroup.Group }

// All makes a group whose steps all run to their end, whatever fails beside them.
func All() Group { return Group{new(errgroup.Group)} }

// Until makes a group whose first error cancels the context of the other steps.
func Until(ctx context.Context) (Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return Group{group}, ctx
}

func (g Group) Go(do func() error) {
	g.Group.Go(func() (err error) {
		defer Recovered(&err)
		return do()
	})
}

// Recovered is deferred: a panic becomes the error.
func Recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
