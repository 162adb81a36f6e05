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
// bare engine: the same SQL into the same format, without the service. It also says how much CPU
// time of the engine and of this process, which runs the service and its client, an export takes.
//
// With --clients N it measures exports per second instead: N clients at a time ask for an export
// over a month, one after the other, and read it to its end. Service and bare engine take turns.
// The service's limits are raised, so that it refuses no request. The clients run in the process
// of the service.
//
// `rollcall bench scale` measures what many workspaces cost while nobody uses them, and what one of
// them costs among the others. It fills an engine by SQL with what ingest and a worker leave of N
// workspaces with 365 days each, today included. Then it starts the engine anew and measures, one
// after the other:
//
//   - the idle worker and its engine: CPU seconds per second and resident memory, without traffic.
//     The worker has its default settings. Its first round over all slices runs through; after it,
//     both processes are watched for --idle. The default is the time between two of a worker's
//     chores, so that each is done once meanwhile, and a part of a later round. The engine alone is
//     watched before, for a minute at most;
//   - the time from a mark until a manifest covers it, by the engine's clock. Three messages and
//     their mark are added to yesterday's slice of five workspaces, one after the other. Most of
//     this time is the worker's settle time, which is printed beside it;
//   - a plan of a year, and the users export of the last calendar month through the service. Each
//     run is of another workspace. By then the worker has ended;
//   - `rollcall verify --org` of three workspaces and `rollcall forget` of one person, each in a
//     process of its own.
//
// Each slice has two messages and the tokens of one request. One slice in seven has an action and a
// workflow run, too. So a slice has 3.3 events, and as many rollup rows. Each workspace has ten
// people, who are described by entities. Each slice has a mark, and one in eight has a second mark,
// of another writer. Closed months are merged. The statements that make rollup rows are those of
// the worker (tables.Daily). scale_test.go shows that a worker finds nothing to do, that `rollcall
// verify` finds no difference, and that exports are the same from the rollups and from the log.
// Each table has one part for each month, as merges leave it in the long run. There are no
// duplicates, no rejects, no dead generations and no audit rows.
//
// CPU times and memory of other processes are read from /proc. On systems without it they are 0.
package bench
