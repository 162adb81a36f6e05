package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/schema/tables"
)

// DelayOptions are those of `bench delay`.
type DelayOptions struct {
	Rate       int // events per second
	For        time.Duration
	Partitions int // of each of the five topics
	Dir        string
	Progress   io.Writer
}

// A DelayResult says how long after the producer's call an event was in the log, marked (so that
// exports read it) and committed.
type DelayResult struct {
	EventsPerSecond float64 `json:"events_per_second"` // the rate that was really produced
	P50             float64 `json:"p50_seconds"`
	P99             float64 `json:"p99_seconds"`
	Max             float64 `json:"max_seconds"`
}

// tick is how often the producer sends. It stands for many producers that together send all the
// time.
const tick = 20 * time.Millisecond

// Delay produces at a steady rate while Rollcall ingests, and measures how far the log is behind.
func Delay(ctx context.Context, o DelayOptions) (result DelayResult, err error) {
	r := &ingestRun{
		IngestOptions: IngestOptions{
			Events: int(float64(o.Rate) * o.For.Seconds()), Workspaces: 50, Partitions: o.Partitions, Dir: o.Dir,
			Progress: o.Progress,
		},
	}
	r.broker, err = start(ctx, "broker",
		"--data-dir", o.Dir+"/kafka", "--kafka-addr", "127.0.0.1:0", "--partitions", fmt.Sprint(o.Partitions))
	if err != nil {
		return result, err
	}
	defer r.broker.stop()
	engine, err := start(ctx, "engine", "--data-dir", o.Dir+"/engine", "--clickhouse-addr", "127.0.0.1:0")
	if err != nil {
		return result, err
	}
	defer engine.stop()
	options := tables.Options{URL: engine.addr + "/bench"}
	if _, err := tables.Migrate(ctx, options); err != nil {
		return result, err
	}
	// The messages are made before the clock starts, because making them costs more than ingesting
	// them.
	messages := make([]kafka.Message, 0, r.Events)
	for record := range records(r.Events, r.Workspaces, time.Now()) {
		messages = append(messages, record.Message())
	}
	stage, err := r.start(ctx, options)
	if err != nil {
		return result, err
	}
	d := &delays{pending: map[partition][]piece{}}
	over := make(chan struct{})
	watched := make(chan error, 1)
	go func() { watched <- d.watch(ctx, r, over) }()
	result.EventsPerSecond, err = d.produce(ctx, r.broker.addr, messages, o.Rate)
	close(over)
	if err := errors.Join(err, <-watched); err != nil {
		return result, err
	}
	result.P50 = d.quantile(0.5)
	result.P99 = d.quantile(0.99)
	result.Max = d.quantile(1)
	return result, stage.stop()
}

// delays collects how long events took.
type delays struct {
	mu      sync.Mutex
	pending map[partition][]piece
	took    []delay
	failed  error // of the producer
}

// A piece is the messages of one request to one partition.
type piece struct {
	end    int64 // the offset after its last record
	events int
	sent   time.Time
}

type delay struct {
	time.Duration
	events int
}

// produce sends the messages at the rate, or as fast as the broker takes them if that is slower.
func (d *delays) produce(
	ctx context.Context, broker string, messages []kafka.Message, rate int,
) (perSecond float64, err error) {
	w := &kafka.Writer{Addr: kafka.TCP(broker), Balancer: &kafka.Hash{}, BatchSize: 5000, BatchBytes: 8 << 20,
		BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, Async: true, Completion: d.sent}
	started := time.Now()
	next := time.NewTicker(tick)
	defer next.Stop()
	for batch := range slices.Chunk(messages, max(1, int(float64(rate)*tick.Seconds()))) {
		now := time.Now()
		for i := range batch {
			batch[i].Time = now
		}
		if err := w.WriteMessages(ctx, batch...); err != nil {
			return 0, errors.Join(err, w.Close())
		}
		<-next.C
	}
	err = w.Close()
	return float64(len(messages)) / time.Since(started).Seconds(), errors.Join(err, d.failed)
}

// sent notes which messages the broker has acknowledged. All of them are of one partition.
func (d *delays) sent(messages []kafka.Message, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failed = err
		return
	}
	first := messages[0]
	last := messages[len(messages)-1]
	at := partition{last.Topic, last.Partition}
	d.pending[at] = append(d.pending[at], piece{last.Offset + 1, len(messages), first.Time})
}

// watch reads the group's committed offsets until the producer has ended and no message is pending.
func (d *delays) watch(ctx context.Context, r *ingestRun, over <-chan struct{}) error {
	for last := false; ; {
		select {
		case <-over:
			last = true
		case <-time.After(10 * time.Millisecond):
		}
		committed, err := r.committed(ctx, rollcallGroup)
		if err != nil {
			return err
		}
		if d.note(committed) == 0 && last {
			return nil
		}
	}
}

// note removes the committed pieces from the pending ones and returns how many are left.
func (d *delays) note(committed map[partition]int64) (left int) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, pieces := range d.pending {
		for len(pieces) > 0 && pieces[0].end <= committed[at] {
			d.took = append(d.took, delay{now.Sub(pieces[0].sent), pieces[0].events})
			pieces = pieces[1:]
		}
		d.pending[at] = pieces
		left += len(pieces)
	}
	return left
}

// quantile is the delay, in seconds, that the share q of the events did not exceed.
func (d *delays) quantile(q float64) float64 {
	slices.SortFunc(d.took, func(a, b delay) int { return cmp.Compare(a.Duration, b.Duration) })
	all := 0
	within := 0
	for _, t := range d.took {
		all += t.events
	}
	for _, t := range d.took {
		if within += t.events; float64(within) >= q*float64(all) {
			return t.Seconds()
		}
	}
	return 0
}
