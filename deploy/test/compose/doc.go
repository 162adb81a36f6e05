// Package compose starts deploy/compose.yaml as its comments say, with a Docker engine and Docker
// Compose, and does to its containers what a bad night does.
//
//	traffic ──► kafka ──► ingest ──► clickhouse ◄── rollup, export ──► the file that an admin gets
//	   │                                                                        │
//	   └────────► oracle ─────────────────────────────────────────► must be the same
//
// While random events are produced, each of these five containers is killed, cut off from the
// network, paused and recreated. Every event that Kafka acknowledged must then be in the exports,
// once. The test also holds the order of the start, what the product's containers cannot do, that
// Prometheus scrapes whatever --scale starts, and that an alert reaches a receiver.
//
// `make test-compose` makes the images and starts an engine if none answers. Project, ports and
// secrets are the test's own, so a deployment on the same machine is left alone. In the rules of
// Prometheus a minute lasts a second. A failure prints the seed and the last lines of every
// container. All is removed however the test ends.
package compose
