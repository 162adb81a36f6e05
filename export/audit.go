package export

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/export/access"
)

// The outcomes of a request for data, as they stand in the table export_audit.
const (
	outcomeStarted     = "started"
	outcomeComplete    = "complete"
	outcomeNotModified = "not_modified"
	outcomeRefused     = "refused" // with a 4xx
	outcomeFailed      = "failed"  // before the first byte
	outcomeAborted     = "aborted" // after the first byte
)

// An auditRow is one row of export_audit.
type auditRow struct {
	requestID uuid.UUID
	who       access.Principal
	dataType  string
	format    string
	start     string // YYYY-MM-DD, as shown; "" if the request was refused before it was read
	end       string
	request   string // see requestText
	started   time.Time
	finished  time.Time // zero while it runs
	outcome   string
	status    int
	bytes     uint64
	rows      *uint64
}

// audit records who asked for which data. The start of a request is written at once. While run
// runs, ends are collected and written every auditInterval, else they are written at once.
type audit struct {
	conn driver.Conn
	log  *slog.Logger

	mu      sync.Mutex
	running bool
	ended   []auditRow
}

const (
	auditInterval = 200 * time.Millisecond
	auditTimeout  = 10 * time.Second
	maxEnded      = 10_000 // rows kept in memory while the engine does not take them; further ones are dropped
)

// start returns once the row is stored. No byte of data may be sent before that.
func (a *audit) start(ctx context.Context, row auditRow) error {
	row.outcome = outcomeStarted
	if err := a.write(ctx, []auditRow{row}); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}

// end takes the row for the end of a request. It replaces the row of its start, or is the only row
// if the request was refused. The request's context may be cancelled already, so end does not use
// it.
func (a *audit) end(row auditRow) {
	a.mu.Lock()
	running := a.running
	if len(a.ended) < maxEnded {
		a.ended = append(a.ended, row)
	} else {
		a.log.Error("audit row dropped: the database takes none", "request_id", row.requestID, "outcome", row.outcome)
	}
	a.mu.Unlock()
	if !running {
		a.flushLast()
	}
}

func (a *audit) run(ctx context.Context) error {
	a.setRunning(true)
	tick := time.NewTicker(auditInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.flush(context.Background())
		case <-ctx.Done():
			a.setRunning(false)
			a.flushLast()
			return nil
		}
	}
}

func (a *audit) setRunning(running bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = running
}

// flushLast tries for auditTimeout to write the collected rows, because nobody writes them later.
func (a *audit) flushLast() {
	ctx, cancel := context.WithTimeout(context.Background(), auditTimeout)
	defer cancel()
	again := time.NewTicker(auditInterval)
	defer again.Stop()
	for !a.flush(ctx) {
		select {
		case <-again.C:
		case <-ctx.Done():
			a.mu.Lock()
			defer a.mu.Unlock()
			a.log.Error("audit rows lost: the database took none while the service stopped", "rows", len(a.ended))
			a.ended = nil
			return
		}
	}
}

// flush writes the collected rows. It returns false and keeps them if they could not be written.
func (a *audit) flush(ctx context.Context) (written bool) {
	a.mu.Lock()
	rows := a.ended
	a.ended = nil
	a.mu.Unlock()
	if len(rows) == 0 || a.writeOrLog(ctx, rows) {
		return true
	}
	a.mu.Lock()
	a.ended = append(rows, a.ended...)
	a.mu.Unlock()
	return false
}

func (a *audit) writeOrLog(ctx context.Context, rows []auditRow) bool {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	if err := a.write(ctx, rows); err != nil {
		a.log.Error("audit not written", "rows", len(rows), "error", err)
		return false
	}
	return true
}

func (a *audit) write(ctx context.Context, rows []auditRow) error {
	batch, err := a.conn.PrepareBatch(ctx,
		`INSERT INTO export_audit (request_id, org_id, credential, key_id, key_name, data_type, format,
period_start, period_end, request, started_at, finished_at, outcome, status, bytes, rows)`)
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, r := range rows {
		finished := r.finished
		if finished.IsZero() {
			finished = time.Unix(0, 0)
		}
		err := batch.Append(r.requestID, r.who.Org, string(r.who.Kind), r.who.KeyID, r.who.KeyName, r.dataType, r.format,
			auditDate(r.start), auditDate(r.end), r.request, r.started.UTC(), finished.UTC(), r.outcome, uint16(r.status),
			r.bytes, r.rows)
		if err != nil {
			return err
		}
	}
	return batch.Send()
}

func auditDate(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return t
}
