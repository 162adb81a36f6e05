package bench

import (
	"container/heap"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"rollcall/deploy/demo/sample"
)

// duplicates is the share of events that are sent twice.
const duplicates = 0.05

// records yields n records in order of time, and for each whether it is new. The others are copies
// of earlier ones, a while later.
func records(n, workspaces int, now time.Time) iter.Seq2[sample.Record, bool] {
	return func(yield func(r sample.Record, isNew bool) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		var recent []sample.Record
		left := n
		emit := func(r sample.Record, isNew bool) bool {
			left--
			return yield(r, isNew) && left > 0
		}
		for r := range inOrder(histories(n, workspaces, now)) {
			if !emit(r, true) {
				return
			}
			if random.Float64() >= duplicates {
				continue
			}
			if recent = append(recent, r); len(recent) > 1000 {
				i := random.IntN(len(recent))
				copied := recent[i]
				recent[i] = recent[len(recent)-1]
				recent = recent[:len(recent)-1]
				if !emit(copied, false) {
					return
				}
			}
		}
	}
}

// eventsPerUser is a low estimate of what a user sends in the days of a history, so that there are
// enough events. To get more events, take more users and not another seed: ids do not depend on the
// seed, so the events would be the same ones.
const eventsPerUser = 150

// histories are the histories of so many workspaces, with at least n events together. The k-th
// workspace has about 1/k of the people of the first.
func histories(n, workspaces int, now time.Time) (all []iter.Seq[sample.Record]) {
	parts := 0.0
	for k := range workspaces {
		parts += 1 / float64(k+1)
	}
	largest := 10 + int(float64(n)/eventsPerUser/parts)
	for k := range workspaces {
		all = append(all, sample.Events(sample.Config{
			Org: fmt.Sprintf("org-%02d", k+1), Users: max(1, largest/(k+1)), Days: 28, Seed: uint64(k + 1), Now: now,
		}))
	}
	return all
}

// inOrder merges streams by time, so that a batch holds events of all workspaces.
func inOrder(streams []iter.Seq[sample.Record]) iter.Seq[sample.Record] {
	return func(yield func(sample.Record) bool) {
		var h earliest
		for _, s := range streams {
			next, stop := iter.Pull(s)
			defer stop()
			if r, ok := next(); ok {
				h = append(h, &stream{r, next})
			}
		}
		for heap.Init(&h); len(h) > 0; {
			if !yield(h[0].head) {
				return
			}
			if r, ok := h[0].next(); ok {
				h[0].head = r
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
	}
}

type stream struct {
	head sample.Record
	next func() (sample.Record, bool)
}

type earliest []*stream

func (h earliest) Len() int           { return len(h) }
func (h earliest) Less(i, j int) bool { return h[i].head.Time.Before(h[j].head.Time) }
func (h earliest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *earliest) Push(s any)        { *h = append(*h, s.(*stream)) }
func (h *earliest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
