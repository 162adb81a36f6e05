// Package tables has the ClickHouse tables as numbered migrations, the connection that every stage
// uses, and the queries that more than one stage must agree on. It knows SQL and the schema
// package, and no stage.
//
// # The tables
//
//	events, entities   Sets of events: each has the highest version of each identity, whatever
//	                   the order of arrival and however often an event was stored. Read them
//	                   FINAL, and leave out odd versions: those are tombstones.
//	marks              Which writer changed which slice (one org and UTC day), and how often:
//	                   the slice's vector clock.
//	…_daily            The rollups. Each row belongs to one generation, and a generation to one
//	                   slice or month. Nobody reads a generation that has no manifest.
//	slices             The manifests: what a generation covers, how many rows it has, and
//	                   whether it is dead.
//	months             The manifests of month generations. Their rows are in the rollups, under
//	                   the month's last day.
//	progress           Up to which time each partition is stored, by ClickHouse's clock. A
//	                   counter (`through`) orders the rows, not a time. While a row has a time
//	                   that is ahead of ClickHouse's clock, readers know no watermark. See
//	                   package ingest, Clocks.
//
// The others (rejects, erasures, keys, export_audit, service_secret, …) are described in their
// migrations.
//
// # What is promised
//
// ReadPlan and the guards promise this: a statement that reads Rolled(RolledWhere) and
// FromLog(LiveWhere), and has Guard of each rollup table that it reads, counts every event once
// that was acknowledged before the call of ReadPlan. If rows are missing, the guards fail the
// statement (Stale recognizes the error), so no answer is short. VersionGuard fails a statement if
// slices of the log no longer have the version of Plan.VersionOf (StaleVersion recognizes the
// error). Without VersionGuard the rows are exact, too.
//
// # Values
//
// Values are parameters of statements, and go to ClickHouse in the body of a request (forms). No
// request line has a value, so none grows with the history. Rows of inserts are a body of their
// own.
//
// # Months
//
// A plan may read one month generation in place of the generations of a month's days. It does so
// only under three conditions: the whole month is within Span.MonthsFrom and MonthsTo; each slice
// of the month that has marks is clean in this plan; and the month generation was merged
// (Daily.Merged) from exactly the generations that this plan would read, day by day. Generations
// never change, so the month's rows add up to the days' rows. Whether the plan is right therefore
// depends on the days alone, and the order in which it read marks, manifests and months does not
// matter. After a late event or a rebuild the month is read by days until it is merged again.
//
// Comparing the days' versions in place of their generations would be wrong: a worker that merged a
// month while its days were rebuilt would bring back the rows that the rebuild was to replace
// (package rollup, model_months_test.go). The guards count a month's rows like all others.
//
// After a stale plan comes a plan that counts (Span.Counting): a generation that does not have all
// of its rows is then read from the log.
//
// FromLog alone defines what a rollup is. A change of its result must raise Revision.
//
// # Clusters
//
// On a cluster the same holds for each workspace, because a workspace is on one shard: see
// cluster.go, and deploy/CLUSTER.md for operators. One thing differs: there the guards and the
// reads of a statement do not see one state. deploy/CLUSTER.md says what exactness relies on
// instead.
//
// # Migrations
//
// Migrations may be run twice, killed half way, and run by several processes at once: each
// statement creates what is not there. After its release a file is never edited.
package tables
