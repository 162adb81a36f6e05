package rollup

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/schema"
)

// Every clean slice is compared, a batch at a time, through all months and then again from the
// start. Differences are counted, and the log names no person.
func TestVerifyNextGoesRound(t *testing.T) {
	db := newDatabase(t)
	var log bytes.Buffer
	db.log = slog.New(slog.NewTextHandler(&log, nil))
	db.cfg.BatchSlices = 4
	var events []event
	for d := range schema.Day(6) {
		events = append(events, event{org: "acme", day: db.today - 3 - 20*d, id: 1, user: "ada@example.com"})
	}
	db.ingest(events...)
	db.once()
	turn := func() {
		if err := db.verifyNext(db.ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 { // each batch is of one month: six turns at most
		turn()
	}
	if n := value(db.metrics.verified); n < 6 || value(db.metrics.differences) != 0 {
		t.Fatalf("%v slices compared, %v differences", n, value(db.metrics.differences))
	}
	for _, d := range []schema.Day{0, 5} { // the first and the last day
		db.exec("ALTER TABLE message_daily UPDATE messages = 7 WHERE day = '" + (db.today - 3 - 20*d).String() +
			"' SETTINGS mutations_sync = 2")
	}
	for round := 1; round <= 6; round++ {
		turn()
	}
	if n := value(db.metrics.differences); n < 2 || n > 6 {
		// one of them may be found twice, because the round starts again; on some dates each also
		// in its month
		t.Errorf("%v differences found of 2 within a round", n)
	}
	if text := log.String(); strings.Contains(text, "ada") || !strings.Contains(text, "table=message_daily") ||
		!strings.Contains(text, "day="+(db.today-3).String()) {
		t.Errorf("the log: %s", text)
	}
}

// A slice that cannot be recomputed does not stop the chores. The log says so once.
func TestAFailingSliceDoesNotStopTheChores(t *testing.T) {
	db := newDatabase(t)
	db.ingest(event{org: "acme", day: db.today - 3, id: 1})
	db.once()
	db.exec("ALTER TABLE message_daily ADD CONSTRAINT nothing CHECK messages = 0")
	db.ingest(event{org: "globex", day: db.today - 3, id: 1})
	db.cfg.SettleTime = time.Nanosecond
	db.cfg.Poll = 10 * time.Millisecond
	var log bytes.Buffer
	db.log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, stop := context.WithCancel(db.ctx)
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); value(db.metrics.verified) == 0 ||
		value(db.metrics.slices.WithLabelValues(failed)) < 3; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v slices verified, %v failed", value(db.metrics.verified),
				value(db.metrics.slices.WithLabelValues(failed)))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	told := strings.Count(log.String(), `level=WARN msg="rollups are not brought up to date" reason=VIOLATED_CONSTRAINT`)
	if told != 1 || strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("it failed again and again, and the log says so %d times, not once:\n%s", told, &log)
	}
}

// A batch of large slices is as small as one recompute would make it.
func TestVerifyNextKeepsToItsRows(t *testing.T) {
	db := newDatabase(t)
	db.cfg.BatchRows = 1
	db.ingest(event{org: "acme", day: db.today - 3, id: 1}, event{org: "globex", day: db.today - 3, id: 1})
	db.once()
	if err := db.verifyNext(db.ctx); err != nil || value(db.metrics.verified) != 1 {
		t.Errorf("%v slices compared at once, %v", value(db.metrics.verified), err)
	}
}

func TestDisksAreRead(t *testing.T) {
	db := newDatabase(t)
	if n := value(db.metrics.diskFree); !math.IsNaN(n) {
		t.Errorf("before it is read: %v", n)
	}
	if err := db.readDisks(db.ctx); err != nil {
		t.Fatal(err)
	}
	var path string
	if err := db.conn.QueryRow(db.ctx,
		"SELECT any(path) FROM system.disks WHERE total_space > 0").Scan(&path); err != nil {
		t.Fatal(err)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(path, &disk); err != nil {
		t.Fatal(err)
	}
	if n, want := value(db.metrics.diskFree), float64(disk.Bavail)/float64(disk.Blocks); math.Abs(n-want) > 0.05 {
		t.Errorf("free: %v, and by the operating system %v", n, want)
	}
}
