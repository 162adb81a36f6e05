package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/export"
	"rollcall/ingest"
	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

const (
	readyEvery   = 2 * time.Second  // how often each part is asked
	readyTimeout = 5 * time.Second  // an answer that takes longer is "not ready"
	startTime    = 10 * time.Second // what a start may take before the log says what it waits for
)

// Reasons for which a stage is not ready, as the metric rollcall_not_ready names them.
const (
	reasonStarting   = "starting"   // it was not asked yet
	reasonNoAnswer   = "no_answer"  // ClickHouse gives no answer
	reasonClickHouse = "clickhouse" // ClickHouse answers with an error
	reasonSchema     = "schema"     // the tables are not those of this binary, or not there
	reasonSecret     = "secret"     // the service's secret is not the one of the database
	reasonAudit      = "audit"      // the audit cannot be written
	reasonAssignment = "assignment" // ingest has no partitions assigned yet
	reasonOther      = "other"
)

func notReadyReasons() []string {
	return []string{
		reasonStarting, reasonNoAnswer, reasonClickHouse, reasonSchema, reasonSecret, reasonAudit, reasonAssignment,
		reasonOther,
	}
}

// reasonOf is the only table from what Ready says to a reason.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errStarting):
		return reasonStarting
	case errors.Is(err, tables.ErrSchema):
		return reasonSchema
	case errors.Is(err, tables.ErrSecret):
		return reasonSecret
	case errors.Is(err, export.ErrAudit):
		return reasonAudit
	case errors.Is(err, ingest.ErrNoAssignment):
		return reasonAssignment
	}
	switch class, name := tables.Classify(err); {
	case name == tables.NoAnswer:
		return reasonNoAnswer
	case name == "UNKNOWN_DATABASE" || name == "UNKNOWN_TABLE":
		return reasonSchema
	case class != tables.Unknown || name != tables.Other:
		return reasonClickHouse
	}
	return reasonOther
}

// whatToDo says what an SRE does about each reason.
var whatToDo = map[string]string{
	reasonStarting: "wait some seconds",
	reasonNoAnswer: "look whether ClickHouse runs, is reachable from here and is not overloaded; " +
		"everything goes on by itself once it answers",
	reasonClickHouse: "see 'ClickHouse refuses' in OPERATIONS.md for this error",
	reasonSchema:     "run `rollcall migrate` of this version, or the version that fits the tables",
	reasonSecret:     "give it the secret that the first stage had (--secret-file is read again)",
	reasonAudit: "no export is answered while its start cannot be recorded: look at ClickHouse's disk (full, read-only) " +
		"and at the user's rights",
	reasonAssignment: "look at the brokers, at --kafka-topics and at the members of the consumer group",
	reasonOther:      "look at the lines before this one",
}

// whatToDoAbout is whatToDo, or what mends this error of ClickHouse.
func whatToDoAbout(reason string, err error) string {
	if remedy := tables.Remedy(err); reason == reasonClickHouse && remedy != "" {
		return remedy
	}
	return whatToDo[reason]
}

// readinessMetrics show which stages of the process are ready, and why one is not. Their names are
// a promise (SPEC.md §5).
type readinessMetrics struct {
	ready, notReady *prometheus.GaugeVec
}

func newReadinessMetrics(reg prometheus.Registerer) *readinessMetrics {
	m := &readinessMetrics{
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_ready", Help: "1 while the stage is ready to work, as /readyz says it, else 0.",
		}, []string{"stage"}),
		notReady: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_not_ready",
			Help: "1 for the reason why the stage is not ready, 0 for all others: starting, no_answer (ClickHouse gives " +
				"none), clickhouse (it answers with an error), schema, secret (it is not the database's), audit (it cannot " +
				"be written), assignment (ingest has no partitions yet), other.",
		}, []string{"stage", "reason"}),
	}
	reg.MustRegister(m.ready, m.notReady)
	return m
}

// show takes the state of a stage; reason is "" if it is ready.
func (m *readinessMetrics) show(stage, reason string) {
	m.ready.WithLabelValues(stage).Set(oneIf(reason == ""))
	for _, r := range notReadyReasons() {
		m.notReady.WithLabelValues(stage, r).Set(oneIf(r == reason))
	}
}

func oneIf(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// A watch asks one stage again and again whether it is ready, so that metrics and log know it
// without a probe.
type watch struct {
	stage   string
	ready   func(context.Context) error
	metrics *readinessMetrics
	outage  outage.Outage
	quiet   time.Time // a stage that was never ready is not told before
}

func newWatch(stage string, p part, metrics *readinessMetrics, log *slog.Logger) *watch {
	metrics.show(stage, reasonStarting)
	return &watch{
		stage: stage, ready: p.Ready, metrics: metrics,
		outage: outage.Outage{Log: log.With("stage", stage), What: "not ready", Over: "ready again"},
		quiet:  time.Now().Add(startTime),
	}
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (w *watch) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := w.ready(asking)
	switch {
	case ctx.Err() != nil: // the process stops
	case err == nil:
		w.quiet = time.Time{}
		w.metrics.show(w.stage, "")
		w.outage.Passed()
	default:
		reason := reasonOf(err)
		w.metrics.show(w.stage, reason)
		if time.Now().After(w.quiet) {
			w.outage.Failed(reason, err, "do", whatToDoAbout(reason, err))
		}
	}
}
