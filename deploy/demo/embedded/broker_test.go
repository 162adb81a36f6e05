package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/demo/embedded"
)

func startBroker(t *testing.T, opts embedded.BrokerOptions) *embedded.Broker {
	t.Helper()
	b, err := embedded.StartBroker(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBrokerRefusesToStart(t *testing.T) {
	taken := startBroker(t, embedded.BrokerOptions{Dir: t.TempDir()})
	dir := t.TempDir()
	startBroker(t, embedded.BrokerOptions{Dir: dir})
	for name, c := range map[string]struct {
		opts embedded.BrokerOptions
		want string
	}{
		"directory in use":      {embedded.BrokerOptions{Dir: dir}, dir + " is in use by process "},
		"address taken":         {embedded.BrokerOptions{Addr: taken.Addr()}, taken.Addr() + " is taken"},
		"every interface":       {embedded.BrokerOptions{Addr: ":9092"}, "127.0.0.1 only"},
		"address of a network":  {embedded.BrokerOptions{Addr: "10.0.0.1:9092"}, "127.0.0.1 only"},
		"address without port":  {embedded.BrokerOptions{Addr: "127.0.0.1"}, "give 127.0.0.1:PORT"},
		"port that cannot be":   {embedded.BrokerOptions{Addr: "127.0.0.1:70000"}, "give 127.0.0.1:PORT"},
		"directory that is not": {embedded.BrokerOptions{Dir: "/dev/null/x"}, "/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := embedded.StartBroker(t.Context(), c.opts)
			if err == nil {
				b.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want a sentence with %q", err, c.want)
			}
		})
	}
}

func TestBrokerSurvivesWhatIsNotKafka(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	request := func(size uint32, key, version int16, body ...byte) []byte {
		head := binary.BigEndian.AppendUint32(nil, size)
		head = binary.BigEndian.AppendUint16(head, uint16(key))
		return append(binary.BigEndian.AppendUint16(head, uint16(version)), body...)
	}
	for name, sent := range map[string][]byte{
		"unknown API":             request(10, 12345, 0, make([]byte, 6)...),
		"negative API":            request(10, -1, 0, make([]byte, 6)...),
		"negative version":        request(10, 3, -1, make([]byte, 6)...),
		"a version of the future": request(10, 3, 999, make([]byte, 6)...),
		"no room for a head":      request(3, 0, 0),
		"four gigabytes":          request(0xffffffff, 3, 0),
		"another protocol":        []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"second request unknown": append(request(10, 18, 0, 0, 0, 0, 7, 0xff, 0xff),
			request(10, 12345, 0, make([]byte, 6)...)...),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
	produce(t, b.Addr(), "t", "still there")
	if got := consume(t, b.Addr(), "t", 0); !slices.Equal(got, []string{"still there"}) {
		t.Errorf("got %q", got)
	}
}

func TestBrokerKeepsWhatItHad(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, embedded.BrokerOptions{Dir: dir, Topics: []string{"old"}, Partitions: 1})
	produce(t, b.Addr(), "old", "a", "b")
	commit(t, b.Addr(), "old", 1)
	b.Close()

	b = startBroker(t, embedded.BrokerOptions{Dir: dir, Topics: []string{"old", "new"}, Partitions: 3})
	if got := consume(t, b.Addr(), "old", 0); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("records after a restart: %q", got)
	}
	if got := committed(t, b.Addr(), "old"); got != 1 {
		t.Errorf("committed offset after a restart: %d", got)
	}
	if got := [2]int{len(b.Cluster().PartitionInfos("old")), len(b.Cluster().PartitionInfos("new"))}; got != [2]int{1, 3} {
		t.Errorf("partitions of the old and the new topic: %d", got)
	}
}

func TestBrokerTakesValuesOverOneMiB(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	w := writer(t, b.Addr(), "t")
	w.BatchBytes = 4 << 20
	defer w.Close()
	if err := w.WriteMessages(t.Context(), kafka.Message{Value: make([]byte, 1<<20+1)}); err != nil {
		t.Fatal(err)
	}
}

func writer(t *testing.T, addr, topic string) *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(addr), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
		Transport: transport(t),
	}
}

func transport(t *testing.T) *kafka.Transport {
	own := &kafka.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	return own
}

func produce(t *testing.T, addr, topic string, values ...string) {
	t.Helper()
	w := writer(t, addr, topic)
	defer w.Close()
	for _, v := range values {
		if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
}

// consume returns the values of a whole partition.
func consume(t *testing.T, addr, topic string, partition int) (values []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := kafka.DialLeader(ctx, "tcp", addr, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	_, end, err := conn.ReadOffsets()
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{addr}, Topic: topic, Partition: partition, MaxWait: 100 * time.Millisecond,
	})
	defer r.Close()
	for r.Offset() < end {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatal(fmt.Errorf("at offset %d of %d: %w", r.Offset(), end, err))
		}
		values = append(values, string(m.Value))
	}
	return values
}

const group = "readers"

func commit(t *testing.T, addr, topic string, offset int64) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(addr), Transport: transport(t)}
	res, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: offset}}}})
	if err == nil {
		err = res.Topics[topic][0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func committed(t *testing.T, addr, topic string) int64 {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(addr), Transport: transport(t)}
	res, err := client.OffsetFetch(t.Context(),
		&kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err = errors.Join(err, res.Error); err != nil {
		t.Fatal(err)
	}
	return res.Topics[topic][0].CommittedOffset
}
