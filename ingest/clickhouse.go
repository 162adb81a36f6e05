package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"rollcall/ingest/backoff"
	"rollcall/ingest/rows"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// An engine writes to ClickHouse. It outlives pipelines.
type engine struct {
	conn          driver.Conn
	options       tables.Options
	insertTimeout time.Duration
	log           *slog.Logger
	waits         *waits
	metrics       *metrics
	tracer        trace.Tracer
	stuck         atomic.Pointer[stuckStep] // nil: no step is being repeated
}

// again repeats a step until it succeeds or ctx ends, whatever ClickHouse says. It gives up only
// where another setting of this process is needed.
//
// A batch that ClickHouse refuses is not skipped, and ingest does not end over it, for three
// reasons. Most refusals can be mended while ingest runs: a right, a profile, a table, a quota, a
// disk. The engine's error does not tell which refusals cannot. And a member that ended would hand
// its partitions to the next member, which would end over the same batch, until the group is gone.
func (e *engine) again(ctx context.Context, at step, do func(ctx context.Context) error) error {
	defer e.stuck.Store(nil)
	for failures := 1; ; failures++ {
		err := do(ctx)
		switch {
		case err == nil:
			e.waits.engine.Passed()
			return nil
		case errors.Is(err, errNoSecret), errors.Is(err, tables.ErrSchema):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("given up: %w", errors.Join(ctx.Err(), err))
		}
		e.tellStuck(at, err)
		_ = backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, 5*time.Second))
	}
}

// A stuckStep is a step that is being repeated.
type stuckStep struct {
	step  step
	since time.Time
	err   error // of the last attempt
}

// tellStuck notes that a step failed and will be repeated.
func (e *engine) tellStuck(at step, err error) {
	now := stuckStep{at, time.Now(), err}
	if before := e.stuck.Load(); before != nil {
		now.since = before.since
	}
	e.stuck.Store(&now)
	class, name := tables.Classify(err)
	do := tables.Remedy(err)
	if do == "" {
		do = "see 'ClickHouse refuses' in OPERATIONS.md for the reason"
	}
	e.metrics.retries.WithLabelValues(string(at)).Inc()
	e.waits.engine.Failed(name, err, "step", at, "class", class,
		"do", "nothing is lost while Kafka keeps the records; "+do)
}

// stuckTime is how long a step may be repeated while ingest is ready, if ClickHouse's failure is
// one that passes.
const stuckTime = 10 * time.Second

// stores returns nil if nothing keeps ingest from storing: ClickHouse answers, and no step has been
// repeated for long or is refused until an operator acts.
func (e *engine) stores(ctx context.Context) error {
	if err := e.conn.Ping(ctx); err != nil {
		return fmt.Errorf("ingest does not reach ClickHouse: %w", err)
	}
	stuck := e.stuck.Load()
	if stuck == nil {
		return nil
	}
	class, _ := tables.Classify(stuck.err)
	if class != tables.Lasting && class != tables.Defect && time.Since(stuck.since) < stuckTime {
		return nil
	}
	return fmt.Errorf("ingest repeats the step %s since %s: %w", stuck.step,
		stuck.since.UTC().Format(time.RFC3339), stuck.err)
}

// insertSettings save ClickHouse the search for copies within a block: the block has none, and
// FINAL settles copies in other blocks.
var insertSettings = clickhouse.Settings{"optimize_on_insert": 0}

// insert writes the blocks one after the other.
func (e *engine) insert(ctx context.Context, at step, blocks []rows.Block) error {
	for _, b := range blocks {
		if err := e.insertBlock(ctx, at, b); err != nil {
			return err
		}
	}
	return nil
}

// insertBlock writes one block, and repeats it until it is acknowledged.
func (e *engine) insertBlock(ctx context.Context, at step, b rows.Block) error {
	native := b.Encode()
	table := b.Table()
	started := time.Now()
	ctx, span := e.traceStep(ctx, "insert "+table,
		attribute.Int("rollcall.rows", b.Len()), attribute.Int("rollcall.bytes", len(native)))
	err := e.again(ctx, at, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, e.insertTimeout)
		defer cancel()
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings))
		return e.conn.InsertFormat(ctx, "Native", b.Insert(), bytes.NewReader(native))
	})
	end(span, err)
	if err != nil {
		return err
	}
	e.metrics.batches.WithLabelValues(table).Inc()
	e.metrics.batchRows.WithLabelValues(table).Observe(float64(b.Len()))
	e.metrics.flush.WithLabelValues(table).Observe(time.Since(started).Seconds())
	return nil
}

// readErasures reads the erasure list, and repeats that until it succeeds.
func (s *storer) readErasures(ctx context.Context) (list *erasureList, err error) {
	err = s.engine.again(ctx, stepLog, func(ctx context.Context) error {
		list, err = s.erasures.refresh(ctx, s.engine.conn)
		return err
	})
	return list, err
}

// refreshErasures updates the erasure list while nothing is stored. A failure is harmless, since
// each batch reads the list again.
func (s *storer) refreshErasures(ctx context.Context) {
	if time.Since(s.erasuresRead) < s.erasuresEvery {
		return
	}
	s.erasuresRead = time.Now()
	ctx, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	_, err := s.erasures.refresh(ctx, s.engine.conn)
	if err != nil {
		_, name := tables.Classify(err)
		s.engine.waits.erasures.Failed(name, err)
		return
	}
	s.engine.waits.erasures.Passed()
}

// idleTimeout limits the work between batches, which may be left undone.
const idleTimeout = 2 * time.Second

const deleteReject = " WHERE topic = {topic:String} AND partition = {partition:Int32} AND offset = {offset:Int64}"

func (e *engine) deleteReject(ctx context.Context, r rows.Reject) error {
	return e.again(ctx, stepRejects, func(ctx context.Context) error {
		return e.conn.Exec(ctx, e.options.DeleteFrom("rejects")+deleteReject,
			clickhouse.Named("topic", string(r.Topic)),
			clickhouse.Named("partition", fmt.Sprint(r.Partition)),
			clickhouse.Named("offset", fmt.Sprint(r.Offset)))
	})
}

// These conditions choose the rows that a batch brought of a person who was erased meanwhile. A
// tombstone already stands against each of these rows. The rows must still be deleted here, because
// the erasure may have searched before they were stored. First the person is removed as the owner
// of other entities.
const (
	beforeErasure = "(time < fromUnixTimestamp64Milli({erased_at:Int64}, 'UTC') OR hex(event_id) IN {ahead:Array(String)})"
	theirEvents   = " WHERE " + tables.UsageOf + " AND " + beforeErasure
	theirEntities = " WHERE (" + tables.Describing + " OR " + tables.OwnedBy + ") AND " + beforeErasure
)

// idsAtOnce is how many event ids one statement names.
const idsAtOnce = 2000

func (e *engine) deletePerson(ctx context.Context, p erasedPerson, rows erasedRows) error {
	for len(rows.ahead) > idsAtOnce {
		part := erasedRows{rows.before, rows.ahead[:idsAtOnce]}
		if err := e.deletePerson(ctx, p, part); err != nil {
			return err
		}
		rows.ahead = rows.ahead[idsAtOnce:]
	}
	ahead := make([]string, len(rows.ahead))
	for i, id := range rows.ahead {
		ahead[i] = fmt.Sprintf("%X", id[:])
	}
	for _, statement := range []string{
		tables.WithoutOwner(beforeErasure),
		e.options.DeleteFrom("entities") + theirEntities,
		e.options.DeleteFrom("events") + theirEvents,
	} {
		err := e.again(ctx, stepLog, func(ctx context.Context) error {
			return e.conn.Exec(ctx, statement, clickhouse.Named("org", p.org), clickhouse.Named("user", p.user),
				clickhouse.Named("erased_at", fmt.Sprint(int64(rows.before))), clickhouse.Named("ahead", ahead))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stored counts the outcomes of a batch's records.
func (m *metrics) stored(b *batch) {
	for _, t := range schema.Types() {
		name := t.String()
		m.events.WithLabelValues(name, stored).Add(float64(b.stored[t]))
		m.events.WithLabelValues(name, erased).Add(float64(b.erased[t]))
	}
	m.events.WithLabelValues(unknown, rejected).Add(float64(b.rejects.Len() - b.withdrawn))
	m.events.WithLabelValues(unknown, erased).Add(float64(b.erasedRejects + b.withdrawn))
	for row := range uint32(b.rejects.Len()) {
		m.rejects.WithLabelValues(string(b.rejects.Reject(row).Reason)).Inc()
	}
}

// twice counts a copy that met another copy in the same batch.
func (m *metrics) twice(t schema.Type, conflict bool) {
	if conflict {
		m.conflicts.WithLabelValues(t.String()).Inc()
	} else {
		m.duplicates.WithLabelValues(t.String()).Inc()
	}
}
