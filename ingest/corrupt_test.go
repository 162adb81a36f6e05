package ingest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"rollcall/deploy/demo/embedded"
)

// A rottenListener serves a log of which one byte is wrong for good, as after a bad disk.
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

// A record batch that never heals holds its partition, and says so, until an operator names it.
// Then it alone is left out, and counted.
func TestCorruptBatchIsPassedOver(t *testing.T) {
	const topic = "usage.messages"
	h, _ := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic}, Partitions: 2, Listen: func(l net.Listener) net.Listener { return rottenListener{l} }})
	now := time.Now()
	h.produce(topic, 0, message("a", "ann", now), message("flip-me", "ann", now), message("c", "ann", now))
	h.config.PassOver = []string{topic + "/0/0", topic + "/0/2", topic + "/1/1"} // none of them is corrupt
	m := h.start()
	h.eventually("the partition is said to wait", func() bool { return m.metric("corrupt_batches", "topic="+topic, "partition=0") == 1 })
	h.stored(1)
	h.produce(topic, 1, message("d", "ann", now)) // the other partition goes on
	h.stored(2)
	if w := m.metric("complete_through_seconds"); w > float64(now.UnixMilli())/1000 {
		t.Errorf("the watermark is %v s beyond a record that was not read", w-float64(now.UnixMilli())/1000)
	}
	h.passesOver(m, topic+"/0/1", 1, 3)
}

// Nor is a batch stepped over that arrives as it was sent, and was sent broken. (Apache Kafka
// refuses most of these.)
func TestBrokenBatchIsPassedOver(t *testing.T) {
	const topic = "usage.messages"
	h, _ := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic}, Partitions: 1})
	now := time.Now()
	h.produce(topic, 0, message("a", "ann", now))
	broken := testBatch{producer: -1, records: []testRecord{{}, {}}}.bytes()
	broken[batchHead] = 0x7e // the first record claims to be longer than all of them
	binary.BigEndian.PutUint32(broken[17:], crc32.Checksum(broken[21:], castagnoli))
	h.sendRaw(topic, broken)
	h.produce(topic, 0, message("c", "ann", now))
	m := h.start()
	h.eventually("the partition is said to wait", func() bool { return m.metric("corrupt_batches", "topic="+topic, "partition=0") == 1 })
	h.passesOver(m, topic+"/0/2", 2, 2) // any offset of it will do
}

// passesOver starts ingest anew with a batch to pass over, and holds what then is stored and
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
	req.Acks, req.TimeoutMillis = -1, 5000
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

// The end of a corrupt batch is taken from the batch after it: its own word may be what is damaged.
// Where nothing tells the end, nothing is passed over.
func TestEndOfACorruptBatch(t *testing.T) {
	first := testBatch{base: 10, records: []testRecord{{}, {}, {}}}.bytes()
	after := testBatch{base: 13, records: []testRecord{{}}}.bytes()
	for name, last := range map[string]struct {
		spoil func(b []byte)
		set   bool
		want  int64
	}{
		"a record":                       {func(b []byte) { b[70] ^= 1 }, true, 12},
		"its length in offsets":          {func(b []byte) { b[25] ^= 1 }, true, 12},
		"a record, at the set's end":     {func(b []byte) { b[70] ^= 1 }, false, 12},
		"its end, said to be before it":  {func(b []byte) { b[23] = 0xff }, true, -1},
		"its format, which is not known": {func(b []byte) { b[16] = 9 }, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			set := bytes.Clone(first)
			last.spoil(set)
			if last.set {
				set = append(set, after...)
			}
			s := recordSet{from: 10}
			_, err := s.cut(set, nil)
			bad, isCorrupt := err.(*corruptBatch)
			if !isCorrupt || s.next != 10 || bad.base != 10 || bad.last != last.want {
				t.Fatalf("%d, %#v", s.next, err)
			}
			a := &assignment{passOver: map[slot][]int64{{"t", 0}: {11}}}
			if bad.last < 0 && a.passesOver(&partition{slot: slot{"t", 0}}, 10, 0, err) {
				t.Error("passed over")
			}
		})
	}
}

func TestPassOverSetting(t *testing.T) {
	got, err := parsePassOver([]string{"usage.messages/3/1042", "usage.messages/3/7", "t/0/0"})
	if err != nil || len(got) != 2 || len(got[slot{"usage.messages", 3}]) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "t", "t/1", "/1/1", "t/-1/1", "t/1/-1", "t/1/x", "t/1/1/1", "t/4294967296/0"} {
		if _, err := parsePassOver([]string{bad}); err == nil {
			t.Errorf("%q is taken for a record batch", bad)
		}
	}
}
