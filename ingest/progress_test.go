package ingest

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/schema"
)

func seconds(s int) time.Time { return time.Unix(int64(s), 0) }

// The pairs (time, end) of a partition, step by step: what may be published after each.
func TestProgressPublishesOnlyWhatIsStored(t *testing.T) {
	s := slot{"t", 0}
	of := &partition{slot: s}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.covers(&layout{asked: seconds(1000), leaders: map[slot]int32{s: 0}})
	p.wrote(p.take())
	p.assign([]*partition{of})
	for _, step := range []struct {
		name    string
		do      func()
		through int // 0: nothing new
		end     int64
	}{
		{"nothing was seen", func() {}, 0, 0},
		{"the end is ahead of what is stored", func() { p.ends(s, seconds(10), 100) }, 0, 0},
		{"a newer end does not replace the one that is waited for", func() { p.ends(s, seconds(11), 150) }, 0, 0},
		{"some is stored", func() { p.stored(map[*partition]position{of: {offset: 99}}) }, 0, 0},
		{"the first end is reached", func() { p.stored(map[*partition]position{of: {offset: 120}}) }, 10, 100},
		{"the second end is reached", func() { p.stored(map[*partition]position{of: {offset: 150}}) }, 11, 150},
		{"idle: the end stands, time goes on", func() { p.ends(s, seconds(20), 150) }, 20, 150},
		{"and on", func() { p.ends(s, seconds(30), 150) }, 30, 150},
		{"an end behind what is stored (a lagging answer) is fine", func() { p.ends(s, seconds(31), 149) }, 31, 149},
		{"never beyond the last layout", func() { p.ends(s, seconds(2000), 150) }, 1000, 150},
		{"until there is a newer one", func() { p.covers(&layout{asked: seconds(1999), leaders: map[slot]int32{s: 0}}) }, 1999, 150},
		{"the topic is made anew", func() { p.jumped(s, position{0, 1}) }, 0, 0},
		{"its end is ahead of what is stored", func() { p.ends(s, seconds(40), 3) }, 0, 0},
		{"a batch of the old topic says nothing of the new one", func() { p.stored(map[*partition]position{of: {offset: 160}}) }, 0, 0},
		{"the new one is stored", func() { p.stored(map[*partition]position{of: {offset: 3, jumps: 1}}) }, 40, 3},
	} {
		step.do()
		row, published := p.take()[s]
		if published != (step.through != 0) || published && (row.through != schema.Millis(step.through*1000) || row.end != step.end) {
			t.Errorf("%s: %v %+v", step.name, published, row)
		}
		p.wrote(map[slot]progressRow{s: row})
		if !published {
			p.table[s] = progressRow{}
		}
	}
}

// A partition that appears holds the watermark from the last moment at which it was not there.
func TestProgressEntersNewPartitions(t *testing.T) {
	old, young := slot{"t", 0}, slot{"t", 1}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.covers(&layout{asked: seconds(100), leaders: map[slot]int32{old: 0}})
	if row := p.take()[old]; row.through != 0 {
		t.Errorf("at the first start nothing is complete: %+v", row)
	}
	p.covers(&layout{asked: seconds(200), leaders: map[slot]int32{old: 0, young: 0}})
	if row := p.take()[young]; row.through != 100_000 {
		t.Errorf("the new partition is entered as %+v", row)
	}
}

// A topic that is gone holds the watermark for a while, since brokers may err at their start, then no longer; if it comes back, it does so again.
func TestProgressOfGonePartitions(t *testing.T) {
	s := slot{"t", 0}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.load(map[slot]progressRow{s: {through: 5000, end: 7}})
	away := func(at int) *layout {
		return &layout{asked: seconds(at), leaders: map[slot]int32{}, missing: []string{"t"}}
	}
	p.covers(away(100))
	p.covers(away(105))
	if rows := p.take(); len(rows) != 0 {
		t.Errorf("given up too early: %v", rows)
	}
	p.covers(away(111))
	if row := p.take()[s]; !row.gone || row.through != 111_000 {
		t.Errorf("not marked as gone: %+v", row)
	}
	p.wrote(p.take())
	p.covers(&layout{asked: seconds(120), leaders: map[slot]int32{s: 0}})
	if row := p.take()[s]; row.gone || row.through <= 111_000 || row.through > 120_000 {
		t.Errorf("back as %+v", row)
	}
}

// A topic that is made anew with fewer partitions does not hold the watermark for those that are gone.
func TestProgressOfFewerPartitions(t *testing.T) {
	kept, gone := slot{"t", 0}, slot{"t", 1}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.load(map[slot]progressRow{kept: {through: 5000}, gone: {through: 5000}})
	p.covers(&layout{asked: seconds(100), leaders: map[slot]int32{kept: 0}})
	p.covers(&layout{asked: seconds(111), leaders: map[slot]int32{kept: 0}})
	if rows := p.take(); len(rows) != 1 || !rows[gone].gone {
		t.Errorf("published %v", rows)
	}
}

// The watermark advances while producers are silent, and stands still when ingest cannot store.
func TestWatermark(t *testing.T) {
	h := newHarness(t, "usage.messages")
	var away atomic.Bool
	newProxy(h).set(func(statement string) fault {
		if away.Load() && strings.HasPrefix(statement, "INSERT INTO events") {
			return fault{before: abort}
		}
		return fault{}
	})
	m := h.start()
	watermark := func() float64 { return m.metric("complete_through_seconds") }
	start := float64(time.Now().Unix())
	h.eventually("it passes the start", func() bool { return watermark() > start+1 })

	away.Store(true)
	h.produce("usage.messages", 0, message("a", "ann", time.Now()))
	produced := float64(time.Now().UnixNano()) / 1e9
	h.eventually("storing is tried", func() bool { return m.metric("retries_total", "step=log") >= 6 })
	if w := watermark(); w > produced {
		t.Errorf("it is %v beyond an event that is not stored", w-produced)
	}
	away.Store(false)
	h.eventually("it passes the event", func() bool { return watermark() > produced })
	h.stored(1)
}

// An open transaction may still be committed: the watermark waits for it.
func TestWatermarkWaitsForOpenTransactions(t *testing.T) {
	h := newHarness(t, "usage.messages")
	m := h.start()
	producer := h.client(kgo.TransactionalID("p"))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "usage.messages", Value: []byte(message("a", "ann", time.Now()))}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	produced := float64(time.Now().UnixNano()) / 1e9
	idle := slot{"usage.messages", 1}
	h.eventually("the other partition goes on", func() bool {
		m.ingest.progress.mu.Lock()
		defer m.ingest.progress.mu.Unlock()
		return float64(m.ingest.progress.table[idle].through)/1000 > produced+1
	})
	if w := m.metric("complete_through_seconds"); w > produced {
		t.Errorf("it is %v beyond the open transaction", w-produced)
	}
	if err := producer.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	h.stored(1)
	h.eventually("it passes the transaction", func() bool { return m.metric("complete_through_seconds") > produced })
}
