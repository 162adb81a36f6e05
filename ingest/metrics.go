package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/ingest/kafka"
	"rollcall/schema"
)

// metrics are ingest's metrics. Their names are a promise (SPEC.md §5).
type metrics struct {
	events     *prometheus.CounterVec
	rejects    *prometheus.CounterVec
	conflicts  *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	batches    *prometheus.CounterVec
	batchRows  *prometheus.HistogramVec
	flush      *prometheus.HistogramVec
	retries    *prometheus.CounterVec
	lag        *prometheus.GaugeVec
	gaps       *prometheus.CounterVec
	corrupt    *prometheus.GaugeVec
	missing    *prometheus.GaugeVec
	complete   prometheus.Gauge
}

// These are the outcomes of a record, and the type label of a record with an unreadable type.
const (
	stored   = "stored"
	rejected = "rejected"
	erased   = "erased"
	unknown  = "unknown"
)

// A step names what was repeated, in rollcall_ingest_retries_total.
type step string

const (
	stepFetch   step = "fetch"
	stepLog     step = "log"
	stepMarks   step = "marks"
	stepRejects step = "rejects"
	stepCommit  step = "commit"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_ingest_" + name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_ingest_" + name, Help: help, Buckets: buckets,
		}, []string{"table"})
		reg.MustRegister(h)
		return h
	}
	m := &metrics{
		events: counter("events_total",
			"Records read, by the event's type and what became of them: stored, rejected, erased.", "type", "outcome"),
		rejects:    counter("rejects_total", "Records that broke a rule, by the rule.", "reason"),
		conflicts:  counter("conflicts_total", "Copies of one event that differ in content, seen within a batch.", "type"),
		duplicates: counter("duplicates_total", "Copies of one event with the same content, seen within a batch.", "type"),
		batches:    counter("batches_total", "Blocks that ClickHouse acknowledged, by table.", "table"),
		batchRows:  histogram("batch_rows", "Rows per block.", prometheus.ExponentialBuckets(1, 4, 11)),
		flush: histogram("flush_seconds", "Time from sending a block until it was acknowledged, retries included.",
			prometheus.ExponentialBuckets(0.002, 2, 15)),
		retries: counter("retries_total", "Attempts that failed and were repeated, by step.", "step"),
		gaps: counter("gap_records_total",
			"Records that were gone before they could be read (at least this many; 1 where the number cannot be known).",
			"topic", "partition"),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_ingest_lag_records",
			Help: "Records of a partition that are not stored yet.",
		}, []string{"topic", "partition"}),
		corrupt: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_ingest_corrupt_batches",
			Help: "1 while a partition waits at a record batch that cannot be read; the log names its offset.",
		}, []string{"topic", "partition"}),
		missing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_ingest_topic_missing",
			Help: "1 for a topic of --kafka-topics that Kafka does not have, 0 for one that it has.",
		}, []string{"topic"}),
		complete: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_ingest_complete_through_seconds",
			Help: "Unix time through which everything produced is stored, over all partitions.",
		}),
	}
	reg.MustRegister(m.lag, m.corrupt, m.missing, m.complete)
	m.start()
	return m
}

// Retried, Missed and WaitsAtCorrupt make metrics the kafka.Counters of the fetchers.
func (m *metrics) Retried() { m.retries.WithLabelValues(string(stepFetch)).Inc() }

func (m *metrics) Missed(p kafka.TopicPartition, records int64) {
	m.gaps.WithLabelValues(p.Topic, p.Number()).Add(float64(records))
}

func (m *metrics) WaitsAtCorrupt(p kafka.TopicPartition, waits bool) {
	if waits {
		m.corrupt.WithLabelValues(p.Topic, p.Number()).Set(1)
	} else {
		m.corrupt.DeleteLabelValues(p.Topic, p.Number())
	}
}

// start creates the series of closed label sets, so that they are 0, not absent, before the first
// event.
func (m *metrics) start() {
	for _, t := range schema.Types() {
		name := t.String()
		m.events.WithLabelValues(name, stored)
		m.events.WithLabelValues(name, erased)
		m.conflicts.WithLabelValues(name)
		m.duplicates.WithLabelValues(name)
	}
	m.events.WithLabelValues(unknown, rejected)
	m.events.WithLabelValues(unknown, erased)
	for _, r := range schema.Reasons() {
		m.rejects.WithLabelValues(string(r))
	}
	for _, s := range []step{stepFetch, stepLog, stepMarks, stepRejects, stepCommit} {
		m.retries.WithLabelValues(string(s))
	}
}
