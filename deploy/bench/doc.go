// Package bench measures Rollcall on the machine it runs on, and beside it what a plainer build would reach, in one run and so under one load: figures are
// ratios first, and events per second of this machine second.
//
// `rollcall bench ingest` produces realistic events (the five types mixed, about 350 bytes of JSON, lz4, 50 workspaces of very different size, 5 % duplicates)
// before the clock starts, to a broker in a process of its own, and measures until every event is in the log, marked and committed, in an engine in a process of
// its own. With --baselines the same records go through
//
//   - reader: a kafka-go Reader, encoding/json and one Append per row, in batches of 10,000, as a first version would do it;
//   - engine: ClickHouse's own Kafka table engine with a materialized view into the same log table. Neither judges events as Rollcall does.
//
// `rollcall bench export` fills the log, rolls it up, and compares each export with the same one grouped straight from the log, and with the bare engine that
// runs the same SQL into the same format without the service.
package bench
