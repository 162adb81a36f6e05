package ingest

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/ingest/kafka"
	"rollcall/schema"
)

func seconds(s int) time.Time { return time.Unix(int64(s), 0) }

// layoutAt is a layout of partitions that broker 0 leads in epoch 1. Their topics have the given
// id.
func layoutAt(at int, id byte, partitions ...kafka.TopicPartition) *kafka.Layout {
	l := &kafka.Layout{
		Asked: seconds(at), Leaders: map[kafka.TopicPartition]int32{}, Epochs: map[kafka.TopicPartition]int32{},
		TopicIDs: map[string]uuid.UUID{},
	}
	for _, s := range partitions {
		l.Leaders[s] = 0
		l.Epochs[s] = 1
		l.TopicIDs[s.Topic] = uuid.UUID{id}
	}
	return l
}

// publish writes the rows that are due.
func (p *progress) publish() map[kafka.TopicPartition]progressRow {
	rows := p.due(seconds(5000))
	p.wrote(rows)
	return rows
}

// These are the pairs (time, end) of a partition, step by step, and what may be published after
// each.
func TestProgressPublishesOnlyWhatIsStored(t *testing.T) {
	s := kafka.TopicPartition{Topic: "t", Partition: 0}
	of := &kafka.Partition{TopicPartition: s}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.covers(layoutAt(1000, 1, s))
	p.publish()
	p.assign([]*kafka.Partition{of})
	later := func(at int, epoch int32) func() {
		return func() {
			l := layoutAt(at, 1, s)
			l.Epochs[s] = epoch
			p.covers(l)
		}
	}
	for _, step := range []struct {
		name    string
		do      func()
		through int // 0: nothing new
		end     int64
	}{
		{"nothing was seen", func() {}, 0, 0},
		{"the end is ahead of what is stored", func() { p.ends(s, seconds(10), 100, 1) }, 0, 0},
		{"a newer end does not replace the one that is waited for", func() { p.ends(s, seconds(11), 150, 1) }, 0, 0},
		{"some is stored", func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 99}}) }, 0, 0},
		{"the first end is reached", func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 120}}) }, 10, 100},
		{"the second end is reached", func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 150}}) }, 11, 150},
		{"idle: the end stands, time goes on", func() { p.ends(s, seconds(20), 150, 1) }, 20, 150},
		{"and on", func() { p.ends(s, seconds(30), 150, 1) }, 30, 150},
		{"an end behind what is stored (a lagging answer) is fine", func() { p.ends(s, seconds(31), 149, 1) }, 31, 149},
		{"never beyond the last layout", func() { p.ends(s, seconds(2000), 150, 1) }, 1000, 150},
		{"until there is a newer one", later(1999, 1), 1999, 150},
		{"a new leader: what the old one said of its end is void",
			func() { p.ends(s, seconds(2100), 150, 1); later(2101, 2)() }, 0, 0},
		{"whatever the old one still says", func() { p.ends(s, seconds(2102), 150, 1); later(2103, 2)() }, 0, 0},
		{"the new one has more", func() { p.ends(s, seconds(2104), 155, 2) }, 0, 0},
		{"which is stored", func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 155}}) }, 2103, 155},
		{"the topic is made anew", func() { p.jumped(s, kafka.Position{Offset: 0, Jumps: 1, Epoch: -1}) }, 0, 0},
		{"its end is ahead of what is stored", func() { p.ends(s, seconds(40), 3, 2) }, 0, 0},
		{"a batch of the old topic says nothing of the new one",
			func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 160}}) }, 0, 0},
		{"the new one is stored", func() { p.stored(map[*kafka.Partition]kafka.Position{of: {Offset: 3, Jumps: 1}}) }, 40, 3},
	} {
		step.do()
		row, published := p.publish()[s]
		if published != (step.through != 0) ||
			published && (row.through != schema.Millis(step.through*1000) || row.end != step.end) {
			t.Errorf("%s: %v %+v", step.name, published, row)
		}
		if !published {
			p.table[s] = progressRow{}
		}
	}
}

// A new partition of a known topic holds the watermark at the last moment when the partition did
// not exist. A partition of an unknown topic holds it at the beginning of time, since the brokers
// may only have missed the topic until now.
func TestProgressEntersNewPartitions(t *testing.T) {
	old := kafka.TopicPartition{Topic: "t", Partition: 0}
	young := kafka.TopicPartition{Topic: "t", Partition: 1}
	other := kafka.TopicPartition{Topic: "u", Partition: 0}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.covers(layoutAt(100, 1, old))
	if row := p.publish()[old]; row.through != 0 {
		t.Errorf("at the first start nothing is complete: %+v", row)
	}
	l := layoutAt(200, 1, old, young, other)
	l.Partial = true
	p.covers(l)
	if row := p.publish()[young]; row.through != 100_000 {
		t.Errorf("the new partition is entered as %+v", row)
	}
	if row := p.table[other]; row.through != 0 {
		t.Errorf("the new topic is entered as %+v", row)
	}
	if p.seen != seconds(100) {
		t.Errorf("most brokers did not answer, and the watermark may go on to %s", p.seen)
	}
}

// A topic that the brokers miss holds the watermark where it is, however long they miss it, since
// it may come back with records that nobody has read. When it comes back, it still holds the
// watermark.
func TestProgressOfAMissedTopic(t *testing.T) {
	s := kafka.TopicPartition{Topic: "t", Partition: 0}
	other := kafka.TopicPartition{Topic: "u", Partition: 0}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.load(map[kafka.TopicPartition]progressRow{
		s:     {version: 5000, through: 5000, end: 7, topicID: uuid.UUID{1}},
		other: {version: 9000, through: 9000, topicID: uuid.UUID{1}},
	})
	p.assign([]*kafka.Partition{{TopicPartition: s, Decoded: kafka.Position{Offset: 7}}})
	p.covers(layoutAt(90, 1, s, other))
	p.ends(s, seconds(90), 7, 1)
	for at := 100; at < 5000; at += 100 {
		l := layoutAt(at, 1, other)
		l.Missing = []string{"t"}
		p.covers(l)
		if rows := p.publish(); len(rows) != 0 {
			t.Fatalf("published at %d: %+v", at, rows)
		}
	}
	if least := p.holding(); least.through != 5000 || least.TopicPartition != s || least.exists {
		t.Errorf("the watermark waits for %+v", least)
	}
	p.covers(layoutAt(5000, 1, s, other))
	p.ends(s, seconds(5000), 8, 1)
	if rows := p.publish(); len(rows) != 0 {
		t.Errorf("back, with a record that is not stored: %+v", rows)
	}
}

// A topic that is made anew with fewer partitions does not hold the watermark for the partitions
// that are gone. A topic that is still the same cannot lose partitions.
func TestProgressOfFewerPartitions(t *testing.T) {
	kept := kafka.TopicPartition{Topic: "t", Partition: 0}
	gone := kafka.TopicPartition{Topic: "t", Partition: 1}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.load(map[kafka.TopicPartition]progressRow{
		kept: {5000, 5000, 0, false, uuid.UUID{1}}, gone: {5000, 5000, 0, false, uuid.UUID{1}},
	})
	p.covers(layoutAt(100, 1, kept))
	p.covers(layoutAt(200, 1, kept))
	if rows := p.publish(); len(rows) != 0 {
		t.Errorf("published %+v", rows)
	}
	p.covers(layoutAt(300, 2, kept))
	if rows := p.publish(); len(rows) != 1 || !rows[gone].gone || rows[gone].version <= 5000 {
		t.Errorf("published %+v", rows)
	}
	p.covers(layoutAt(400, 2, kept, gone))
	if rows := p.publish(); len(rows) != 1 || rows[gone].gone || rows[gone].through != 5000 || rows[gone].version <= 5001 {
		t.Errorf("back as %+v", rows)
	}
}

// Progress that a host published with a clock an hour ahead is not waited for: the next publication
// replaces it. Until then it is not shown (tables.CompleteThrough).
func TestProgressOfAClockThatWasAhead(t *testing.T) {
	s := kafka.TopicPartition{Topic: "t", Partition: 0}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.load(map[kafka.TopicPartition]progressRow{s: {3_700_000, 3_700_000, 7, false, uuid.UUID{1}}})
	p.assign([]*kafka.Partition{{TopicPartition: s, Decoded: kafka.Position{Offset: 7}}})
	p.covers(layoutAt(100, 1, s))
	p.ends(s, seconds(100), 7, 1)
	rows := p.due(seconds(101))
	if row := rows[s]; row.through != 100_000 || row.version <= 3_700_000 {
		t.Fatalf("published %+v", rows)
	}
	p.wrote(rows)
	if least := p.holding(); least.through != 100_000 {
		t.Errorf("the watermark waits for %+v", least)
	}
}

// The rows that several members write of one partition settle: when a member enters a new
// partition, it does not undo what the partition's reader has published.
func TestProgressOfTwoMembers(t *testing.T) {
	s := kafka.TopicPartition{Topic: "t", Partition: 0}
	p := newProgress(newMetrics(prometheus.NewRegistry()))
	p.covers(layoutAt(100, 1, s))
	p.load(map[kafka.TopicPartition]progressRow{s: {90_000, 90_000, 7, false, uuid.UUID{1}}})
	if rows := p.due(seconds(101)); len(rows) != 0 {
		t.Errorf("published %+v", rows)
	}
}

// engineClock is never ahead of ClickHouse's clock, and a step of the host's clock does not matter.
func TestEngineClock(t *testing.T) {
	var c engineClock
	if now := c.now(); !now.IsZero() {
		t.Errorf("before it was measured it is %s", now)
	}
	arrived := time.Now().Add(-100 * time.Second)
	c.set(seconds(1000), arrived)
	after := c.now()
	if real := seconds(1000).Add(time.Since(arrived)); after.After(real) || after.Before(real.Add(-time.Second)) {
		t.Errorf("after %s it is %s", time.Since(arrived), after)
	}
	c.set(seconds(500), time.Now())
	if now := c.now(); now.After(seconds(501)) {
		t.Errorf("ClickHouse's clock was set back to %s; it is %s", seconds(500), now)
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

// An open transaction may still be committed, so the watermark waits for it.
func TestWatermarkWaitsForOpenTransactions(t *testing.T) {
	h := newHarness(t, "usage.messages")
	m := h.start()
	producer := h.client(kgo.TransactionalID("p"))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	err := producer.ProduceSync(t.Context(),
		&kgo.Record{Topic: "usage.messages", Value: []byte(message("a", "ann", time.Now()))}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	produced := float64(time.Now().UnixNano()) / 1e9
	idle := kafka.TopicPartition{Topic: "usage.messages", Partition: 1}
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
