package bench

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"rollcall/deploy/sample"
)

// workspaces is how many share the events; the n-th has about 1/n of the first one's people.
const workspaces = 50

// duplicates is the share of events that are sent twice.
const duplicates = 0.05

// records gives n records, of which distinct are different events; the others are copies of earlier ones, a while later.
func records(n int, now time.Time) iter.Seq2[sample.Record, bool] {
	return func(yield func(r sample.Record, isNew bool) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		var recent []sample.Record
		left := n
		emit := func(r sample.Record, isNew bool) bool {
			left--
			return yield(r, isNew) && left > 0
		}
		// A user sends about 220 events in 28 days. Another seed would not do for more: ids do not depend on it, so the events would be the same ones.
		largest := n/800 + 50
		for w := range workspaces {
			config := sample.Config{Org: fmt.Sprintf("org-%02d", w+1), Users: max(3, largest/(w+1)), Days: 28, Seed: uint64(w + 1), Now: now}
			for r := range sample.Events(config) {
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
}
