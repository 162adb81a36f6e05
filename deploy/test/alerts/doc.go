// Package alerts shows that the rules of deploy/prometheus/alerts.yaml alert somebody. A real
// Prometheus scrapes the three stages of the running binary. The tests really cause each fault;
// then its alert must fire, and no alert may fire before the first fault. The tests need Debian's
// package prometheus, and the right to mount a small disk (root, or sudo without a password):
//
//	make test-alerts
//
//	broker ─► ingest ─► engine, on a disk of 700 MB ─► rollup, export    each a process of `rollcall`
//	             └──────── /metrics, twice a second ─────────┘
//	                              └─► Prometheus ─► /api/v1/alerts
//
// Prometheus has the rules of the file, but a minute lasts a second in them.
package alerts
