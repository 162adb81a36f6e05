// Package rollup keeps the daily rollups: what exports read instead of the log for every day that has come to rest.
//
// # What is promised
//
// Whatever this package does, or fails to do, no export is wrong by it. A slice (one org and UTC day) is either clean, and its rows are those of one committed
// generation, or it is read from the log. So a worker that is slow, stopped, killed or doubled costs speed and nothing else.
//
// A committed generation is exactly what tables.Daily.FromLog makes of one state of the slice's log, and that state has every event whose mark the manifest
// covers. Recompute (recompute.go) gets there without locks, in five steps whose order carries it:
//
//	(a) read the slice's marks: the vector that will be covered. Marks come after their rows, so the log already has all that these speak of.
//	(b) read the version: the sum over the slice's events FINAL of version + 1. It grows strictly with every event, winning copy and tombstone.
//	(c) write the rollup tables under a generation number that nobody else has.
//	(d) read the version again. If it moved, the tables may be of two states: no manifest, and what was written does not exist.
//	(e) write the manifest: the commit point.
//
// model_test.go visits every interleaving of small casts of writers, workers, readers, a cleaner and an eraser that follow these steps, and shows for each weaker
// variant the steps by which it reads wrong. Go there before changing an order here.
//
// A closed month of a workspace (its last day is over, all of its slices are clean) is merged into a month generation (months.go), so that an export of a year reads
// twelve of them. It is made of committed generations alone, which never change, so nothing that happens meanwhile can make it wrong, only incomplete: the cleaner may
// take rows under way. So it goes
//
//	(a) merge the days' generations, each of which is known by its manifest, under a generation number that nobody else has.
//	(b) count the days' rows again. If they are fewer than their manifests say, the merge may have missed them: no manifest.
//	(c) write the manifest, with the digest of the versions that were merged: the commit point.
//
// It is read only in place of days of the same versions (package tables), so nobody has to take it back when a day moves on. The model is model_months_test.go.
//
// # Under which conditions
//
// The marks of a batch are written after its rows were acknowledged (package ingest). Inserts are synchronous, and a statement sees one state of each table
// (tables.Open says so with every statement). On a cluster, inserts wait for all replicas, and a worker
// works on one replica of one shard (tables.Options.OnShard). Clocks matter only for economy
// and cleaning: they may differ by minutes.
//
// # Cleaning
//
// A generation that lost is first marked dead, so that no new plan has it; its rows go Config.DeadTime later. A reader that planned before and reads after finds its
// rows short, fails by its guard before its first byte, and plans again. Rows without a manifest are a dead worker's once they are Config.OrphanTime old.
// A month generation is lost when its slices are all clean and of other versions, or when the rollups of its first slice have come to their end. One whose rows are
// gone is marked dead too: a binary from before months takes them for orphans, if it runs beside this one for longer than OrphanTime; until then exports of that month plan twice, the second time by days.
//
// # Watching
//
// Beside its work the worker compares a batch of clean slices with the log every Config.VerifyEvery, in turn (watch.go): a row that differs means that somebody wrote to
// the tables, or that this package is wrong. A month generation is compared with its days' when the last of these has its turn. A difference is counted, logged and left as it is: `rollcall rebuild` repairs it.
//
// # Erasure
//
// Forget (forget.go) lists the person, buries their events under tombstones, marks their days and deletes. What stays: schema.PersonHash in the erasure list, and the
// tombstones: org, day, type, time, the hash of the event's own (type, source, id), and its version, until the log's TTL. The version is a hash of the event's
// content: it keeps the tombstone's place among copies that name other persons, shows nothing of the content, and lets somebody who reads the table confirm a guess
// of the whole content. Entities that name the person as their owner keep
// everything else and lose the owner, under a version above the old event's own; a replay of it is stored without the owner, too. A later event may name an owner again. Rejects go if what
// could be read of them names the person, if their value has the id as a quoted text, or their key is it, or a header has it as a word. Rows that a recompute under way wrote and could not commit stay unread
// until Clean takes them for orphans, those of a month that was merged meanwhile until Clean removes it as dead; deleted rows stay in the engine's replaced parts for its old_parts_lifetime (8 minutes).
package rollup
