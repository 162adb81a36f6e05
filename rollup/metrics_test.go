package rollup

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The rows and slices of a recompute are divided among the outcomes of its slices.
func TestRecomputesAreCountedByOutcome(t *testing.T) {
	broke := errors.New("broke")
	for name, c := range map[string]struct {
		asked, committed int
		err              error
		slices, rows     map[string]float64
	}{
		"all committed": {4, 4, nil, map[string]float64{committed: 4}, map[string]float64{committed: 100}},
		"one moved": {
			4, 3, nil, map[string]float64{committed: 3, moved: 1}, map[string]float64{committed: 75, moved: 25},
		},
		"all failed": {4, 0, broke, map[string]float64{failed: 4}, map[string]float64{failed: 100}},
		"the last write": {
			4, 1, broke, map[string]float64{committed: 1, failed: 3}, map[string]float64{committed: 25, failed: 75},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMetrics(prometheus.NewRegistry())
			m.recomputed(&attempt{asked: c.asked, rows: 100}, c.committed, c.err, time.Second)
			if got := byOutcome(m.slices); !maps.Equal(got, c.slices) {
				t.Errorf("slices %v, want %v", got, c.slices)
			}
			if got := byOutcome(m.rowsRead); !maps.Equal(got, c.rows) {
				t.Errorf("rows read %v, want %v", got, c.rows)
			}
		})
	}
}

func TestMonthsAreCountedByOutcome(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	m.monthsRolled(5, 3, nil)
	m.monthsRolled(4, 0, errors.New("broke"))
	want := map[string]float64{committed: 3, moved: 2, failed: 4}
	if got := byOutcome(m.months); !maps.Equal(got, want) {
		t.Errorf("months %v, want %v", got, want)
	}
}

// byOutcome returns the counts that are not 0.
func byOutcome(counts *prometheus.CounterVec) map[string]float64 {
	got := map[string]float64{}
	for _, outcome := range []string{committed, moved, failed} {
		if n := value(counts.WithLabelValues(outcome)); n != 0 {
			got[outcome] = n
		}
	}
	return got
}
