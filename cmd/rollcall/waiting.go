package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/ingest/backoff"
	"rollcall/schema/tables"
)

// needs are what a stage cannot begin without: a ClickHouse that answers and lets the user in, the
// tables of this binary, and the service's secret.
type needs struct {
	options tables.Options
	secret  *secretFlags // nil: the stage uses no secret
}

// met returns nil once the stage can begin, and the secret.
func (n needs) met(ctx context.Context) (secret []byte, err error) {
	if err := checkSchema(ctx, n.options); err != nil || n.secret == nil {
		return nil, err
	}
	return n.secret.secret(ctx, n.options)
}

// hopeless says that waiting does not help, because only another command line or another binary
// does. Whatever else is wrong can be mended elsewhere: ClickHouse can be started, its user can be
// made or get a right, `rollcall migrate` can run, and the file of a secret can be replaced.
func (n needs) hopeless(err error) bool {
	return errors.Is(err, tables.ErrMisfit) ||
		errors.Is(err, tables.ErrSecret) && n.secret != nil && n.secret.SecretFile == ""
}

// An awaited part begins once its needs are met, however long that takes. It is a part of the
// service before, so that probes and metrics say what it waits for. A process that ended instead
// would be started again and again.
type awaited struct {
	needs needs
	begin func(secret []byte) (part, error)

	mu   sync.Mutex
	part part  // nil: not begun
	why  error // what it waits for
}

var errStarting = errors.New("it has asked nobody yet")

func (a *awaited) Run(ctx context.Context) error {
	for failures := 1; ctx.Err() == nil; failures++ {
		secret, err := a.ask(ctx, min(time.Duration(failures)*readyTimeout, slowestStart))
		if err == nil {
			return a.run(ctx, secret)
		}
		if a.needs.hopeless(err) {
			return err
		}
		a.mu.Lock()
		a.why = err
		a.mu.Unlock()
		_ = backoff.Sleep(ctx, backoff.Delay(failures, 100*time.Millisecond, readyEvery))
	}
	return nil
}

// slowestStart is what the needs may take to be looked at, on a ClickHouse that is slow. The first
// looks get less time, so that a frozen one is told soon.
const slowestStart = time.Minute

func (a *awaited) ask(ctx context.Context, limit time.Duration) (secret []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return a.needs.met(ctx)
}

func (a *awaited) run(ctx context.Context, secret []byte) error {
	p, err := a.begin(secret)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.part = p
	a.mu.Unlock()
	return p.Run(ctx)
}

// Ready returns what the part waits for. Once it has begun, the part itself answers.
func (a *awaited) Ready(ctx context.Context) error {
	a.mu.Lock()
	p := a.part
	why := a.why
	a.mu.Unlock()
	switch {
	case p != nil:
		return p.Ready(ctx)
	case why == nil:
		return errStarting
	}
	return why
}

// A lateHandler answers with the handler that it was given last.
type lateHandler struct{ now atomic.Pointer[http.Handler] }

func (l *lateHandler) become(h http.Handler) { l.now.Store(&h) }

func (l *lateHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*l.now.Load()).ServeHTTP(w, r)
}
