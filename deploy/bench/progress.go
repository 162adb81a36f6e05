package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/demo/sample"
)

// await returns when the group has committed everything, or with an error when ended receives
// first.
func (r *ingestRun) await(ctx context.Context, group string, ended <-chan error) error {
	ends, err := r.ends(ctx)
	if err != nil {
		return err
	}
	for p := r.pace(); len(ends) > 0; {
		committed, err := r.committed(ctx, group)
		if err != nil {
			return err
		}
		done := 0
		for at, offset := range committed {
			done += int(offset)
			if offset >= ends[at] {
				delete(ends, at)
			}
		}
		p.at(done)
		select {
		case err := <-ended:
			return errors.Join(errors.New("ingest ended early"), err)
		// Each request costs CPU in this process, too, which shows with many partitions.
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

type partition struct {
	topic  string
	number int
}

// ends are the offsets after the last records of the partitions that hold any.
func (r *ingestRun) ends(ctx context.Context) (map[partition]int64, error) {
	asked := map[string][]kafka.OffsetRequest{}
	for _, topic := range sample.Topics() {
		for p := range r.Partitions {
			asked[topic] = append(asked[topic], kafka.LastOffsetOf(p))
		}
	}
	answer, err := r.client().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: asked})
	if err != nil {
		return nil, err
	}
	ends := map[partition]int64{}
	for topic, partitions := range answer.Topics {
		for _, p := range partitions {
			if p.LastOffset > 0 {
				ends[partition{topic, p.Partition}] = p.LastOffset
			}
		}
	}
	return ends, nil
}

// committed are a group's offsets.
func (r *ingestRun) committed(ctx context.Context, group string) (map[partition]int64, error) {
	asked := map[string][]int{}
	for _, topic := range sample.Topics() {
		for p := range r.Partitions {
			asked[topic] = append(asked[topic], p)
		}
	}
	answer, err := r.client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: asked})
	if err != nil {
		return nil, err
	}
	committed := map[partition]int64{}
	for topic, partitions := range answer.Topics {
		for _, p := range partitions {
			committed[partition{topic, p.Partition}] = max(0, p.CommittedOffset)
		}
	}
	return committed, nil
}

func (r *ingestRun) client() *kafka.Client { return &kafka.Client{Addr: kafka.TCP(r.broker.addr)} }

// A pace prints, after each tenth of the events, the events per second and the memory in use. Both
// should stay the same.
type pace struct {
	*ingestRun
	tenth, done int
	started     time.Time
}

func (r *ingestRun) pace() *pace { return &pace{ingestRun: r, started: time.Now()} }

func (p *pace) at(done int) {
	for done >= p.Events*(p.tenth+1)/10 && p.tenth < 10 {
		p.tenth++
		if took := time.Since(p.started); took > time.Second/10 {
			fmt.Fprintf(p.Progress, "%d0 %%: %.0f events/s, %d MB resident here, %d MB in the engine\n", p.tenth,
				float64(done-p.done)/took.Seconds(), resident(os.Getpid())>>20, p.engine.resident()>>20)
			p.done = done
			p.started = time.Now()
		}
	}
}
