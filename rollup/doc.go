// Package rollup keeps the daily rollups: what exports read instead of the log for every day that
// has come to rest.
//
// # What is promised
//
// Whatever this package does, or fails to do, no export is wrong by it. A slice (one org and UTC
// day) is either clean, and its rows are those of one committed generation, or it is read from the
// log. So a worker that is slow, stopped, killed or doubled costs speed and nothing else.
//
// A committed generation is exactly what tables.Daily.FromLog makes of one state of the slice's
// log, and that state has every event whose mark the manifest covers. Recompute (recompute.go) gets
// there without locks, in six steps whose order carries it:
//
//	(a) read the slice's marks: the vector that will be covered. Marks come after their rows, so the log already has all that these speak of.
//	(b) read the version: the sum over the slice's events FINAL of version + 1. It grows strictly with every event, winning copy and tombstone.
//	(c) write the rollup tables under a generation number that nobody else has.
//	(d) read the version again. If it moved, the tables may be of two states: no manifest, and what was written does not exist.
//	(e) count the rows. Each says of how many events it is made, so if together they are not made of the log's, rows are missing: no manifest.
//	(f) write the manifest, with the number of rows: the commit point.
//
// A manifest never says less than was written. A worker may be suspended for hours between any two
// steps, and a sweeper may take its rows for a dead worker's: before (e) it sees that they are
// gone, and after it the number in the manifest is that of all rows, so the guard of a read fails.
//
// model_test.go visits every interleaving of small casts of writers, workers, readers, a sweeper
// and an eraser that follow these steps, and shows for each weaker variant the steps by which it
// reads wrong. steps_test.go runs the steps themselves, and lets others act between any two of
// their statements. Go there before changing an order here.
//
// A closed month of a workspace (its last day is over, all of its slices are clean) is merged into
// a month generation (months.go), so that an export of a year reads twelve of them. It is made of
// committed generations alone, which never change, so nothing that happens meanwhile can make it
// wrong, only incomplete: the sweeper may take rows under way. So it goes
//
//	(a) merge the days' generations, each of which is known by its manifest, under a generation number that nobody else has.
//	(b) count the days' rows again. If they are fewer than their manifests say, the merge may have missed them: no manifest.
//	(c) count the month's rows: they must be made of as many events as the days' are.
//	(d) write the manifest, with the digest of the generations that were merged: the commit point.
//
// It is read only in place of these very generations (package tables), so nobody has to take it
// back when a day moves on or is rebuilt. The model is model_months_test.go.
//
// # Under which conditions
//
// The marks of a batch are written after its rows were acknowledged (package ingest). Inserts are
// synchronous, and a statement sees one state of each table (tables.Open says so with every
// statement). On a cluster, inserts wait for all replicas, and a worker works on one replica of one
// shard (tables.Options.OnShard).
//
// # Clocks
//
// Virtual machines are suspended, hosts are hours apart, and clocks are set back. No decision on
// which exactness rests compares two clocks: which generation is read is a matter of marks,
// versions and the flag "dead". What is compared all the same, and what a wrong clock costs:
//
//   - Of generations that cover all marks and are of one version, the one with the highest number
//     is read, and a number begins with its maker's clock. They were made of the same events: it
//     does not matter which. A rebuild does not rest on it, but marks the slices.
//   - A sweeper holds the number of rows without a manifest, which is by their writer's clock,
//     against the engine's (OrphanTime). A worker hours behind finds some of its rows gone and does
//     its work again; what a dead worker hours ahead left stays for so much longer.
//   - DeadTime, the day for which generations of an older revision stay, SettleTime, TodayEvery and
//     the gauges hold a time that the engine wrote against the engine's clock; on a cluster,
//     replicas' clocks. Rows that go too early fail a read by its guard, which plans again; the
//     others only say when something is done.
//   - Rows expire by the engine's clock. A plan takes the one that is further of that and the
//     caller's, less an hour (tables.Alive): what may be gone is read from the log.
//   - Today, and so which month is over, is by the worker's clock: a month that is merged too early
//     is merged again.
//   - Chores are due by the worker's own clock alone.
//   - The time of an erasure is by the clock of the host that ran it, and the times of events are
//     by their producers': see Erasure.
//
// # Sweeping
//
// A generation that lost is first marked dead, so that no new plan has it; its rows go
// Config.DeadTime later. A reader that planned before and reads after finds its rows short, fails
// by its guard before its first byte, and plans again. Rows without a manifest are a dead worker's
// once they are Config.OrphanTime old. A month generation is lost when its slices are all clean and
// of other generations, or when the rollups of its first slice have come to their end.
//
// A generation, of a day or a month, whose rows are not as many as its manifest says is marked dead
// too, and made again from the log (markShort): they may have been taken from a worker between its
// count and its manifest, or gone by a hand, or missing in a backup. Until then exports that meet
// it plan twice, and read its days from the log (tables.Span.Counting). It ends there, since dead
// is for good and the new generation was counted.
//
// # Watching
//
// Beside its work the worker compares a batch of clean slices with the log every
// Config.VerifyEvery, in turn (watch.go): a row that differs means that somebody wrote to the
// tables, or that this package is wrong. A month generation is compared with its days' when the
// last of these has its turn. A difference is counted, logged and left as it is: `rollcall rebuild`
// repairs it (rebuild.go). It marks the slices as a writer of its own, so that no generation that
// was begun before is read any more, and reads back what became of them before it says so.
//
// # Erasure
//
// Forget (forget.go) lists the person, buries their events under tombstones, marks their days and
// deletes. An erasure has a time: the moment of the call, by the clock of its host. What is from
// before it by its own time is erased whenever it comes, and so is what was stored at the moment
// with a later time; the list has the latter by the hashes that are its ids. Whatever else lies
// after it is the person's again. A host whose clock is wrong erases so much more or less of what
// is under way from producers, and all that is stored. What stays: schema.PersonHash in the erasure
// list, and the tombstones: org, day, type, time, the hash of the event's own (type, source, id),
// and its version, until the log's TTL. The version is a hash of the event's content: it keeps the
// tombstone's place among copies that name other persons, shows nothing of the content, and lets
// somebody who reads the table confirm a guess of the whole content. Entities that name the person
// as their owner keep everything else and lose the owner, under a version above the old event's
// own; a replay of it is stored without the owner, too. A later event may name an owner again.
// Rejects go if what could be read of them names the person, if their value has the id as a quoted
// text, or their key is it, or a header has it as a word. Rows that a recompute under way wrote and
// could not commit stay unread until Sweep takes them for orphans, those of a month that was merged
// meanwhile until Sweep removes it as dead; deleted rows stay in the engine's replaced parts for
// its old_parts_lifetime (8 minutes).
package rollup
