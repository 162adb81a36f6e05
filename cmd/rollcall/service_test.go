package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A stop is overdue only while it goes on: not if it has ended, before or after the context.
func TestStopIsOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		order   func(cancel, end func())
		overdue bool
	}{
		"it never ends":            {func(cancel, _ func()) { cancel() }, true},
		"it ends, then is stopped": {func(cancel, end func()) { end(); cancel() }, false},
		"it is stopped, then ends": {func(cancel, end func()) { cancel(); end() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				overdue := false
				c.order(cancel, inTime(ctx, func() { overdue = true }))
				time.Sleep(2 * stopGrace) // of the bubble's clock
				synctest.Wait()
				if overdue != c.overdue {
					t.Errorf("overdue: %t", overdue)
				}
			})
		})
	}
}
