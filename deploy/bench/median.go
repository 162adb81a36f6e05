package bench

import (
	"slices"
	"time"
)

func median(all []time.Duration) time.Duration { return quantile(all, 0.5) }

// quantile is the time that the share q of all times are below.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(q*float64(len(all)))]
}
