package rollup

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of a recompute, per slice.
const (
	committed = "committed" // has its manifest
	moved     = "moved"     // the log changed or rows were removed meanwhile: tried again later
	failed    = "failed"    // the engine refused or did not answer
)

type metrics struct {
	dirtySlices  prometheus.Gauge
	dirtyAge     prometheus.Gauge
	slices       *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	rowsRead     *prometheus.CounterVec
	months       *prometheus.CounterVec
	cleaned      *prometheus.CounterVec
	verified     prometheus.Counter
	differences  prometheus.Counter
	diskFree     prometheus.Gauge
	roundSeconds prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		dirtySlices: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rollup_dirty_slices",
			Help: "Slices (one org and day) of which the worker knows marks that no manifest covers: exports read them from the log."}),
		dirtyAge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rollup_dirty_age_seconds",
			Help: "Age of the oldest mark that no manifest covers; 0 if there is none."}),
		slices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rollup_slices_total",
			Help: "Slices recomputed: committed, moved (the log changed or rows went meanwhile) or failed."},
			[]string{"outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_rollup_slice_seconds",
			Help:    "Time of the recompute that a slice was part of, by its outcome.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 12)}, []string{"outcome"}),
		rowsRead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rollup_rows_read_total", Help: "Events of the log that recomputes read, by their outcome."},
			[]string{"outcome"}),
		months: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rollup_months_total",
			Help: "Months of an org merged from their days' rollups: committed, moved (rows went meanwhile) or failed."},
			[]string{"outcome"}),
		cleaned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rollup_cleaned_total",
			Help: "Generations cleaned: marked dead, removed with their rows, removed as a dead worker's (orphaned), " +
				"or marked dead because rows were gone (short)."}, []string{"outcome"}),
		verified: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_rollup_verified_slices_total",
			Help: "Rolled up slices that were compared with the log, in turn."}),
		differences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_rollup_verify_differences_total",
			Help: "Rollup rows found that are not what the log says."}),
		diskFree: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rollup_disk_free_ratio",
			Help: "Free part of ClickHouse's fullest disk, 0 to 1; NaN before it was read."}),
		roundSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rollup_round_seconds",
			Help: "Time that the last full look at all slices took, with its rests; NaN before the first has ended."}),
	}
	m.diskFree.Set(math.NaN())
	m.roundSeconds.Set(math.NaN())
	for _, outcome := range []string{committed, moved, failed} {
		m.slices.WithLabelValues(outcome)
		m.seconds.WithLabelValues(outcome)
		m.rowsRead.WithLabelValues(outcome)
		m.months.WithLabelValues(outcome)
	}
	for _, outcome := range []string{dead, removed, orphaned, short} {
		m.cleaned.WithLabelValues(outcome)
	}
	reg.MustRegister(m.dirtySlices, m.dirtyAge, m.slices, m.seconds, m.rowsRead, m.months, m.cleaned, m.verified,
		m.differences, m.diskFree, m.roundSeconds)
	return m
}

// recomputed counts one recompute of which n slices were committed.
func (m *metrics) recomputed(b *attempt, n int, err error, took time.Duration) {
	other := moved
	if err != nil {
		other = failed
	}
	for outcome, slices := range map[string]int{committed: n, other: b.asked - n} {
		if slices == 0 {
			continue
		}
		m.slices.WithLabelValues(outcome).Add(float64(slices))
		for range slices {
			m.seconds.WithLabelValues(outcome).Observe(took.Seconds())
		}
		m.rowsRead.WithLabelValues(outcome).Add(float64(b.rows) * float64(slices) / float64(max(b.asked, 1)))
	}
}

// monthsRolled counts one merge of so many months, of which n were committed.
func (m *metrics) monthsRolled(asked, n int, err error) {
	other := moved
	if err != nil {
		other = failed
	}
	m.months.WithLabelValues(committed).Add(float64(n))
	m.months.WithLabelValues(other).Add(float64(asked - n))
}
