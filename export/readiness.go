package export

import (
	"context"
	"sync"
	"time"
)

const (
	readinessAge     = time.Second
	readinessTimeout = 4 * time.Second // shorter than the service waits for the answer
)

// readiness knows whether exports can be answered. Anybody may call /readyz as often as they like,
// so the database is asked once a second at most. The check has its own context: it goes on if the
// client that caused it leaves.
type readiness struct {
	check func(context.Context) error

	mu    sync.Mutex
	asked time.Time
	last  error
}

// now returns nil if exports can be answered.
func (r *readiness) now() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && time.Since(r.asked) < readinessAge {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), readinessTimeout)
	defer cancel()
	r.last = r.check(ctx)
	r.asked = time.Now()
	return r.last
}
