package export

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"rollcall/export/query"
)

// metrics are those of SPEC.md §5. Their labels:
//
//   - type is an export's type; catalogue; summary, preview or history (of the page); or none if
//     the request names no existing type.
//   - format is one of the five formats, or none.
//   - status is the HTTP status of the answer; 499 if the client left before it.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	firstByte *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	aborts    *prometheus.CounterVec
	expiring  prometheus.Gauge
}

// Causes of answers that ended in the middle.
const (
	causeService = "service"
	causeClient  = "client"
)

// causeOf says whose fault it is that an answer ended in the middle. What clients do must not wake
// anybody.
func causeOf(f *failure) string {
	if f.status == statusClientGone {
		return causeClient
	}
	return causeService
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	times := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1200}
	m := &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_export_requests_total", Help: "Requests for data, by the status they were answered with.",
		}, []string{"type", "format", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_export_seconds", Help: "Time from a request for data to the last byte of its answer.",
			Buckets: times,
		}, []string{"type", "format"}),
		firstByte: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_export_first_byte_seconds",
			Help: "Time from a request for data to the first byte of the engine's rows.", Buckets: times,
		}, []string{"type", "format"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_export_bytes_total", Help: "Bytes of exports sent, before compression.",
		}, []string{"type", "format"}),
		aborts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_export_aborts_total",
			Help: "Answers that ended in the middle, by the cause: service (the engine failed) or client (it left, or took " +
				"nothing for too long).",
		}, []string{"type", "format", "cause"}),
		expiring: f.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_export_keys_expiring",
			Help: "Workspaces whose last key expires within 7 days, or did within the last day.",
		}),
	}
	m.start()
	return m
}

// start makes the series that alerts count, with the value 0. Without that, a series would begin
// with its first failure, and the first failure would not show as an increase.
func (m *metrics) start() {
	for _, t := range query.Types() {
		for _, f := range []query.Format{query.CSV, query.NDJSON, query.JSON, query.Parquet, query.XLSX} {
			m.aborts.WithLabelValues(string(t), string(f), causeService)
			m.aborts.WithLabelValues(string(t), string(f), causeClient)
			for _, status := range []string{"200", "500", "503"} {
				m.requests.WithLabelValues(string(t), string(f), status)
			}
		}
	}
}
