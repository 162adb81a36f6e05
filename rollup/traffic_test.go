package rollup

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Two writers send equal and conflicting events, beside two workers, a sweeper that removes dead
// rows at once, and readers. Every read has what was acknowledged before it began, and nothing that
// was not sent by its end.
func TestReadsAreExactBesideWritersWorkersAndASweeper(t *testing.T) {
	db := newDatabase(t)
	db.cfg.DeadTime = time.Millisecond
	first := db.today - 2
	var sent, acknowledged atomic.Uint64
	var reads, rolled atomic.Int64
	ctx, cancel := context.WithTimeout(db.ctx, 3*time.Minute)
	defer cancel()
	var writing, others sync.WaitGroup
	writing.Add(1)
	go func() {
		defer writing.Done()
		twin := &database{TB: db.TB, Rollup: db.Rollup, ctx: db.ctx, options: db.options, today: db.today, writer: uuid.New()}
		for i := range 20 {
			if i%5 == 4 { // wait until a read has used a generation
				for before := rolled.Load(); rolled.Load() == before && ctx.Err() == nil; {
					runtime.Gosched()
				}
			}
			day := first + schema.Day(i%2)
			batch := []event{{org: "acme", day: day, id: 2 * i}, {org: "acme", day: day, id: 2*i + 1}}
			sent.Add(2)
			db.ingest(batch...)
			acknowledged.Add(2)
			batch[0].version = uint64(i)<<20 | 4
			batch[0].user = "another" // a conflicting copy, and a redelivery
			twin.ingest(batch...)
		}
	}()
	stop := make(chan struct{})
	loop := func(do func() error) {
		others.Add(1)
		go func() {
			defer others.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := do(); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for _, worker := range []*Rollup{db.Rollup, db.another()} {
		loop(func() error { _, err := worker.Once(ctx); return err })
	}
	loop(func() error { return db.Sweep(ctx) })
	loop(func() error {
		least := acknowledged.Load()
		n, plan, err := messages(ctx, db.conn, "acme", first, first+1)
		if tables.Stale(err) {
			return nil // the sweeper was faster ten times
		}
		if most := sent.Load(); err == nil && (n < least || n > most) {
			err = errors.New("a read was wrong")
			t.Errorf("read %d messages, want %d to %d, by %+v", n, least, most, plan)
		}
		reads.Add(1)
		rolled.Add(int64(len(plan.Generations)))
		return err
	})
	writing.Wait()
	close(stop)
	others.Wait()
	db.once()
	if n, plan := db.messages("acme", first, first+1); n != 40 || len(plan.Live) != 0 {
		t.Errorf("at the end %d messages by %+v, want 40 from the rollups", n, plan)
	}
	if _, err := db.Verify(db.ctx, Filter{}, func(d Difference) { t.Errorf("%+v", d) }, nil); err != nil {
		t.Error(err)
	}
	if rolled.Load() < 2 {
		t.Errorf("only %d generations were read: the test shows nothing", rolled.Load())
	}
	t.Logf("%d reads, %d generations among them, %v recomputes moved", reads.Load(), rolled.Load(),
		value(db.metrics.slices.WithLabelValues(moved)))
}

func TestRunRecomputesAndStops(t *testing.T) {
	db := newDatabase(t)
	r := db.another()
	r.cfg.SettleTime = time.Nanosecond
	r.cfg.Poll = time.Millisecond
	r.cfg.BatchRows = 3
	r.cfg.BatchSlices = 4
	for i := range 6 { // 2 rows each: with a limit of 3 rows, each goes alone
		db.ingest(event{org: "acme", day: db.today - 3 - schema.Day(i), id: 1},
			event{org: "acme", day: db.today - 3 - schema.Day(i), id: 2})
	}
	if err := r.look(db.ctx); err != nil {
		t.Fatal(err)
	}
	if r.gauge(); value(r.metrics.dirtySlices) != 6 || value(r.metrics.dirtyAge) <= 0 {
		t.Errorf("%v dirty slices for %v s", value(r.metrics.dirtySlices), value(r.metrics.dirtyAge))
	}
	ctx, cancel := context.WithCancel(db.ctx)
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); value(r.metrics.slices.WithLabelValues(committed)) < 6; {
		if time.Now().After(deadline) {
			t.Fatal("the slices were not recomputed")
		}
		if err := r.Ready(db.ctx); err != nil {
			t.Errorf("ready: %v", err)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("stopped: %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("did not stop within 15 s")
	}
	if n, plan := db.messages("acme", db.today-10, db.today); n != 12 || len(plan.Live) != 0 {
		t.Errorf("%d messages by %+v", n, plan)
	}
	if n := value(r.metrics.rowsRead.WithLabelValues(committed)); n != 12 {
		t.Errorf("%v rows read, want 12", n)
	}
	if err := r.work(db.ctx); err != nil || value(r.metrics.dirtySlices) != 0 || value(r.metrics.dirtyAge) != 0 {
		t.Errorf("%v dirty slices for %v s, %v", value(r.metrics.dirtySlices), value(r.metrics.dirtyAge), err)
	}
	db.exec("DROP TABLE migrations SYNC")
	if err := r.Run(db.ctx); !errors.Is(err, tables.ErrSchema) {
		t.Errorf("on a database of another schema: %v", err)
	}
}
