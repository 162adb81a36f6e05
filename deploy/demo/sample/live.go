package sample

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/segmentio/kafka-go"
)

// Live produces the usage of one workspace as it happens: c.Rate events per second, with the time
// when they are made. When ctx ends, it returns nil.
func Live(ctx context.Context, brokers []string, transport *kafka.Transport, c Config) error {
	w := newWorkspace(c)
	if w.Rate == 0 {
		<-ctx.Done()
		return nil
	}
	writer := newWriter(brokers, transport)
	defer writer.Close()
	const tick = 100 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	owed := 0.0
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			owed += w.Rate * min(now.Sub(last), time.Second).Seconds() // a machine that slept does not catch up in one burst
			last = now
			batch := w.burst(now.UTC().Truncate(time.Millisecond), int(owed))
			if len(batch) == 0 {
				continue
			}
			if err := writer.WriteMessages(ctx, batch...); err != nil && ctx.Err() == nil {
				return fmt.Errorf("produce live sample events to %v: %w", brokers, err)
			}
			owed -= float64(len(batch))
		}
	}
}

// burst makes about as many events as are owed, all with the time now. Their ids contain the time,
// so a later start makes other events.
func (w *workspace) burst(now time.Time, owed int) (batch []kafka.Message) {
	r := rand.New(rand.NewPCG(w.Seed, uint64(now.UnixNano())))
	for n := 0; len(batch) < owed; n++ {
		for _, event := range w.turn(r, fmt.Sprintf("live-%d-%d", now.UnixMilli(), n), now) {
			batch = append(batch, event.Message())
		}
	}
	return batch
}
