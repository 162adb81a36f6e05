package ingest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A feed produces messages to some partitions, one after the other, until it is stopped.
type feed struct {
	*harness
	acknowledged atomic.Int64
	stopping     atomic.Bool
	ended        chan error
}

func (h *harness) feed(topic string, partitions int32) *feed {
	f := &feed{harness: h, ended: make(chan error, 1)}
	client := h.client()
	go func() {
		for n := 0; !f.stopping.Load(); n++ {
			record := &kgo.Record{
				Topic: topic, Partition: int32(n) % partitions, Value: []byte(message(fmt.Sprint("fed-", n), "ann", time.Now())),
			}
			if err := client.ProduceSync(h.Context(), record).FirstErr(); err != nil {
				f.ended <- err
				return
			}
			f.acknowledged.Add(1)
		}
		f.ended <- nil
	}()
	return f
}

// more waits until the log holds n more events than now.
func (f *feed) more(n uint64) {
	f.Helper()
	const events = "SELECT count() FROM events FINAL"
	want := f.count(events) + n
	f.eventually(fmt.Sprintf("%d more events are stored", n), func() bool { return f.count(events) >= want })
}

// stop ends the feed, and returns how many events the broker acknowledged.
func (f *feed) stop() uint64 {
	f.Helper()
	f.stopping.Store(true)
	if err := <-f.ended; err != nil {
		f.Fatalf("produce: %v", err)
	}
	return uint64(f.acknowledged.Load())
}

// allCommitted waits until the group's offsets are the ends of the topic's partitions.
func (h *harness) allCommitted(topic string) {
	h.Helper()
	h.eventually("all is committed", func() bool {
		for p, end := range h.kafka.Ends(topic) {
			if h.committed(topic, int32(p)) != end && end > 0 {
				return false
			}
		}
		return true
	})
}

// The broker stops while a batch is stored and not yet committed, and while a transaction is open:
// first by an orderly stop, then by a kill. Ingest goes on, and in the end every event that the
// broker acknowledged is in the log once.
func TestBrokerRestarts(t *testing.T) {
	const topic = "usage.messages"
	h := newHarness(t, topic)
	var held, release atomic.Pointer[chan struct{}]
	newProxy(h).set(func(statement string) fault {
		if !strings.HasPrefix(statement, "INSERT INTO marks") {
			return fault{}
		}
		arrived := held.Swap(nil)
		if arrived == nil {
			return fault{}
		}
		close(*arrived)
		<-*release.Load()
		return fault{}
	})
	m := h.start()
	f := h.feed(topic, 3)
	f.more(50)
	var transactions uint64
	for _, how := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		finish := h.kafka.OpenTransaction(&kgo.Record{
			Topic: topic, Partition: 3, Value: []byte(message(how.String(), "ann", time.Now())),
		})
		arrived := make(chan struct{})
		goOn := make(chan struct{})
		release.Store(&goOn)
		held.Store(&arrived)
		<-arrived
		failed := m.metric("retries_total", "step=commit")
		up := h.kafka.Down(how)
		close(goOn)
		h.eventually("the commit fails", func() bool { return m.metric("retries_total", "step=commit") > failed })
		up()
		finish(true)
		transactions++
		f.more(50)
	}
	h.stored(f.stop() + transactions)
	h.allCommitted(topic)
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("%v records counted as gaps", n)
	}
	if err := m.stop(); err != nil {
		t.Errorf("ingest ended with %v", err)
	}
}

// Retention removes records that ingest has not read: first those that it cannot fetch while
// ClickHouse is away, then those that come while ingest is stopped. Each is counted, and the
// remaining records are read.
func TestRetentionIsShorterThanTheOutage(t *testing.T) {
	const (
		topic = "usage.messages"
		old   = 600
	)
	h := newHarness(t, topic)
	h.config.BatchRows = 10
	h.config.FetchBytes = 64 << 10
	away := clickhouseAway(h)
	h.producer = h.client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(16<<10))
	records := func(prefix string, n int) (records []*kgo.Record) {
		filler := `,"unknown":"` + strings.Repeat("x", 1000) + `"`
		for _, id := range numbered(prefix, n) {
			records = append(records, &kgo.Record{Topic: topic, Value: []byte(message(id, prefix, time.Now(), filler))})
		}
		return records
	}
	h.send(records("old", old)...)
	m := h.start()
	h.eventually("it tries to store", func() bool { return m.metric("retries_total", "step=log") >= 4 })
	h.kafka.Expire(topic)
	h.send(records("young", 20)...)
	away.Store(false)
	h.allCommitted(topic)
	stored := h.count("SELECT count() FROM events FINAL WHERE user_id = 'old'")
	if gap := m.metric("gap_records_total", "topic="+topic, "partition=0"); stored == 0 || gap == 0 ||
		stored+uint64(gap) != old {
		t.Errorf("of %d records that expired %d are stored and %v counted as a gap", old, stored, gap)
	}
	h.stored(stored + 20)
	produced := time.Now()
	h.eventually("the watermark goes on",
		func() bool { return m.metric("complete_through_seconds") > float64(produced.Unix()+1) })
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}

	h.send(records("unseen", 7)...)
	h.kafka.Expire(topic)
	h.send(records("after", 3)...)
	m = h.start()
	h.stored(stored + 20 + 3)
	h.allCommitted(topic)
	if gap := m.metric("gap_records_total", "topic="+topic, "partition=0"); gap != 7 {
		t.Errorf("%v records counted as a gap, not 7", gap)
	}
}

// Members come and go, and partitions are added, while events arrive.
func TestMembersComeAndGo(t *testing.T) {
	const topic = "usage.messages"
	h := newHarness(t, topic)
	h.config.StopTimeout = 12 * time.Second
	// a rebalance waits this long for a member that left without telling the group
	h.config.SessionTimeout = time.Minute
	f := h.feed(topic, 4)
	var members, all []*member
	partitions := 4
	shared := func() bool {
		sum := 0
		for _, m := range members {
			owned := m.ingest.progress.owned()
			if owned == 0 {
				return false
			}
			sum += owned
		}
		return sum == partitions
	}
	join := func() {
		members = append(members, h.start())
		all = append(all, members[len(members)-1])
	}
	leave := func() {
		if err := members[0].stop(); err != nil {
			t.Errorf("a member ended with %v", err)
		}
		members = members[1:]
	}
	grow := func() {
		partitions = 6
		h.kafka.CreatePartitions(topic, partitions)
		h.producer = h.client()
		h.produce(topic, 5, message("new", "ann", time.Now()))
	}
	for i, change := range []func(){join, join, join, leave, grow, leave, join, leave} {
		started := time.Now()
		change()
		h.eventually("the partitions are shared out", shared)
		if took := time.Since(started); took > 15*time.Second {
			t.Errorf("change %d: the members waited %s for one that was gone", i, took)
		}
		f.more(20)
	}
	h.stored(f.stop() + 1)
	h.allCommitted(topic)
	for i, m := range all {
		if n := m.metric("gap_records_total"); n != 0 {
			t.Errorf("member %d counted %v records as gaps", i, n)
		}
	}
}
