//go:build compose

package compose

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// topics and partitions are those that the service topics makes.
var topics = []string{"usage.messages", "usage.actions", "usage.tokens", "usage.workflows", "usage.entities"}

const (
	partitions = 6
	group      = "rollcall"
	chunk      = 40 // events
)

// A list is written and read by several goroutines.
type list struct {
	mu    sync.Mutex
	items []string
}

func (l *list) add(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
}

func (l *list) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.items...)
}

// A stream produces random events. Its oracle is given what Kafka has acknowledged.
type stream struct {
	broker string // host:port
	rand   *rand.Rand
	now    time.Time
	chunks uint64

	oracle  *oracle.Oracle
	records atomic.Int64 // acknowledged
}

func (p *project) stream() *stream {
	return &stream{
		broker: p.addr["kafka"], rand: rand.New(rand.NewPCG(*seed, 0)), now: time.Now(), oracle: oracle.New(),
	}
}

// start produces until stop is called. stop returns when all that was sent is acknowledged.
func (s *stream) start() (stop func() error) {
	over := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		for {
			if err := s.produce(); err != nil {
				ended <- err
				return
			}
			select {
			case <-over:
				ended <- nil
				return
			case <-time.After(250 * time.Millisecond): // producing faster would be a load test
			}
		}
	}()
	return func() error {
		close(over)
		return <-ended
	}
}

// goesOn returns nil if Kafka has acknowledged more records than so many.
func (s *stream) goesOn(before int64) error {
	if s.records.Load() == before {
		return fmt.Errorf("no record was acknowledged after the first %d", before)
	}
	return nil
}

// produce sends some events, each to a random partition, and tells the oracle.
func (s *stream) produce() error {
	s.chunks++
	records := traffic.Make(traffic.Config{Seed: *seed*1_000_000 + s.chunks, Now: s.now, Events: chunk, Topics: topics})
	var messages []*kgo.Record
	for _, r := range records {
		m := &kgo.Record{Topic: r.Topic, Partition: int32(s.rand.IntN(partitions)), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kgo.RecordHeader(h))
		}
		messages = append(messages, m)
	}
	if err := s.send(messages); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	for _, r := range records {
		record := oracle.Record{Value: r.Value}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, oracle.Header(h))
		}
		s.oracle.Add(record, time.Now())
	}
	s.records.Add(int64(len(records)))
	return nil
}

// send returns when all records are acknowledged. It sends them again as long as they are not, so a
// record may be in Kafka twice.
func (s *stream) send(messages []*kgo.Record) error {
	for deadline := time.Now().Add(patience); ; <-time.After(200 * time.Millisecond) {
		err := s.try(messages)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// try has a client of its own. One that outlives the broker waits longer and longer between its
// attempts.
func (s *stream) try(messages []*kgo.Record) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.ProducerBatchMaxBytes(8<<20),
		kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, m := range messages {
		m.Context = ctx // that of an earlier try has ended
	}
	return client.ProduceSync(ctx, messages...).FirstErr()
}

// behind returns an error that names the partitions which ingest has not committed to their ends.
func (s *stream) behind() error {
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(s.broker))
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	committed, err := admin.FetchOffsetsForTopics(ctx, group, topics...)
	if err != nil {
		return err
	}
	var behind strings.Builder
	ends.Each(func(end kadm.ListedOffset) {
		if at, _ := committed.Lookup(end.Topic, end.Partition); max(at.At, 0) < end.Offset {
			fmt.Fprintf(&behind, "%s/%d is committed to %d of %d; ", end.Topic, end.Partition, at.At, end.Offset)
		}
	})
	if behind.Len() > 0 {
		return errors.New(behind.String())
	}
	return nil
}
