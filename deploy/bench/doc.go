// Package bench measures Rollcall on the machine it runs on, and beside it what a plainer build would reach, in one run and so under one load: figures are
// ratios first, and events per second of this machine second.
//
// `rollcall bench ingest` produces realistic events (the five types mixed, about 280 bytes of JSON, lz4, 50 workspaces of very different size, 5 % duplicates)
// before the clock starts, to a broker in a process of its own, and measures until every event is in the log, marked and committed, in an engine in a process of
// its own. With --baselines the same records go through
//
//   - reader: a kafka-go Reader, encoding/json and one Append per row, in batches of 10,000, as a first version would do it;
//   - engine: ClickHouse's own Kafka table engine with a materialized view into the same log table. Neither judges events as Rollcall does.
//
// The events of all workspaces come in order of time, as they would. --workspaces and --log-events show what the number of workspaces and the size of the log
// cost; while it runs it prints the pace and the memory of each tenth.
//
// `rollcall bench delay` produces at a steady rate while Rollcall ingests, and says how long an event takes from the producer's call until it is committed.
//
// `rollcall bench export` fills the log, rolls it up, and compares each export of a month and of a year with the same one grouped straight from the log, and with the bare engine that
// runs the same SQL into the same format without the service.
//
// # Measured
//
// On 2 cores (AMD EPYC) that broker, engine and Rollcall shared, 1,000,000 events (269 MB of JSON), `rollcall bench ingest --baselines`:
//
//	way        events/s   client µs/event   engine µs/event   allocs/event   rollcall is
//	rollcall    325,512              2.67              1.78          0.079
//	reader       32,163             20.28             11.72         44.026         10.1×
//	engine       46,854              0.73             18.18          0.189          6.9×
//
// Of Rollcall's client time about 1.4 µs are its own code (`go test ./ingest -bench 'DecodeEncode|Stages'`: decode 0.6, columns 0.3, lz4 and checksum 0.25,
// sort and encode 0.15); the rest is the kernel copying bytes, and growing buffers in a run of three seconds. Of the engine's, 0.4 µs are taking the block, 0.7
// writing the part, the rest merges.
//
// 10,000,000 events of 1,000 users over 12 months, `rollcall bench export`, in ms:
//
//	      type   first byte   service   bare engine   from the log   service/engine   log/rollups
//	     users        2,572     2,657         3,304         22,490             0.80           8.5
//	assistants        2,697     2,697         2,386          5,412             1.13           2.0
//	 workflows          672       672           592          2,211             1.13           3.3
//	  projects        1,338     1,338         1,119          5,614             1.20           4.2
//	    models          621       621           418          6,940             1.48          11.2
//	  api-keys          627       627           679          7,034             0.92          11.2
//
// A recompute takes about 0.3 to 0.45 M log rows a second: grouping by ten keys of which two thirds of the rows have their own costs 2 µs a row, and FINAL 0.35.
// First bytes come when all rows are ranked and sorted, so nearly with the last ones.
package bench
