package ingest

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"rollcall/deploy/demo/embedded"
	"rollcall/ingest/kafka/recordbatch/batchtest"
)

// A rottenListener serves a log in which one byte stays wrong, as after a disk error.
type rottenListener struct{ net.Listener }

type rotten struct{ net.Conn }

func (l rottenListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return rotten{conn}, err
}

func (r rotten) Write(b []byte) (int, error) {
	if at := strings.Index(string(b), "flip-me"); at >= 0 {
		b = bytes.Clone(b)
		b[at] ^= 1
	}
	return r.Conn.Write(b)
}

// A record batch that stays unreadable holds its partition, and the log says so, until an operator
// names the batch. Then only this batch is left out, and it is counted.
func TestCorruptBatchIsPassedOver(t *testing.T) {
	const topic = "usage.messages"
	h, _ := newEmbedded(t, embedded.BrokerOptions{
		Topics: []string{topic}, Partitions: 2, Listen: func(l net.Listener) net.Listener { return rottenListener{l} },
	})
	now := time.Now()
	h.produce(topic, 0, message("a", "ann", now), message("flip-me", "ann", now), message("c", "ann", now))
	h.config.PassOver = []string{topic + "/0/0", topic + "/0/2", topic + "/1/1"} // none is corrupt
	m := h.start()
	h.eventually("the partition is said to wait",
		func() bool { return m.metric("corrupt_batches", "topic="+topic, "partition=0") == 1 })
	h.stored(1)
	h.produce(topic, 1, message("d", "ann", now)) // the other partition goes on
	h.stored(2)
	if w := m.metric("complete_through_seconds"); w > float64(now.UnixMilli())/1000 {
		t.Errorf("the watermark is %v s beyond a record that was not read", w-float64(now.UnixMilli())/1000)
	}
	h.passesOver(m, topic+"/0/1", 1, 3)
}

// A batch is not passed over either if it arrives as it was sent, but was already broken when it
// was sent. (Apache Kafka refuses most of these.)
func TestBrokenBatchIsPassedOver(t *testing.T) {
	const topic = "usage.messages"
	h, _ := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic}, Partitions: 1})
	now := time.Now()
	h.produce(topic, 0, message("a", "ann", now))
	broken := batchtest.Batch{Producer: -1, Records: []batchtest.Record{{}, {}}}.Wire()
	broken[batchtest.Head] = 0x7e // the first record claims to be longer than all of them
	batchtest.Seal(broken)
	h.sendRaw(topic, broken)
	h.produce(topic, 0, message("c", "ann", now))
	m := h.start()
	h.eventually("the partition is said to wait",
		func() bool { return m.metric("corrupt_batches", "topic="+topic, "partition=0") == 1 })
	h.passesOver(m, topic+"/0/2", 2, 2) // any offset of it will do
}

// passesOver starts ingest again with a batch to pass over, and checks what is then stored and
// counted.
func (h *harness) passesOver(m *member, batch string, records float64, events uint64) {
	h.Helper()
	if err := m.stop(); err != nil {
		h.Fatal(err)
	}
	h.config.PassOver = []string{batch}
	m = h.start()
	h.stored(events)
	h.eventually("the gap is counted", func() bool { return m.metric("gap_records_total", "partition=0") == records })
	if n := m.metric("corrupt_batches"); n != 0 {
		h.Errorf("%v partitions are still said to wait", n)
	}
	passed := float64(time.Now().UnixMilli()) / 1000
	h.eventually("the watermark goes on", func() bool { return m.metric("complete_through_seconds") > passed })
}

// sendRaw sends a record set to partition 0 as it is.
func (h *harness) sendRaw(topic string, set []byte) {
	h.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = set
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	byName := h.client(kgo.MaxVersions(kversion.V3_0_0())) // newer ones name topics by their ids
	res, err := byName.Request(h.Context(), req)
	if err == nil {
		err = kerr.ErrorForCode(res.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		h.Fatalf("send a broken batch: %v", err)
	}
}
