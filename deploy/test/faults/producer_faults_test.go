//go:build faults && linux

package faults

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/suite/traffic"
)

const largest = 1 << 20 // bytes of the largest value that is not rejected

// odd returns records that are unusual or not events.
func (p *producer) odd() (records []traffic.Record) {
	add := func(value []byte) {
		records = append(records, traffic.Record{
			Topic: p.topics[p.rand.IntN(len(p.topics))], Key: []byte("odd"), Value: value,
		})
	}
	add(nil) // a tombstone
	add([]byte{})
	for _, size := range sizes {
		if p.rand.IntN(20) == 0 {
			add(p.sized(size))
		}
	}
	return records
}

// sizes are those of values: the largest event, and two that are too large.
var sizes = []int{largest, largest + 1, 2 * largest}

// sized is an event of exactly so many bytes.
func (p *producer) sized(size int) []byte {
	const head = `{"specversion":"1.0","id":"large-%d","source":"/large","type":"usage.message.v1","time":"%s","data":{"org_id":"full","user_id":"u-large","channel":"chat"},"pad":"`
	text := fmt.Sprintf(head, p.rand.IntN(1000), p.now.Add(-time.Hour).UTC().Format(time.RFC3339))
	return []byte(text + strings.Repeat("x", size-len(text)-2) + `"}`)
}

// producing makes the producer do something special between the other events.
func producing(do func(*producer, context.Context) error) func(*world) {
	return func(w *world) {
		w.producer.turn.Lock()
		defer w.producer.turn.Unlock()
		must(w.t, do(w.producer, w.t.Context()))
	}
}

// message is a message event of a user.
func (p *producer) message(id, user, model string, at time.Time) traffic.Record {
	const event = `{"specversion":"1.0","id":%q,"source":"/faults","type":"usage.message.v1","time":%q,"data":{"org_id":"full","user_id":%q,"channel":"chat","model":%q}}`
	return traffic.Record{
		Topic: p.topics[p.rand.IntN(len(p.topics))],
		Value: fmt.Appendf(nil, event, id, at.UTC().Format(time.RFC3339Nano), user, model),
	}
}

// duplicates sends the same events again and again, each time to other partitions.
func (p *producer) duplicates(ctx context.Context) error {
	records := traffic.Make(traffic.Config{Seed: p.rand.Uint64(), Now: p.now, Events: 40, Topics: p.topics})
	for range 4 {
		if err := p.plain(ctx, records); err != nil {
			return err
		}
	}
	return nil
}

// conflicts sends events of the same identity with other users and models, the copies in any order.
func (p *producer) conflicts(ctx context.Context) error {
	var records []traffic.Record
	for range 40 {
		id := fmt.Sprint("conflict-", p.rand.IntN(1_000_000))
		at := p.now.Add(-time.Duration(p.rand.IntN(72)) * time.Hour)
		for range 2 + p.rand.IntN(3) {
			records = append(records, p.message(id, fmt.Sprint("u", p.rand.IntN(5)), fmt.Sprint("model-", p.rand.IntN(3)), at))
		}
	}
	p.rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	return p.plain(ctx, records)
}

// aborts writes transactions into the same partitions and aborts two of three.
func (p *producer) aborts(ctx context.Context) error {
	for n := range 6 {
		records := traffic.Make(traffic.Config{Seed: p.rand.Uint64(), Now: p.now, Events: 20, Topics: p.topics})
		if err := p.transaction(ctx, records, n%3 == 2); err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) everyCodec(ctx context.Context) error {
	for _, codec := range codecs {
		records := traffic.Make(traffic.Config{Seed: p.rand.Uint64(), Now: p.now, Events: 40, Topics: p.topics})
		linger := kgo.ProducerLinger(50 * time.Millisecond)
		if err := p.plain(ctx, records, kgo.ProducerBatchCompression(codec), linger); err != nil {
			return err
		}
	}
	return nil
}

// wrongClocks sends events from within and from beyond the accepted times, close to the limits. The
// records' timestamps are wrong, too; see messages.
func (p *producer) wrongClocks(ctx context.Context) error {
	var records []traffic.Record
	for n, off := range []time.Duration{
		-400 * 24 * time.Hour, -360 * 24 * time.Hour, -time.Hour, 23 * time.Hour, 26 * time.Hour, 1000 * 24 * time.Hour,
	} {
		for range 5 {
			records = append(records, p.message(fmt.Sprint("clock-", n, "-", p.rand.IntN(1_000_000)), "u1", "", p.now.Add(off)))
		}
	}
	return p.plain(ctx, records)
}

func (p *producer) oddSizes(ctx context.Context) error {
	records := p.odd()
	for _, size := range sizes {
		for range 3 {
			records = append(records, traffic.Record{
				Topic: p.topics[p.rand.IntN(len(p.topics))], Key: []byte("odd"), Value: p.sized(size),
			})
		}
	}
	return p.plain(ctx, records)
}

// replay sends all records of a topic again, into other partitions of all topics.
func replay(w *world) {
	held := w.held(w.topics[0])
	for _, to := range w.topics {
		must(w.t, w.producer.resend(w.t.Context(), held, to))
	}
}

// producerFaults are those of the programs that write to the topics. Everything that is produced
// has a few of them (see produce). Here each comes in a burst.
var producerFaults = []fault{
	{"duplicates at other offsets and in other partitions", producing((*producer).duplicates)},
	{"conflicting copies", producing((*producer).conflicts)},
	{"aborted transactions", producing((*producer).aborts)},
	{"each codec", producing((*producer).everyCodec)},
	{"wrong clocks", producing((*producer).wrongClocks)},
	{"1 MiB, too large, empty and no values", producing((*producer).oddSizes)},
	{"a whole topic replayed", replay},
}
