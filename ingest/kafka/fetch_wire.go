package kafka

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"rollcall/ingest/kafka/recordbatch"
)

// A fetch's response is read by hand off kafka-go's connections: its own client copies every record
// twice, checks no CRC and hands out aborted transactions.
const (
	fetchVersion     = 11 // Kafka 2.3 and newer; the last one without tagged fields
	fetchCorrelation = 1  // one request at a time per connection
	readCommitted    = 1
	maxResponse      = 1 << 30 // a larger answer is taken for a broken one
)

// A fetchRequest asks one broker for the partitions that it leads.
type fetchRequest struct {
	broker   int32
	wants    []want // those of one topic next to each other
	wait     time.Duration
	bytes    int
	clock    func() time.Time
	response *Response // to be filled; of no use after an error, since the connection may still be writing to it
	version  int16
}

// A want is where to go on in a partition, under which leader: one of another epoch refuses.
type want struct {
	*Partition
	from        int64
	leaderEpoch int32
}

func (*fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (r *fetchRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, r.broker)
}

func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

// RawExchange writes the request and reads the response into the response's own memory.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version != fetchVersion {
		return nil, fmt.Errorf("the broker speaks fetch version %d; Kafka 2.3 or newer is needed", r.version)
	}
	r.response.Asked = r.clock()
	if err := protocol.WriteRequest(rw, fetchVersion, fetchCorrelation, "rollcall", r.message()); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxResponse {
		return nil, fmt.Errorf("a fetch answer of %d bytes", size)
	}
	if cap(r.response.body) < size {
		r.response.body = make([]byte, size)
	}
	r.response.body = r.response.body[:size]
	_, err := io.ReadFull(rw, r.response.body)
	return r.response, err
}

// message is the request as kafka-go's protocol package encodes it.
func (r *fetchRequest) message() *fetch.Request {
	m := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(r.wait.Milliseconds()), MinBytes: 1, MaxBytes: int32(r.bytes),
		IsolationLevel: readCommitted, SessionID: 0, SessionEpoch: -1, // no fetch session
	}
	for i := range r.wants {
		w := &r.wants[i]
		if i == 0 || w.Topic != r.wants[i-1].Topic {
			m.Topics = append(m.Topics, fetch.RequestTopic{Topic: w.Topic})
		}
		t := &m.Topics[len(m.Topics)-1]
		t.Partitions = append(t.Partitions, fetch.RequestPartition{
			Partition: w.TopicPartition.Partition, CurrentLeaderEpoch: w.leaderEpoch, FetchOffset: w.from,
			LogStartOffset: -1, PartitionMaxBytes: int32(r.bytes),
		})
	}
	return m
}

// An Response is what a broker sent: views into body.
type Response struct {
	Asked   time.Time // just before the request left, by the fetcher's clock
	body    []byte
	Fetched []Fetched
	batches []recordbatch.Batch // of all partitions
	home    chan<- *Response
}

// Release gives the response back to its fetcher, when nothing of it is needed any more.
func (response *Response) Release() { response.home <- response }

func (*Response) ApiKey() protocol.ApiKey { return protocol.Fetch }

// A Fetched is one partition's share of a response.
type Fetched struct {
	Partition     *Partition
	Set           recordbatch.Set
	LeaderEpoch   int32  // the leader's epoch
	Jumps         int    // of the partition before it
	problem       int16  // a Kafka error code, or 0
	HighWatermark int64  // the high watermark; −1 if unknown
	records       []byte // as they came
}

// parse fills Fetched. Partitions that were not asked for are an error: the stream is out of
// step.
func (response *Response) parse(wants []want) error {
	w := &wire{b: response.body}
	response.Fetched = response.Fetched[:0]
	if got := w.int32(); got != fetchCorrelation {
		return fmt.Errorf("a fetch answer to request %d instead of %d", got, fetchCorrelation)
	}
	w.int32() // throttled for so many ms: already over
	if code := w.int16(); code != 0 {
		return fmt.Errorf("fetch refused: %w", kafkaError(code))
	}
	w.int32() // fetch session
	for topics := w.int32(); topics > 0 && !w.short; topics-- {
		topic := w.bytes(int(w.int16()))
		for n := w.int32(); n > 0 && !w.short; n-- {
			fetched := w.fetched()
			asked := find(wants, len(response.Fetched), topic, fetched.id)
			if asked == nil {
				return fmt.Errorf("a fetch answer for %s/%d, which was not asked for", topic, fetched.id)
			}
			fetched.Partition = asked.Partition
			fetched.LeaderEpoch = asked.leaderEpoch
			fetched.Set.Topic = asked.Topic
			fetched.Set.Partition = fetched.id
			fetched.Set.From = asked.from
			response.Fetched = append(response.Fetched, fetched.Fetched)
		}
	}
	if w.short {
		return errShort
	}
	return nil
}

type numberedFetched struct {
	id int32
	Fetched
}

func (w *wire) fetched() (fetched numberedFetched) {
	fetched.id, fetched.problem = w.int32(), w.int16()
	fetched.HighWatermark = w.int64()
	w.int64() // the last stable offset: complete means up to the end, open transactions included
	w.int64() // the log's start: a position before it is refused
	for n := w.int32(); n > 0 && !w.short; n-- {
		fetched.Set.Aborted = append(fetched.Set.Aborted, recordbatch.Aborted{Producer: w.int64(), First: w.int64()})
	}
	slices.SortFunc(fetched.Set.Aborted, func(a, b recordbatch.Aborted) int { return cmp.Compare(a.First, b.First) })
	w.int32() // preferred replica
	if n := w.int32(); n > 0 {
		fetched.records = w.bytes(int(n))
	}
	return fetched
}

// find starts where brokers usually answer: in the order of the question.
func find(wants []want, at int, topic []byte, id int32) *want {
	for n := range wants {
		if w := &wants[(at+n)%len(wants)]; w.TopicPartition.Partition == id && w.Topic == string(topic) {
			return w
		}
	}
	return nil
}
