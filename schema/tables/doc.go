// Package tables is where events rest: the ClickHouse tables as numbered migrations, the connection
// every stage uses, and the queries that more than one stage must agree on. It knows SQL and the
// schema package, and no stage.
//
// # The tables
//
//	events, entities   sets of events: the highest version of each identity, whatever order and repetition filled them. Read them FINAL, and leave out odd
//	                   versions: those are tombstones.
//	marks              which writer changed which slice (one org and UTC day), and how often: a slice's vector clock.
//	…_daily            the rollups: rows of generations, each of one slice. A generation without a manifest does not exist for a reader.
//	slices             the manifests: what a generation covers, how many rows it has, and whether it is dead.
//	months             the manifests of month generations, whose rows lie in the rollups under the month's last day.
//	progress           how far each partition is stored, by ClickHouse's clock. Rows are ordered by a counter (`through`), not by time; one from ahead of
//	                   ClickHouse's clock is void for readers. See package ingest, Clocks.
//	rejects, erasures, keys, export_audit, service_secret: see their migrations.
//
// # What is promised
//
// ReadPlan and the guards: every event acknowledged before the call is counted once by a statement
// that reads Rolled(RolledWhere) and FromLog(LiveWhere) and has Guard of each rollup table it
// reads. The guards fail such a statement rather than let it be short (Stale tells), and
// VersionGuard fails it if slices of the log are not what Plan.VersionOf says (StaleVersion tells):
// without VersionGuard the rows are exact all the same.
//
// # Months
//
// A plan may read one month generation in place of the generations of a month's days. It does so
// only if the whole month is within Span.MonthsFrom and MonthsTo, each slice of it that has marks
// is clean in this very plan, and the month generation was merged (Daily.Merged) from exactly the
// generations that this plan would read, day by day. Generations never change, so the month's rows
// add up to what the days' rows do: whether the plan is right is a question about days alone, and
// in which order it saw marks, manifests and months does not matter. A late event makes its day
// dirty, and the month is read by days until it is made again; so does a rebuild. Versions would
// not do for generations: a worker that merged a month while its days were rebuilt would bring back
// what the rebuild was to repair (package rollup, model_months_test.go). The guards count a month's
// rows like all others.
//
// A plan that went stale is followed by one that counts (Span.Counting): a generation whose rows
// are not all there is then read from the log.
//
// FromLog is the only place that says what a rollup is. Who changes its result raises Revision.
//
// On a cluster the same holds of each workspace, which lies on one shard: cluster.go, and
// deploy/CLUSTER.md for who runs one. Only the guards' one state is not one there; what it rests on
// instead is said in the latter.
//
// Migrations may be run twice, killed half way, and by several processes at once: each statement
// creates what is not there. Once released, a file is never edited.
package tables
