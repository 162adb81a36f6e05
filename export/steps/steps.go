// Package steps runs the steps of one request side by side.
package steps

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// A Group is several steps of one request that run side by side. Wait returns the first error. A
// panic in a step becomes its error: errgroup alone would let the panic end the process, and with
// it every other download.
type Group struct{ *errgroup.Group }

// All makes a group in which every step runs to its end, even if another step fails.
func All() Group { return Group{new(errgroup.Group)} }

// Until makes a group in which the first error cancels the context of the other steps.
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

// Recovered turns a panic of the function that defers it into that function's error.
func Recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
