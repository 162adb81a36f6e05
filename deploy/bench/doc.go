// Package bench measures Rollcall on the machine it runs on, and beside it what a plainer build
// would reach, in one run and so under one load: figures are ratios first, and events per second of
// this machine second.
//
// `rollcall bench ingest` produces realistic events (the five types mixed, about 280 bytes of JSON,
// lz4, 50 workspaces of very different size, 5 % duplicates) before the clock starts, to a broker
// in a process of its own, and measures until every event is in the log, marked and committed, in
// an engine in a process of its own. With --baselines the same records go through
//
//   - reader: a kafka-go Reader, encoding/json and one Append per row, in batches of 10,000, as a
//     first version would do it;
//   - engine: ClickHouse's own Kafka table engine with a materialized view into the same log table.
//     Neither judges events as Rollcall does.
//
// The events of all workspaces come in order of time, as they would. --workspaces and --log-events
// show what the number of workspaces and the size of the log cost; while it runs it prints the pace
// and the memory of each tenth.
//
// `rollcall bench delay` produces at a steady rate while Rollcall ingests, and says how long an
// event takes from the producer's call until it is committed.
//
// `rollcall bench export` fills the log, rolls it up, and compares each export of a month and of a
// year with the same one grouped straight from the log, and with the bare engine that runs the same
// SQL into the same format without the service.
//
// # Measured
//
// All on 2 cores (AMD EPYC, a virtual machine whose speed varies by a third) that broker, engine
// and Rollcall shared. `rollcall bench ingest --baselines`, 1,000,000 events of 283 bytes of JSON:
//
//	way        events/s   client µs/event   engine µs/event   allocs/event   rollcall is
//	rollcall    370,020              2.22              1.67          0.029
//	reader       31,775             21.59             11.81         43.935         11.6×
//	engine       51,335              0.37             18.54          0.032          7.2×
//
// Of Rollcall's client time 1.0 to 1.6 µs are its own code, as the machine happens to run (`go test
// ./ingest -bench 'DecodeEncode|Stages'`), 0.2 to 0.3 the kernel's; the rest is spent on starting,
// and on growing buffers in a run of three seconds. The target of 1.2 µs is not met. --cpu-profile
// says where it goes: decode 44 % (scanning 18, rules 13, identity 9, the other parts below 3
// each), columns 16, encoding the block 10, cutting records 8, sorting 6, lz4 5, system calls 3,
// growing 2. None of these is one thing: it is 280 bytes that are looked at, hashed, and copied
// three times: to the hash, to the column, to the block.
//
// What did not pay, or not enough to be kept: copying short texts as two words (slower: the hash
// reads what was just stored otherwise), expecting the name that followed the last time (7 % of
// decode), dictionaries with the last 64 words before them (4 % of decode and columns, nothing in a
// run), fewer calls for absent fields and one-byte lengths (nothing), profile-guided builds (3 %,
// for a build of minutes in place of seconds).
//
// Of the engine's time 0.4 µs are taking the block, 0.7 writing the part, the rest merges: about 4
// µs for a row that is merged, on a busy machine. Merging all columns together, not one by one,
// took 0.84 to 0.97 of that, blocks of 65,536 rows 0.91 to 0.96: too little to be sure of.
//
// What does not change with the load. 20,000,000 events (`--events 20000000`): 363,000 events/s at
// first, 258,000 at the end, 286,000 on average, since the engine merges ever larger parts (4.5
// µs/event); client 2.1 µs/event; resident all the while 490 MB here and 370 to 490 MB in the
// engine. 2,000,000 events each:
//
//	                            events/s   client µs/event   engine µs/event   allocs/event
//	--partitions 1               403,784              1.98              2.06          0.021
//	--partitions 16              364,334              2.19              2.35          0.036
//	--partitions 64              347,874              2.10              2.41          0.066
//	--workspaces 10000           308,797              2.45              2.92          0.072
//
// and 1,000,000 into a log that holds 100,000,000 of a year (--log-events 100000000): 401,339
// events/s, client 2.21 µs/event, engine 1.47. To fill it takes 11 minutes.
//
// More partitions make the producers' record batches smaller: 320 partitions of five topics take a
// chunk of 5,000 records apart.
//
// `rollcall bench delay`, with the producer on the same two cores: they are full at about 100,000
// events/s.
//
//	events/s   median ms   p99 ms   longest ms
//	  50,000         274      530          629
//	  73,000         349      891        1,012
//	 104,000         915    2,962        3,302
//
// `rollcall bench export --events 2400000,10000000`, 1,000 users, in ms. 2.4 million is what as
// many people really send in a year. A month is the last calendar month.
//
//	   events         type   period   first byte   service   bare engine   from the log   service/engine   log/rollups
//	 2,400,000       users    month          265       293           211            695             1.38           2.4
//	 2,400,000  assistants    month          207       207           135            437             1.53           2.1
//	 2,400,000   workflows    month          223       223           139            403             1.61           1.8
//	 2,400,000    projects    month          196       196           107            347             1.82           1.8
//	 2,400,000      models    month          107       107            43            260             2.53           2.4
//	 2,400,000    api-keys    month          150       150            78            244             1.92           1.6
//	 2,400,000       users     year          730       780           613          3,966             1.27           5.1
//	 2,400,000  assistants     year          607       607           535          1,907             1.14           3.1
//	 2,400,000   workflows     year          349       349           258          1,166             1.35           3.3
//	 2,400,000    projects     year          476       476           421          1,169             1.13           2.5
//	 2,400,000      models     year          263       263           144          1,283             1.83           4.9
//	 2,400,000    api-keys     year          312       312           193            825             1.62           2.6
//	10,000,000       users    month          328       365           222          1,659             1.65           4.5
//	10,000,000  assistants    month          250       250           183            796             1.37           3.2
//	10,000,000   workflows    month          217       217           146            751             1.49           3.5
//	10,000,000    projects    month          247       247           150            611             1.65           2.5
//	10,000,000      models    month          127       127            78            622             1.62           4.9
//	10,000,000    api-keys    month          175       175           101            410             1.74           2.3
//	10,000,000       users     year        1,515     1,588         1,415         14,888             1.12           9.4
//	10,000,000  assistants     year        1,486     1,486         1,482          6,485             1.00           4.4
//	10,000,000   workflows     year          585       585           479          3,593             1.22           6.1
//	10,000,000    projects     year        1,098     1,098           927          4,256             1.18           3.9
//	10,000,000      models     year          469       469           323          5,731             1.45          12.2
//	10,000,000    api-keys     year          492       492           354          2,742             1.39           5.6
//
// What keeps a small export above 60 ms is the engine's time to understand the statement: for a
// workspace without one row it takes 22 ms for models, 45 for api-keys, 60 to 80 for projects,
// assistants and workflows and 100 for users. The service adds 60 to 80 ms: the watermark (5), then
// the plan (21 to 30 for a month, 44 for a year) with the workspace (8) and the audit's start (12)
// beside it, and what the statement's guards cost. First bytes come when all rows are ranked and
// sorted, so nearly with the last.
//
// 100,000 users over 12 months (--users 100000 --events 10000000 --repeat 1): 71 MB of CSV in 7.7
// s, 1.23 × the bare engine; at most 45 MB resident in the service and its client, and 4.8 GB in
// the engine, filling, rolling up and the exports from the log included.
//
// Months make a year's export read 1.0 to 1.9 times fewer rows than days at 2.4 million events,
// more where people repeat themselves more often: a rollup saves rows only where user, model,
// assistant and the others are the same again. What it always saves is FINAL, and the columns that
// an export does not need.
//
// A recompute takes about 0.3 to 0.45 M log rows a second, merging the closed months included 0.13
// (2.4 million) to 0.26: grouping by ten keys of which two thirds of the rows have their own costs
// 1.1 µs a row, the sets of conversations and the tokens' sums as much again, writing sorted rows
// the rest, FINAL 0.35. Grouping alone, without any measure, would not reach 2 M rows a second on
// two cores.
package bench
