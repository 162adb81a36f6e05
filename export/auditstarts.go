package export

import (
	"context"
	"fmt"

	"rollcall/export/steps"
)

// auditStarts are the starts of requests that one insert writes. err may be read once done is
// closed.
type auditStarts struct {
	rows []auditRow
	done chan struct{}
	err  error
}

// start returns once the row is stored. No byte of data may be sent before that.
//
// The rows of concurrent requests are written together: an insert costs much more than a row. One
// insert of starts runs at a time. Starts that come meanwhile wait for the next insert, which has
// all of them. On a cluster each start is written by itself: the workspaces of a shard that is away
// must not hold up the others.
func (a *audit) start(ctx context.Context, row auditRow) error {
	row.outcome = outcomeStarted
	if a.cluster {
		return started(a.write(ctx, []auditRow{row}))
	}
	all := a.join(row)
	select {
	case <-all.done:
		return started(all.err)
	case <-ctx.Done():
		return started(ctx.Err())
	}
}

func started(err error) error {
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}

// join adds a row to the next insert.
func (a *audit) join(row auditRow) *auditStarts {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = &auditStarts{done: make(chan struct{})}
	}
	a.waiting.rows = append(a.waiting.rows, row)
	if !a.writing {
		a.writing = true
		go a.writeStarts()
	}
	return a.waiting
}

// writeStarts writes starts until none waits.
func (a *audit) writeStarts() {
	for {
		a.mu.Lock()
		all := a.waiting
		a.waiting = nil
		a.writing = all != nil
		a.mu.Unlock()
		if all == nil {
			return
		}
		all.err = a.writeTogether(all.rows)
		close(all.done)
	}
}

// writeTogether writes starts, and the ends that wait for run. It serves many requests, so the end
// of a request's context does not end it.
func (a *audit) writeTogether(starts []auditRow) (err error) {
	defer steps.Recovered(&err)
	a.inserting.Lock()
	defer a.inserting.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), auditTimeout)
	defer cancel()
	ended := a.takeEnded(true)
	if err := a.write(ctx, append(starts, ended...)); err != nil {
		a.keepEnded(ended)
		return err
	}
	return nil
}
