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

// A fetch response is parsed here, off kafka-go's connections. kafka-go's own client copies every
// record twice, checks no CRC, and returns records of aborted transactions.
const (
	fetchVersion     = 11 // Kafka 2.3 and newer; the last one without tagged fields
	fetchCorrelation = 1  // one request at a time per connection
	readCommitted    = 1
	maxResponse      = 1 << 30 // bytes; a larger response counts as broken
)

// A fetchRequest asks one broker for the partitions that it leads.
type fetchRequest struct {
	broker   int32
	wants    []want // the partitions of a topic are next to each other
	wait     time.Duration
	bytes    int
	clock    func() time.Time
	response *Response // to be filled. After an error the connection may still be writing to it
	version  int16
}

// A want is the offset to fetch a partition from. A leader of another epoch than leaderEpoch
// refuses it.
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

// A Response is what a broker sent. Its records are views into body.
type Response struct {
	Asked   time.Time // just before the request was sent, by Fetcher.Clock
	body    []byte
	Fetched []Fetched
	batches []recordbatch.Batch // of all partitions
	home    chan<- *Response
}

// Release returns the response to its fetcher, which overwrites it. The caller must not use the
// response afterwards.
func (response *Response) Release() { response.home <- response }

func (*Response) ApiKey() protocol.ApiKey { return protocol.Fetch }

// A Fetched is one partition's share of a response.
type Fetched struct {
	Partition     *Partition
	Set           recordbatch.Set
	LeaderEpoch   int32  // of the leader that responded
	Jumps         int    // of the partition before this set
	problem       int16  // a Kafka error code, or 0
	HighWatermark int64  // the end of the log, open transactions included; −1 if unknown
	records       []byte // the record set, as it is on the wire
}

// parse fills Fetched. It returns an error if the response has a partition that was not asked for:
// request and response do not match then.
func (response *Response) parse(wants []want) error {
	w := &wire{b: response.body}
	response.Fetched = response.Fetched[:0]
	if got := w.int32(); got != fetchCorrelation {
		return fmt.Errorf("a fetch answer to request %d instead of %d", got, fetchCorrelation)
	}
	w.int32() // throttle time in ms: it has passed already
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
	fetched.id = w.int32()
	fetched.problem = w.int16()
	fetched.HighWatermark = w.int64()
	w.int64() // the last stable offset; complete means up to the high watermark
	w.int64() // the log's start; a position before it is refused
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

// find returns the want of a partition. It starts at the index at, because brokers usually answer
// in the order of the request.
func find(wants []want, at int, topic []byte, id int32) *want {
	for n := range wants {
		if w := &wants[(at+n)%len(wants)]; w.TopicPartition.Partition == id && w.Topic == string(topic) {
			return w
		}
	}
	return nil
}
