// Package faults breaks things on purpose while Rollcall's own processes run, and holds what comes
// out against what went in.
//
//	                    ┌── kill, stop for a while, refuse, lose answers ──┐
//	traffic ──► broker process ──► ingest processes ──► proxies ──► engine process ◄── proxies ◄── rollup processes, export process
//	   │            └─ dropped, half-open, slow, corrupt connections; moved leaders; deleted records; new topics and partitions
//	   └──► oracle ─────────────────────────── must be the same ────────────────────────────────────────────┘
//
// A fault strikes while a chunk of random events is produced (package traffic: duplicates,
// conflicts, replays, broken records; besides, here: lost acknowledgements, aborted transactions,
// every codec, clock skew, tombstones, values of 1 MiB and more). Then everything that was killed
// is started again, and when all is committed:
//
//   - every record of the topics is in the log by its identity, in rejects by its offset, or an
//     erased person's, of whom nothing is left; and no event is in the log that was not produced;
//   - every export that is asked for, while rollup workers race on the slices and die, is exactly
//     the oracle's.
//
// Besides, TestShortBombs holds ingest to the memory that its manifest grants, whatever a record
// batch inflates to.
//
// `make test-faults` runs each fault alone, in groups that have a world of their own, and then
// seeds of all of them mixed, within the time of the flag -for. CI runs TestShort, a fault of each
// kind. A failure prints the seed; run a group, a fault, or a seed again alone with
//
//	go test -tags faults ./deploy/test/faults -v -run TestAlone/broker
//	go test -tags faults ./deploy/test/faults -v -run TestAlone -fault 'leaders moved'
//	go test -tags faults ./deploy/test/faults -v -run TestMixed -seed 7
//
// The seed fixes the events and the order of the faults; the machine's timing decides what exactly
// they hit.
package faults
