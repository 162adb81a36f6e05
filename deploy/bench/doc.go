// Package bench measures Rollcall on the machine it runs on, and compares it with plainer builds.
// All ways of one command run one after the other on the same machine, so their ratios say more
// than their absolute figures. RESULTS.md, in this folder, has what was measured, on which machine,
// and what was tried and did not pay.
//
// `rollcall bench ingest` measures the path from Kafka to the log. Before the clock starts it
// produces realistic events: the five types mixed, about 280 bytes of JSON each, lz4, 50 workspaces
// of very different size, 5 % duplicates, in order of time over all workspaces. Broker and engine
// run in processes of their own, so that their CPU time and memory are not counted as Rollcall's.
// The clock stops when every event is in the log, marked and committed. --workspaces, --partitions
// and --log-events (events that are in the log before the clock starts) show what each of these
// costs. While it runs, the command prints the pace and the memory after each tenth of the events.
//
// With --baselines the same records also go through
//
//   - reader: a kafka-go Reader, encoding/json and one Append per row, in batches of 10,000, as a
//     first version would be written;
//   - engine: ClickHouse's own Kafka table engine with a materialized view into the same log table.
//
// Neither baseline checks events by Rollcall's rules.
//
// `rollcall bench delay` produces at a steady rate while Rollcall ingests. It measures the time
// from the producer's call until the event is committed.
//
// `rollcall bench export` fills the log with a year of one workspace. It measures every type of
// export over a month and over a year, first from the log alone, then from the rollups, and by the
// bare engine: the same SQL into the same format, without the service.
package bench
