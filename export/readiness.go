package export

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	readinessAge     = time.Second
	readinessTimeout = 5 * time.Second
)

// readiness answers /readyz. Anybody may call it as often as they like, so the database is asked
// once a second at most. The check has its own context: it goes on if the client that caused it
// leaves.
type readiness struct {
	check func(context.Context) error
	log   *slog.Logger

	mu    sync.Mutex
	asked time.Time
	ready bool
}

func (r *readiness) now() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < readinessAge {
		return r.ready
	}
	ctx, cancel := context.WithTimeout(context.Background(), readinessTimeout)
	defer cancel()
	err := r.check(ctx)
	if err != nil {
		r.log.Warn("not ready", "error", err)
	}
	r.asked = time.Now()
	r.ready = err == nil
	return r.ready
}
