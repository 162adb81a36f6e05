package ingest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/tables"
)

// What ClickHouse refuses until somebody changes something does not end ingest. It is not ready,
// says so once, commits nothing, and goes on where it was when the change has been made. These
// changes are made by hand to the tables of a real engine while ingest runs; a right that is taken
// away is in deploy/clickhouse (TestARefusalIsWaitedFor).
func TestARefusedBatchIsWaitedFor(t *testing.T) {
	const topic = "usage.messages"
	for _, c := range []struct {
		name, breaks, mends string
		step, class, reason string
	}{
		{"the marks' table is gone", "RENAME TABLE marks TO away", "RENAME TABLE away TO marks",
			"marks", "lasting", "UNKNOWN_TABLE"},
		{"the log's table is gone", "RENAME TABLE events TO away", "RENAME TABLE away TO events",
			"log", "lasting", "UNKNOWN_TABLE"},
		{"a column is gone", "ALTER TABLE events RENAME COLUMN channel TO away",
			"ALTER TABLE events RENAME COLUMN away TO channel",
			"log", "lasting", "NO_SUCH_COLUMN_IN_TABLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, topic)
			log := &bytes.Buffer{}
			h.log = log
			m := h.start()
			h.produce(topic, 0, message("a", "ann", time.Now()))
			h.stored(1)
			h.eventually("it is committed", func() bool { return h.committed(topic, 0) == 1 })
			h.execute(c.breaks)
			h.produce(topic, 0, message("b", "ben", time.Now()))
			tries := m.metric("retries_total", "step="+c.step)
			h.eventually("ingest has tried again and again", func() bool {
				return m.metric("retries_total", "step="+c.step) > tries+4
			})
			err := m.ingest.Ready(t.Context())
			if class, name := tables.Classify(err); string(class) != c.class || name != c.reason {
				t.Errorf("it says of itself: %v", err)
			}
			if tables.Remedy(err) == "" {
				t.Error("nothing says what to do")
			}
			if n := h.committed(topic, 0); n != 1 {
				t.Errorf("%d records are committed while the second is refused", n)
			}
			h.produce(topic, 0, message("c", "cem", time.Now()))
			h.execute(c.mends)
			h.stored(3)
			h.eventually("all are committed", func() bool { return h.committed(topic, 0) == 3 })
			h.eventually("it is ready", func() bool { return m.ingest.Ready(t.Context()) == nil })
			if n := h.count("SELECT count() FROM events AS e WHERE (org_id, toDate(time)) IN (SELECT org_id, day FROM marks)"); n != 3 {
				t.Errorf("%d of 3 events are in a slice that is marked", n)
			}
			if err := m.stop(); err != nil {
				t.Fatal(err)
			}
			h.told(log, 1, `level=WARN msg="ClickHouse failed; trying again" step=`+c.step+` class=`+c.class,
				`do="nothing is lost while Kafka keeps the records; run `+"`rollcall migrate --check`",
				`level=INFO msg="ClickHouse takes the statements of ingest again" lasted=`)
		})
	}
}

func (h *harness) execute(statement string) {
	h.Helper()
	if err := h.conn.Exec(h.Context(), statement); err != nil {
		h.Fatal(err)
	}
}

// A failure that passes makes ingest unready only after a while. One that lasts does so at once.
func TestReadinessOfAStuckStep(t *testing.T) {
	h := newHarness(t, "usage.messages")
	m := h.start()
	h.eventually("it is ready", func() bool { return m.ingest.Ready(t.Context()) == nil })
	for _, c := range []struct {
		code  int32
		since time.Duration
		ready bool
	}{
		{243, 0, true}, {243, stuckTime, false}, // NOT_ENOUGH_SPACE
		{469, 0, true}, {469, stuckTime, false}, // VIOLATED_CONSTRAINT, which has no class
		{497, 0, false}, // ACCESS_DENIED
		{62, 0, false},  // SYNTAX_ERROR
	} {
		refused := &clickhouse.Exception{Code: c.code, Message: "no"}
		m.ingest.engine.stuck.Store(&stuckStep{stepMarks, time.Now().Add(-c.since), refused})
		err := m.ingest.Ready(t.Context())
		if (err == nil) != c.ready || err != nil && !strings.Contains(err.Error(), "repeats the step marks since ") {
			t.Errorf("code %d for %v: %v", c.code, c.since, err)
		}
	}
	m.ingest.engine.stuck.Store(nil)
	if err := m.ingest.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
