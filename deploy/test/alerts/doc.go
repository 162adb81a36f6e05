// Package alerts shows that the rules of deploy/prometheus/alerts.yaml wake somebody: a real
// Prometheus scrapes the three stages of the running binary, each fault is really made, and each
// alert must fire; and none may fire before. It needs Debian's package prometheus, and the right to
// mount a small disk (root, or sudo without a password):
//
//	make test-alerts
//
//	broker ─► ingest ─► engine, on a disk of 700 MB ─► rollup, export      one process each, of `rollcall`
//	             └──────────── /metrics, twice a second ────────────┘
//	                                  └─► Prometheus, with the rules, a minute of which lasts a second ─► /api/v1/alerts
package alerts
