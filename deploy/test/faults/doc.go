// Package faults breaks things on purpose while Rollcall's own processes run, and compares the
// result with what was produced.
//
//	             ┌── kill, stop for a while, refuse, lose answers ──┐
//	traffic ──► broker ──► ingests ──► proxies ──► engine ◄── proxies ◄── rollups, export
//	   │           └─ connections dropped, half-open, slow, corrupt;            │
//	   │              leaders moved, records deleted, topics and partitions new │
//	   └──► oracle ─────────────────────── must be the same ────────────────────┘
//
// Everything in the picture but traffic and oracle is a process of its own.
//
// A fault happens while a chunk of random events is produced. Package traffic makes them, with
// duplicates, conflicts, replays and broken records. This package adds lost acknowledgements,
// aborted transactions, every codec, clock skew, tombstones, and values of 1 MiB and more. Then
// everything that was killed is started again. When all records are committed, the following must
// hold:
//
//   - Every record of the topics is in the log by its identity, or in rejects by its offset, or it
//     was an erased person's and nothing of it is left. No event is in the log that was not
//     produced.
//   - Every export is exactly the oracle's, also one that is asked for while rollup workers compete
//     for the slices and are killed.
//
// Besides, TestShortBombs checks that ingest stays within the memory that its manifest grants,
// whatever a record batch inflates to.
//
// `make test-faults` runs each fault alone, in groups that have a world of their own. Then it runs
// mixtures of all faults, one seed after the other, for the time of the flag -for. CI runs
// TestShort, which has faults of each kind. A failure prints the seed. To run a group, a fault or a
// seed again:
//
//	go test -tags faults ./deploy/test/faults -v -run TestAlone/broker
//	go test -tags faults ./deploy/test/faults -v -run TestAlone -fault 'leaders moved'
//	go test -tags faults ./deploy/test/faults -v -run TestMixed -seed 7
//
// The seed fixes the events and the order of the faults. What exactly the faults hit depends on the
// machine's timing.
package faults
