package ingest

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rollcall/deploy/demo/embedded"
	"rollcall/schema/tables"
)

// The process dies between every two steps of a batch, and in the middle of each. The next process
// is given everything again that was not committed. In the end each event is there once, with its
// mark, whatever was stored before.
func TestCrashBetweenSteps(t *testing.T) {
	inserts := func(table string) func(string) bool {
		return func(statement string) bool { return strings.HasPrefix(statement, "INSERT INTO "+table+" ") }
	}
	for _, crash := range []struct {
		name  string
		at    func(statement string) bool
		after bool // the statement is carried out, but its reply is lost
	}{
		{"before the log", inserts("events"), false},
		{"the log's answer is lost", inserts("events"), true},
		{"before the entities", inserts("entities"), false},
		{"the entities' answer is lost", inserts("entities"), true},
		{"before the marks", inserts("marks"), false},
		{"the marks' answer is lost", inserts("marks"), true},
		{"before the rejects", inserts("rejects"), false},
		{"the rejects' answer is lost", inserts("rejects"), true},
	} {
		t.Run(crash.name, func(t *testing.T) {
			h := newHarness(t, "usage.messages")
			direct := h.tables
			p := newProxy(h)
			var dead atomic.Bool
			p.set(func(statement string) fault {
				switch {
				case dead.Load():
					return fault{before: abort}
				case !crash.at(statement):
					return fault{}
				case crash.after:
					return fault{after: func() { dead.Store(true) }}
				}
				dead.Store(true)
				return fault{before: abort}
			})
			crashOnce(t, h, &dead)
			h.tables = direct
			checkAfterCrash(t, h)
		})
	}
}

// The process dies after the rejects: the commit never arrives.
func TestCrashAtTheCommit(t *testing.T) {
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{"usage.messages"}})
	var reached, revived atomic.Bool
	broker.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.Cluster().KeepControl()
		reached.Store(true)
		return nil, errors.New("the connection is cut"), !revived.Load()
	})
	crashOnce(t, h, &reached)
	if o := h.committed("usage.messages", 0); o != -1 {
		t.Fatalf("offset %d was committed", o)
	}
	revived.Store(true)
	checkAfterCrash(t, h)
}

// crashOnce produces records, lets ingest run until it dies, and stops what is left of it.
func crashOnce(t *testing.T, h *harness, dead *atomic.Bool) {
	now := time.Now()
	for _, id := range numbered("a", 10) {
		h.produce("usage.messages", 0, message(id, "ann", now), userEvent(id, "ann", "Ann", now), `{"broken`)
	}
	h.config.StopTimeout = 100 * time.Millisecond
	m := h.start()
	h.eventually("the crash", dead.Load)
	_ = m.stop()
}

func checkAfterCrash(t *testing.T, h *harness) {
	t.Helper()
	h.config.StopTimeout = 4 * time.Second
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 30 })
	for query, want := range map[string]uint64{
		"SELECT count() FROM events FINAL":                     10,
		"SELECT count() FROM entities FINAL":                   10,
		"SELECT count() FROM rejects FINAL":                    10,
		"SELECT uniqExact(org_id, day) FROM marks FINAL":       1,
		"SELECT count() FROM rejects FINAL WHERE value_size=8": 10,
	} {
		if n := h.count(query); n != want {
			t.Errorf("%s = %d, not %d", query, n, want)
		}
	}
	if err := m.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// Failures that may pass, or that somebody may mend, are waited for and counted.
func TestClickHouseTroublePasses(t *testing.T) {
	for _, trouble := range []struct {
		name  string
		do    func(http.ResponseWriter) bool
		class tables.Class
		error string
	}{
		{"read-only", exception("242", "Table is in readonly mode (TABLE_IS_READ_ONLY)"), tables.Passing,
			"TABLE_IS_READ_ONLY"},
		{"too many parts", exception("252", "Too many parts (TOO_MANY_PARTS)"), tables.Passing, "TOO_MANY_PARTS"},
		{"memory limit", exception("241", "Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)"), tables.Passing,
			"MEMORY_LIMIT_EXCEEDED"},
		{"timeout", exception("159", "Timeout exceeded (TIMEOUT_EXCEEDED)"), tables.Passing, "TIMEOUT_EXCEEDED"},
		{"no space", exception("243", "Cannot reserve 1.00 MiB (NOT_ENOUGH_SPACE)"), tables.Passing, "NOT_ENOUGH_SPACE"},
		{"connection lost", abort, tables.Passing, "NO_ANSWER"},
		{"a missing right", exception("497", "Not enough privileges (ACCESS_DENIED)"), tables.Lasting, "ACCESS_DENIED"},
		{"a statement that is none", exception("62", "Syntax error (SYNTAX_ERROR)"), tables.Defect, "SYNTAX_ERROR"},
		{"an error that nobody knows", exception("4711", "The moon is full (MOON_IS_FULL)"), tables.Unknown, "MOON_IS_FULL"},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			h := newHarness(t, "usage.messages")
			var left atomic.Int32
			left.Store(3)
			newProxy(h).set(func(statement string) fault {
				if strings.HasPrefix(statement, "INSERT INTO events") && left.Add(-1) >= 0 {
					return fault{before: trouble.do}
				}
				return fault{}
			})
			h.produce("usage.messages", 0, message("a", "ann", time.Now()))
			m := h.start()
			h.stored(1)
			if n := m.metric("retries_total", "step=log"); n != 3 {
				t.Errorf("retries counted: %v, not 3", n)
			}
			if n := m.errors(string(trouble.class), trouble.error); n != 3 {
				t.Errorf("%v errors %s %s counted, not 3", n, trouble.class, trouble.error)
			}
		})
	}
}

// errors is how often ClickHouse failed.
func (m *member) errors(class, name string) (sum float64) {
	m.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		m.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "rollcall_clickhouse_errors_total" {
			continue
		}
		for _, series := range f.GetMetric() { // labels are sorted: class, error, stage
			if l := series.GetLabel(); l[0].GetValue() == class && l[1].GetValue() == name && l[2].GetValue() == "ingest" {
				sum += series.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// Ingest can be stopped while ClickHouse refuses a batch until somebody acts. It ends in time, as
// always, and commits nothing. The next process stores the batch.
func TestStopWhileClickHouseRefuses(t *testing.T) {
	h := newHarness(t, "usage.messages")
	direct := h.tables
	newProxy(h).set(func(statement string) fault {
		if strings.HasPrefix(statement, "INSERT INTO events") {
			return fault{before: exception("497", "Not enough privileges. (ACCESS_DENIED)")}
		}
		return fault{}
	})
	h.produce("usage.messages", 0, message("a", "ann", time.Now()))
	m := h.start()
	h.eventually("the batch is refused again and again", func() bool {
		return m.errors("lasting", "ACCESS_DENIED") > 3
	})
	if err := m.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if o := h.committed("usage.messages", 0); o != -1 {
		t.Errorf("offset %d was committed", o)
	}
	h.tables = direct
	h.start()
	h.stored(1)
	h.eventually("it is committed", func() bool { return h.committed("usage.messages", 0) == 1 })
}
