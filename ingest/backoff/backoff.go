// Package backoff waits between attempts.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay is how long to wait after so many failures in a row: twice as long each time, up to a
// limit, and somewhat random.
func Delay(failures int, first, last time.Duration) time.Duration {
	d := last
	if failures < 16 {
		d = min(last, first<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// Sleep waits, or gives the context's error if that comes first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
