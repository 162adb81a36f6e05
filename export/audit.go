package export

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/export/access"
	"rollcall/schema/outage"
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

func newAudit(conn driver.Conn, log *slog.Logger, cluster bool) *audit {
	return &audit{
		conn: conn, log: log, cluster: cluster,
		works: auditWorks{outage: outage.Outage{
			Log: log, What: "the audit is not written: no export is answered", Over: "the audit is written again",
			Do: "look at ClickHouse's disk (full, read-only), its memory, and the user's right to insert into export_audit",
		}},
		dropped: outage.Outage{
			Log: log, What: "audit rows are dropped", Over: "audit rows are kept again",
			Do: "have ClickHouse take rows of export_audit again; the lines of the requests in this log have the same facts",
		},
	}
}

// audit records who asked for which data. While run runs, ends are collected and written every
// auditInterval or together with a start, whichever comes first, else they are written at once.
type audit struct {
	conn    driver.Conn
	log     *slog.Logger
	cluster bool // the tables are on a cluster

	inserting sync.Mutex // held while starts are written, possibly with ends

	works   auditWorks
	dropped outage.Outage // rows that come while maxEnded wait

	mu      sync.Mutex
	running bool
	ended   []auditRow
	waiting *auditStarts // takes starts until the insert before it has ended; nil if no start waits
	writing bool         // an insert of starts runs
}

const (
	auditInterval = 200 * time.Millisecond
	auditAgain    = 2 * time.Second // after a write that failed
	auditTimeout  = 10 * time.Second
	maxEnded      = 10_000 // rows kept in memory while the engine does not take them; further ones are dropped
)

// end takes the row for the end of a request. It replaces the row of its start, or is the only row
// if the request was refused. The request's context may be cancelled already, so end does not use
// it.
func (a *audit) end(row auditRow) {
	a.mu.Lock()
	running := a.running
	if len(a.ended) < maxEnded {
		a.ended = append(a.ended, row)
	} else {
		a.dropped.Failed("full", errTooManyEnded, "request_id", row.requestID, "outcome", row.outcome)
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
			if !a.flush(context.Background()) {
				tick.Reset(auditAgain)
			} else {
				tick.Reset(auditInterval)
			}
		case <-ctx.Done():
			a.setRunning(false)
			a.inserting.Lock() // waits for an insert that has ends; later ones have none
			a.inserting.Unlock()
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
			a.log.Error("audit rows are lost: ClickHouse took none while the service stopped; "+
				"the lines 'export answered' and 'export failed' of these requests have the same facts", "rows", len(a.ended))
			a.ended = nil
			return
		}
	}
}

// flush writes the collected rows. It returns false and keeps them if they could not be written.
func (a *audit) flush(ctx context.Context) (written bool) {
	rows := a.takeEnded(false)
	if len(rows) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	if a.write(ctx, rows) == nil {
		return true
	}
	a.keepEnded(rows)
	return false
}

// takeEnded takes the collected rows, or none if they are only wanted while run runs, and it does
// not.
func (a *audit) takeEnded(ifRunning bool) []auditRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ifRunning && !a.running {
		return nil
	}
	rows := a.ended
	a.ended = nil
	return rows
}

// keepEnded takes rows back that could not be written.
func (a *audit) keepEnded(rows []auditRow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = append(rows, a.ended...)
}
