//go:build faults && linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/suite/traffic"
)

// numberHeader carries a record's number. With it, acknowledged records can be searched among those
// that the broker holds.
const numberHeader = "n"

// A producer writes random events in every way that Kafka offers.
type producer struct {
	broker string
	topics []string
	now    time.Time

	// One goroutine writes at a time, so that the seed decides what is written.
	turn sync.Mutex
	rand *rand.Rand // used by the goroutine that holds turn

	mu           sync.Mutex
	number       int
	acknowledged map[int]bool
	earlier      []traffic.Record // all records produced so far, for replays
	partitions   map[string]int
	aborted      int // aborted records
	sent         int // acknowledged records
}

func newProducer(broker string, topics []string, now time.Time, seed uint64, partitions int) *producer {
	p := &producer{
		broker: broker, topics: topics, now: now, rand: rand.New(rand.NewPCG(seed, 2)), acknowledged: map[int]bool{},
		partitions: map[string]int{},
	}
	for _, topic := range topics {
		p.partitions[topic] = partitions
	}
	return p
}

// produce sends about so many events, most of them once, some again later. It splits them into
// pieces, and each is sent in a way of its own. It returns when every record that must count is
// acknowledged.
func (p *producer) produce(ctx context.Context, seed uint64, events int) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	records := traffic.Make(traffic.Config{Seed: seed, Now: p.now, Events: events, Topics: p.topics})
	records = append(records, p.odd()...)
	// The number is limited: replays of replays would double the topics every few faults.
	for range min(len(p.earlier)/20, events/10) {
		again := p.earlier[p.rand.IntN(len(p.earlier))]
		again.Topic = p.topics[p.rand.IntN(len(p.topics))]
		records = append(records, again)
	}
	p.rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	for piece := range slices.Chunk(records, 60) {
		if err := p.piece(ctx, piece); err != nil {
			return err
		}
	}
	p.earlier = append(p.earlier, records...)
	return nil
}

// piece sends a few records plainly or in a transaction. Sometimes it first sends other events in a
// transaction that it aborts.
func (p *producer) piece(ctx context.Context, records []traffic.Record) error {
	switch p.rand.IntN(4) {
	case 0:
		return p.transaction(ctx, records, true)
	case 1:
		aborted := traffic.Make(traffic.Config{Seed: p.rand.Uint64(), Now: p.now, Events: 20, Topics: p.topics})
		if err := p.transaction(ctx, aborted, false); err != nil {
			return err
		}
	}
	return p.plain(ctx, records)
}

// plain sends with a producer that is not idempotent. It sends again what is not acknowledged, so a
// record may be there twice.
func (p *producer) plain(ctx context.Context, records []traffic.Record, opts ...kgo.Opt) error {
	client, err := p.client(append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	messages, numbers := p.messages(records)
	if err := client.ProduceSync(ctx, messages...).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	p.acknowledge(numbers)
	return nil
}

// transaction sends records in one transaction. If that fails, it is unknown whether they count. So
// they are then also sent plainly, if commit is set.
func (p *producer) transaction(ctx context.Context, records []traffic.Record, commit bool) error {
	client, err := p.client(kgo.TransactionalID("faults"), kgo.TransactionTimeout(10*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	messages, numbers := p.messages(records)
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = client.BeginTransaction()
	if err == nil {
		err = client.ProduceSync(limited, messages...).FirstErr()
	}
	if err == nil {
		err = client.EndTransaction(limited, kgo.TransactionEndTry(commit))
	}
	switch {
	case err != nil && commit:
		return errors.Join(p.endOpen(ctx), p.plain(ctx, records))
	case err != nil:
		return p.endOpen(ctx)
	case commit:
		p.acknowledge(numbers)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aborted += len(records)
	return nil
}

// endOpen ends a transaction that may have been left open, by starting a producer of the same name.
func (p *producer) endOpen(ctx context.Context) error {
	client, err := p.client(kgo.TransactionalID("faults"))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for poll := time.NewTicker(100 * time.Millisecond); ; <-poll.C {
		if _, _, err = client.ProducerID(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
}

func (p *producer) acknowledge(numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range numbers {
		p.acknowledged[n] = true
	}
	p.sent += len(numbers)
}

var codecs = []kgo.CompressionCodec{
	kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
}

func (p *producer) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(p.broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[p.rand.IntN(len(codecs))]),
		kgo.ProducerBatchMaxBytes(8 << 20), kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryTimeout(patience),
		kgo.ProduceRequestTimeout(2 * time.Second)}, opts...)...)
}

// messages gives each record a partition, a number and a timestamp, which may be wrong by years.
func (p *producer) messages(records []traffic.Record) (messages []*kgo.Record, numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		p.number++
		m := &kgo.Record{
			Topic: r.Topic, Partition: int32(p.rand.IntN(p.partitions[r.Topic])), Key: r.Key, Value: r.Value, Timestamp: p.now,
		}
		switch p.rand.IntN(5) {
		case 0:
			m.Timestamp = p.now.AddDate(-30, 0, 0)
		case 1:
			m.Timestamp = p.now.AddDate(30, 0, 0)
		}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		m.Headers = append(m.Headers, kgo.RecordHeader{Key: numberHeader, Value: strconv.AppendInt(nil, int64(p.number), 10)})
		messages = append(messages, m)
		numbers = append(numbers, p.number)
	}
	return messages, numbers
}

// grown notes a topic's new number of partitions.
func (p *producer) grown(topic string, partitions int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partitions[topic] = partitions
}

// resend writes existing records to other places as well, with the same numbers.
func (p *producer) resend(ctx context.Context, found []stored, to string) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	client, err := p.client(kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	if err != nil {
		return err
	}
	defer client.Close()
	var messages []*kgo.Record
	for _, s := range found {
		messages = append(messages, &kgo.Record{
			Topic: to, Partition: int32(p.rand.IntN(p.partitions[to])), Key: s.Key, Value: s.Value, Headers: s.Headers,
		})
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return client.ProduceSync(ctx, messages...).FirstErr()
}

// missing returns the acknowledged records that are not among those found.
func (p *producer) missing(found []stored) (numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := maps.Clone(p.acknowledged)
	for _, s := range found {
		delete(gone, s.number())
	}
	return slices.Sorted(maps.Keys(gone))
}
