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
// All on 2 cores (AMD EPYC, a virtual machine whose speed varies by a third) that broker, engine and Rollcall shared. `rollcall bench ingest --baselines`, 1,000,000
// events of 283 bytes of JSON:
//
//	way        events/s   client µs/event   engine µs/event   allocs/event   rollcall is
//	rollcall    357,119              2.55              1.55          0.030
//	reader       33,428             20.60             11.11         43.975         10.7×
//	engine       57,311              0.28             16.81          0.029          6.2×
//
// Of Rollcall's client time 1.2 to 1.6 µs were its own code, as the machine happened to run (`go test ./ingest -bench 'DecodeEncode|Stages'`: decode 0.6 to 0.95, columns
// 0.3 to 0.4, checksum and lz4 0.15, sort and encode 0.2), 0.2 to 0.3 the kernel's, and as much went into growing buffers in a run of three seconds. Since then names are
// told by their first eight bytes, rows have no columns that their type has not, and columns grow by doubling: own code takes 0.76 to 0.85 of that and the client 0.91, in pairs
// of runs that took turns on a busy machine. The target of 1.2 µs is not met. --cpu-profile says where the rest goes: decode 44 % (scanning 18, rules 13, identity 9,
// the other parts below 3 each), columns 16, encoding the block 10, cutting records 8, sorting 6, lz4 5, system calls 3, growing 2. None of these is one thing: it
// is 280 bytes that are looked at, hashed, and copied three times: to the hash, to the column, to the block.
//
// What did not pay, or not enough to be kept: copying short texts as two words (slower: the hash reads what was just stored otherwise), expecting the name that followed
// the last time (7 % of decode), dictionaries with the last 64 words before them (4 % of decode and columns, nothing in a run), fewer calls for absent fields and one-byte lengths
// (nothing), profile-guided builds (3 %, for a build of minutes in place of seconds).
//
// Of the engine's time 0.4 µs are taking the block, 0.7 writing the part, the rest merges: about 4 µs for a row that is merged, on a busy machine. Merging all columns
// together, not one by one, took 0.84 to 0.97 of that, blocks of 65,536 rows 0.91 to 0.96: too little to be sure of.
//
// What does not change with the load. 20,000,000 events (`--events 20000000`): 339,000 events/s at first, 254,000 at the end, 291,000 on average, since the engine merges
// ever larger parts (4.4 µs/event); client 2.1 µs/event; resident all the while 370 MB here and 350 to 470 MB in the engine. 2,000,000 events each:
//
//	                            events/s   client µs/event   engine µs/event   allocs/event
//	--partitions 1               366,469              2.34              2.34          0.022
//	--partitions 16              323,097              2.60              2.60          0.037
//	--partitions 64              280,029              2.84              2.88          0.068
//	--workspaces 10000           338,763              2.51              2.58          0.074
//
// and 1,000,000 into a log that holds 40,000,000 of a year (--log-events 40000000): 291,878 events/s, engine 1.86 µs/event.
//
// More partitions make the producers' record batches smaller: 320 partitions of five topics take a chunk of 5,000 records apart.
//
// `rollcall bench delay`, with the producer on the same two cores: they are full at about 100,000 events/s.
//
//	events/s   median ms   p99 ms   longest ms
//	  50,000         274      530          629
//	  73,000         349      891        1,012
//	 104,000         915    2,962        3,302
//
// `rollcall bench export --events 10000000`, 1,000 users, in ms:
//
//	      type   period   first byte   service   bare engine   from the log   service/engine   log/rollups
//	     users    month          817       871           625          1,016             1.39           1.2
//	assistants    month          581       581           424            433             1.37           0.7
//	 workflows    month          397       397           209            369             1.89           0.9
//	  projects    month          390       390           289            473             1.35           1.2
//	    models    month          249       249           120            378             2.06           1.5
//	  api-keys    month          343       343           184            290             1.86           0.8
//	     users     year        2,939     3,008         2,756         17,824             1.09           5.9
//	assistants     year        1,869     1,869         1,375          5,221             1.36           2.8
//	 workflows     year          494       494           358          3,071             1.38           6.2
//	  projects     year        1,061     1,061           902          4,198             1.18           4.0
//	    models     year          558       558           461          3,569             1.21           6.4
//	  api-keys     year          554       554           428          1,753             1.29           3.2
//
// With --events 2400000, what 1,000 people really send in a year, first bytes of a month come after 160 to 310 ms, of a year after 300 to 990. The service adds about
// 100 ms to the engine's own time: the plan, the audit's start, the watermark and two looks at the workspace, each a statement of 8 ms or more to the engine. First
// bytes come when all rows are ranked and sorted, so nearly with the last ones. A month is no faster from the rollups than from the log where, as here, most events of
// a day have their own combination of user, model, assistant and client: a rollup saves rows only where they repeat.
//
// A recompute takes about 0.3 to 0.45 M log rows a second: grouping by ten keys of which two thirds of the rows have their own costs 2 µs a row, and FINAL 0.35.
package bench
