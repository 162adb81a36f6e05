package ingest

import (
	"context"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/test/kafkatest"
)

// Records that were deleted before they were read are counted, not passed over silently.
func TestGapAtTheStart(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	h.produce("usage.messages", 0, message("a", "ann", now))
	m := h.start()
	h.eventually("committed", func() bool { return h.committed("usage.messages", 0) == 1 })
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	for _, id := range numbered("b", 10) {
		h.produce("usage.messages", 0, message(id, "ann", now))
	}
	h.kafka.DeleteRecords("usage.messages", 0, 5) // 1 … 4 are gone
	m = h.start()
	h.stored(1 + 6)
	if n := m.metric("gap_records_total", "topic=usage.messages", "partition=0"); n != 4 {
		t.Errorf("%v records counted as a gap, not 4", n)
	}
	h.eventually("committed", func() bool { return h.committed("usage.messages", 0) == 11 })
}

// A topic is deleted and made anew while ingest runs. The records of the new topic are read, and
// the break is counted.
func TestTopicMadeAnew(t *testing.T) {
	h := newHarness(t, "usage.messages", "usage.actions")
	now := time.Now()
	for _, id := range numbered("a", 10) {
		h.produce("usage.messages", 0, message(id, "ann", now))
	}
	m := h.start()
	h.eventually("committed", func() bool { return h.committed("usage.messages", 0) == 10 })
	h.eventually("the watermark knows of it", func() bool {
		return h.count("SELECT count() FROM progress FINAL WHERE topic = 'usage.messages' AND partition = 0 AND end_offset = 10") == 1
	})
	h.kafka.RecreateTopic("usage.messages", 1)
	h.producer = h.client() // the old one still believes in the old topic
	for _, id := range numbered("b", 3) {
		h.produce("usage.messages", 0, message(id, "ann", now))
	}
	h.stored(13)
	h.eventually("the break is counted",
		func() bool { return m.metric("gap_records_total", "topic=usage.messages", "partition=0") >= 1 })
}

// A topic that is missing is waited for; the others are read meanwhile.
func TestMissingTopic(t *testing.T) {
	h := newHarness(t, "usage.messages")
	later := "usage.later." + uuid.NewString()
	h.config.Topics = []string{"usage.messages", later}
	now := time.Now()
	h.produce("usage.messages", 0, message("a", "ann", now))
	h.start()
	h.stored(1)
	h.kafka.CreateTopic(later, 2)
	h.producer = h.client()
	h.produce(later, 1, message("b", "ann", now))
	h.stored(2)
}

// Two members share the partitions. One leaves, and the other takes over its partitions.
func TestTwoMembers(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	one := h.start()
	h.eventually("the first is ready", func() bool { return one.ingest.Ready(context.Background()) == nil })
	two := h.start()
	both := func() bool {
		return one.ingest.progress.owned() == 2 && two.ingest.progress.owned() == 2
	}
	h.eventually("each has half of the partitions", both)
	for _, id := range numbered("a", 50) {
		h.produce("usage.messages", 0, message(id, "ann", now))
		h.produce("usage.messages", 1, message(id+"'", "ann", now))
	}
	h.stored(100)
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	h.eventually("the second has all", func() bool { return two.ingest.progress.owned() == 4 })
	for _, id := range numbered("b", 50) {
		h.produce("usage.messages", 0, message(id, "ann", now))
		h.produce("usage.messages", 1, message(id+"'", "ann", now))
	}
	h.stored(200)
	produced := time.Now()
	h.eventually("the watermark passes over all partitions",
		func() bool { return two.metric("complete_through_seconds") > float64(produced.Unix()+1) })
}

// owned counts the partitions of the pipeline.
func (p *progress) owned() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mine)
}

// The broker refuses a commit of an older generation. Ingest gives that generation up and goes on
// in the next one.
func TestCommitOfAnOldGeneration(t *testing.T) {
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{"usage.messages"}})
	var refused atomic.Bool
	broker.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if refused.Swap(true) {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic = "usage.messages"
		partition := kmsg.NewOffsetCommitResponseTopicPartition()
		partition.ErrorCode = kerr.IllegalGeneration.Code
		topic.Partitions = append(topic.Partitions, partition)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	h.produce("usage.messages", 0, message("a", "ann", time.Now()))
	h.start()
	h.eventually("committed in the next generation", func() bool { return h.committed("usage.messages", 0) == 1 })
	if !refused.Load() {
		t.Error("no commit was refused")
	}
	h.stored(1)
}

// The group does not wait for a member that leaves while a rebalance starts over, although kafka-go
// does not leave the group then.
func TestLeavingDuringARebalance(t *testing.T) {
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{"usage.messages"}, Partitions: 1})
	h.config.StopTimeout = 12 * time.Second
	h.config.SessionTimeout = time.Minute // how long the group would wait for the member
	var startsOver atomic.Bool
	broker.Cluster().ControlKey(int16(kmsg.SyncGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.Cluster().KeepControl()
		if !startsOver.CompareAndSwap(true, false) {
			return nil, nil, false
		}
		// by now the member has closed its group
		broker.Cluster().SleepControl(func() { <-time.After(500 * time.Millisecond) })
		res := req.ResponseKind().(*kmsg.SyncGroupResponse)
		res.ErrorCode = kerr.RebalanceInProgress.Code
		return res, nil, true
	})
	m := h.start()
	h.eventually("assigned", func() bool { return m.ingest.progress.owned() == 1 })
	startsOver.Store(true)
	started := time.Now()
	// the group is joined anew for the second partition
	kafkatest.Connect(t, broker.Addr()).CreatePartitions("usage.messages", 2)
	h.eventually("assigned again", func() bool { return m.ingest.progress.owned() == 2 })
	if startsOver.Load() {
		t.Fatal("no rebalance started over")
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("the member that left was waited for: %s", took)
	}
}

// Leaders move, and brokers say so only when they are asked.
func TestLeaderMoves(t *testing.T) {
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{"usage.messages"}, Partitions: 1, Nodes: 3})
	h.start()
	for turn, id := range numbered("a", 9) {
		h.produce("usage.messages", 0, message(id, "ann", time.Now()))
		h.stored(uint64(turn) + 1)
		if turn%3 == 2 {
			if err := broker.Cluster().MoveTopicPartition("usage.messages", 0, int32(turn/3+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A new leader is asked how far its log agrees with what was read, also after a restart. If the
// logs part below the position, the new leader's log is read from there, and the break is counted.
func TestNewLeaderLacksRecords(t *testing.T) {
	const topic = "usage.messages"
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic}, Partitions: 1, Nodes: 3})
	h.produce(topic, 0, message("a", "ann", time.Now()), message("b", "ann", time.Now()), message("c", "ann", time.Now()))
	m := h.start()
	h.stored(3)
	var asked atomic.Int32 // about this epoch
	broker.Cluster().ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.Cluster().KeepControl()
		asked.Store(req.(*kmsg.OffsetForLeaderEpochRequest).Topics[0].Partitions[0].LeaderEpoch)
		p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		p.LeaderEpoch = asked.Load()
		p.EndOffset = 2
		t := kmsg.OffsetForLeaderEpochResponseTopic{Topic: topic}
		t.Partitions = append(t.Partitions, p)
		res := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		res.Topics = append(res.Topics, t)
		return res, nil, true
	})
	gap := func() bool { return m.metric("gap_records_total", "topic="+topic, "partition=0") == 1 }
	if err := broker.Cluster().MoveTopicPartition(topic, 0, 1); err != nil {
		t.Fatal(err)
	}
	h.eventually("a gap is counted under way", gap)
	before := asked.Load()
	h.produce(topic, 0, message("d", "ann", time.Now()))
	h.stored(4)
	h.eventually("all is committed", func() bool { return h.committed(topic, 0) == 4 })
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = h.start()
	h.eventually("a gap is counted at the start", gap)
	if asked.Load() != before+1 {
		t.Errorf("the position is said to be of epoch %d, and was committed in %d", asked.Load(), before+1)
	}
}

// flipper changes one byte of a large response, once, as a bad cable or disk does.
type flipper struct {
	net.Conn
	armed *atomic.Bool
}

func (f flipper) Write(b []byte) (int, error) {
	if at := strings.Index(string(b), "flip-me"); at >= 0 && f.armed.CompareAndSwap(true, false) {
		b = append([]byte(nil), b...)
		b[at] ^= 1
	}
	return f.Conn.Write(b)
}

type flippingListener struct {
	net.Listener
	armed *atomic.Bool
}

func (l flippingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return flipper{conn, l.armed}, err
}

// A corrupt batch is fetched again. It is neither stored nor passed over.
func TestCorruptBatchIsFetchedAgain(t *testing.T) {
	var armed atomic.Bool
	h, _ := newEmbedded(t, embedded.BrokerOptions{Topics: []string{"usage.messages"}, Partitions: 1,
		Listen: func(l net.Listener) net.Listener { return flippingListener{l, &armed} }})
	h.produce("usage.messages", 0, message("a", "ann", time.Now()), message("flip-me", "ann", time.Now()),
		message("c", "ann", time.Now()))
	armed.Store(true)
	m := h.start()
	h.stored(3)
	if armed.Load() {
		t.Fatal("no byte was changed")
	}
	if n := m.metric("retries_total", "step=fetch"); n != 1 {
		t.Errorf("%v retries counted, not 1", n)
	}
	if n := h.count("SELECT count() FROM events WHERE id = 'flip-me'"); n != 1 {
		t.Errorf("the batch arrived %d times as it was sent, not once", n)
	}
}

// clickhouseAway makes inserts into the log fail until the result is set to false.
func clickhouseAway(h *harness) *atomic.Bool {
	away := new(atomic.Bool)
	away.Store(true)
	newProxy(h).set(func(statement string) fault {
		if away.Load() && strings.HasPrefix(statement, "INSERT INTO events") {
			return fault{before: abort}
		}
		return fault{}
	})
	return away
}

// While ClickHouse is away, fetching pauses, so the memory in use does not grow with the backlog.
// When ClickHouse is back, everything is stored.
func TestClickHouseAwayBoundsMemory(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.config.BatchBytes = 1 << 20
	h.config.FetchBytes = 256 << 10
	away := clickhouseAway(h)
	const records = 20_000 // of 2 KiB each
	var sent []*kgo.Record
	filler := `,"unknown":"` + strings.Repeat("x", 2000) + `"`
	for _, id := range numbered("a", records) {
		sent = append(sent, &kgo.Record{Topic: "usage.messages", Value: []byte(message(id, "ann", time.Now(), filler))})
	}
	h.producer = h.client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(records),
		kgo.ProducerBatchMaxBytes(128<<10))
	h.send(sent...)
	sent = nil

	before := heap()
	m := h.start()
	h.eventually("it tries", func() bool { return m.metric("retries_total", "step=log") >= 8 })
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes while 40 MB waited", grown)
	}
	h.eventually("the lag is shown", func() bool { return m.metric("lag_records") == records })
	away.Store(false)
	h.stored(records)
	h.eventually("no lag", func() bool { return m.metric("lag_records") == 0 })
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A stop stores and commits what was fetched, and leaves the group at once.
func TestStopStoresWhatWasFetched(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.config.BatchAge = time.Hour // only the stop stores anything
	h.produce("usage.messages", 0, message("a", "ann", time.Now()))
	m := h.start()
	h.eventually("fetched", func() bool { return m.metric("lag_records", "partition=0") == 1 })
	started := time.Now()
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
	h.stored(1)
	if o := h.committed("usage.messages", 0); o != 1 {
		t.Errorf("offset %d is committed, not 1", o)
	}
}
