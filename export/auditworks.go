package export

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

// ErrAudit says that the audit cannot be written, so that no export is answered.
var ErrAudit = errors.New("the audit cannot be written")

var errTooManyEnded = fmt.Errorf("%d rows wait already", maxEnded)

// auditWorks knows whether the audit can be written: by the last write.
//
// No row is ever written to find that out. The request whose start was not stored has an end, too:
// its row waits, and is tried again every auditAgain until the engine takes it. So while the last
// write failed, there is a row that tries. Only before the first row, ready asks by an insert of no
// rows, until one succeeds. That shows a missing right or a table that is read-only; a full disk
// shows with the first row.
type auditWorks struct {
	outage outage.Outage

	mu    sync.Mutex
	known bool  // something was written, or tried
	last  error // of the last write
}

// write stores rows, and notes whether that worked.
func (a *audit) write(ctx context.Context, rows []auditRow) error {
	err := a.insert(ctx, rows)
	if err != nil && errors.Is(err, context.Canceled) { // its request has ended; that says nothing
		return err
	}
	a.works.note(err)
	if err == nil {
		a.dropped.Passed()
	}
	return err
}

func (w *auditWorks) note(err error) {
	w.mu.Lock()
	w.known = true
	w.last = err
	w.mu.Unlock()
	if err == nil {
		w.outage.Passed()
		return
	}
	_, name := tables.Classify(err)
	w.outage.Failed(name, err)
}

// ready returns an ErrAudit if no start of an export can be stored.
//
// On a cluster it is always nil: a row goes to its workspace's shard. A shard that takes none must
// not make this service unready for the workspaces of the others.
func (a *audit) ready(ctx context.Context) error {
	if a.cluster {
		return nil
	}
	a.works.mu.Lock()
	known, last := a.works.known, a.works.last
	a.works.mu.Unlock()
	if !known {
		if last = a.insert(ctx, nil); last == nil {
			a.works.note(nil) // it need not be asked again
		}
	}
	if last != nil {
		return fmt.Errorf("%w: %w", ErrAudit, last)
	}
	return nil
}
