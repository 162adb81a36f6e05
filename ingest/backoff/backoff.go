// Package backoff waits between attempts.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay is how long to wait after so many failures in a row: first, then twice as long each time,
// up to last. A random part of up to half is subtracted.
func Delay(failures int, first, last time.Duration) time.Duration {
	d := last
	if failures < 16 {
		d = min(last, first<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// Sleep waits for d. It returns the context's error if ctx ends first.
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
