// Package rollup keeps the daily rollups up to date. Exports read the rollups instead of the log
// for every day that no longer changes.
//
// # What is promised
//
// Whatever this package does or fails to do, no export becomes wrong. A slice (one org and UTC day)
// is either clean, and exports read the rows of exactly one committed generation, or exports read
// it from the log. So a worker that is slow, stopped, killed or started twice costs speed and
// nothing else.
//
// A committed generation is exactly what tables.Daily.FromLog computes from one state of the
// slice's log, and that state has every event whose mark the manifest covers. Recompute
// (recompute.go) ensures this without locks. It takes six steps, and their order matters:
//
//	(a) Read the slice's marks. They are the vector that the manifest will cover. Marks are written
//	    after their rows, so the log already has all rows that these marks stand for.
//	(b) Read the version: the sum of version + 1 over the slice's events FINAL. It grows strictly
//	    with every new event, every copy that wins and every tombstone.
//	(c) Write the rollup tables under a generation number that nobody else has.
//	(d) Read the version again. If it changed, the tables may come from two states of the log: no
//	    manifest is written, so nobody will read the rows.
//	(e) Count the rows. Each row says how many events it is made of. If the sum is not the number of
//	    events in the log, rows are missing: no manifest is written.
//	(f) Write the manifest, with the number of rows. This is the commit point.
//
// A manifest never promises fewer rows than were written. A worker may be suspended for hours
// between any two steps, and a sweeper may take its rows for those of a dead worker. If the rows go
// before (e), the worker sees that they are gone. If they go later, the manifest has the number of
// all rows, so the guard of a read fails.
//
// model_test.go visits every interleaving of small casts of writers, workers, readers, a sweeper
// and an eraser that follow these steps. For each weaker variant it shows the steps that lead to a
// wrong read. steps_test.go runs the real steps and lets others act between any two of their
// statements. Read both before you change an order here.
//
// A closed month of an org (its last day is over, all of its slices are clean) is merged into a
// month generation (months.go), so that an export of a year reads twelve of them. The merge reads
// only committed generations, and these never change. So whatever happens meanwhile, the result
// cannot be wrong, only incomplete: the sweeper may remove rows during the merge. The steps are:
//
//	(a) Merge the days' generations, as their manifests name them, under a generation number that
//	    nobody else has.
//	(b) Count the days' rows again. If there are fewer than their manifests say, the merge may have
//	    missed some: no manifest is written.
//	(c) Count the month's rows. They must be made of as many events as the days' rows are.
//	(d) Write the manifest, with the digest of the generations that were merged. This is the commit
//	    point.
//
// A month generation is read only in place of exactly these generations (package tables). So nobody
// has to invalidate it when a day changes or is rebuilt. Its model is model_months_test.go.
//
// # Under which conditions
//
// The marks of a batch are written after its rows were acknowledged (package ingest). Inserts are
// synchronous, and a statement sees one state of each table (tables.Open sets this for every
// statement). On a cluster, inserts wait for all replicas, and a worker works on one replica of one
// shard (tables.Options.OnShard).
//
// # Clocks
//
// Virtual machines are suspended, hosts differ by hours, and clocks are set back. No decision that
// exactness depends on compares two clocks: marks, versions and the flag "dead" decide which
// generation is read. Some decisions that exactness does not depend on do compare clocks. A wrong
// clock then has these effects:
//
//   - Among generations that cover all marks and have the same version, the one with the highest
//     number is read. A number begins with the clock of the host that made it. Such generations
//     were made of the same events, so it does not matter which one is read. A rebuild does not
//     depend on these numbers: it marks the slices.
//   - For rows without a manifest, a sweeper compares the generation number, which has the time of
//     the writer's clock, with the engine's clock (OrphanTime). A worker whose clock is hours
//     behind finds some of its rows gone and does its work again. What a dead worker with a clock
//     hours ahead left stays that much longer.
//   - DeadTime, the day for which generations of an older revision stay, SettleTime, TodayEvery,
//     the look for new marks and the gauges compare a time that the engine wrote with the engine's
//     clock; on a cluster, with another replica's clock. If rows are removed too early, the guard
//     of a read fails and the export plans again. The others only decide when something is done.
//   - Rows expire by the engine's clock. A plan compares their end with the later of the engine's
//     and the caller's clock, and treats rows as gone an hour early (tables.Alive). What may be
//     gone is read from the log.
//   - The worker's clock decides which day is today, and so which month is over. A month that is
//     merged too early is merged again.
//   - The worker's own clock alone decides when chores are due.
//   - The time of an erasure is by the clock of the host that ran it, and the times of events are
//     by their producers' clocks: see Erasure.
//
// # The look for work
//
// What an idle worker costs must not grow with the number of orgs and the length of their history.
// So every Config.Poll it reads only the marks that are new since the last look (look.go), and
// keeps the slices that they name on a watchlist until it has seen them clean. A look may miss a
// slice: a part of the table becomes visible late, the clock of a replica is ahead, the list is
// full, or no worker ran. Such a slice is read from the log until the round comes to it.
//
// The round (round.go) looks at every slice: page by page (pages.go), each some orgs in one month,
// so neither the worker nor a statement ever holds the states of all. For each page it recomputes
// what is dirty, sweeps, and merges closed months. The first round of a worker runs through. Later
// ones rest after each page that had nothing to do, a hundred times as long as the page took. So a
// round costs about one hundredth of a core, and takes the longer the more slices there are:
// rollcall_rollup_round_seconds says how long.
//
// # Sweeping
//
// A generation that lost is first marked dead, so that no new plan contains it. Its rows are
// removed Config.DeadTime later. A worker does both for the slices that it recomputed, and the
// round for all others. A reader that planned before and reads after that finds rows missing: its
// guard fails before its first byte, and it plans again. Rows without a manifest are taken for
// those of a dead worker when they are Config.OrphanTime old. A month generation is lost when its
// slices are all clean and have other generations, or when the rollups of its first slice have
// reached the end of their TTL.
//
// A generation, of a day or a month, that does not have as many rows as its manifest says is marked
// dead too, and made again from the log (markShort). Its rows may have been removed between the
// worker's count and its manifest, or deleted by hand, or may be missing in a backup. Until it is
// marked, an export that meets it plans twice, and reads its days from the log
// (tables.Span.Counting). This repair cannot go on for ever: a dead generation stays dead, and the
// rows of the new one were counted.
//
// # Watching
//
// Beside its work the worker compares a batch of clean slices with the log every
// Config.VerifyEvery, in turn (watch.go). A row that differs means that somebody wrote to the
// tables, or that this package is wrong. A month generation is compared with its days' generations
// when its last slice is compared. A difference is counted and logged, not repaired: `rollcall
// rebuild` repairs it (rebuild.go). Rebuild marks the slices as a writer of its own, so that no
// generation that was begun earlier is read any more. Before it reports, it reads back what became
// of the slices.
//
// # Erasure
//
// Forget (forget.go) puts the person on the erasure list, writes tombstones for their events, marks
// their days and deletes the rows.
//
// The time of an erasure is the moment of the call, by the clock of its host. An event whose own
// time is before it is erased whenever it arrives. An event with a later time is erased if it was
// stored at that moment: the erasure list has these events by their ids, which are hashes. Every
// other later event belongs to the person again. All that is stored is erased, whatever the host's
// clock says. If the clock is wrong, more or fewer of the events that are still on their way from
// producers are erased.
//
// What stays: schema.PersonHash in the erasure list, and the tombstones until the log's TTL. A
// tombstone has the org, the day, the type, the time, the hash of the event's own (type, source,
// id) and its version. The version is a hash of the event's content. It keeps the tombstone's place
// among copies that name other persons. It does not show the content, but somebody who reads the
// table and guesses the whole content can confirm the guess.
//
// Entities that name the person as their owner keep everything else and lose the owner. They get a
// version above the old event's own, so a replay of the old event is stored without the owner, too.
// A later event may name an owner again.
//
// A reject is deleted if what could be read of it names the person, if its value has the person's
// id as a quoted text, if its key is the id, or if a header has the id as a word.
//
// Some rows go later. Rows that a recompute had begun to write and could not commit stay, unread,
// until Sweep takes them for orphans. Rows of a month that was merged meanwhile stay until Sweep
// removes them as dead. Deleted rows stay in the engine's replaced parts for its old_parts_lifetime
// (8 minutes).
package rollup
