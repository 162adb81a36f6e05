// Package query is what an export says: which columns it has, in which order and with which
// meaning; which period it covers; and the SQL that answers it.
//
// The promise: over one period every accepted event is counted once in each column it belongs to,
// whatever slice it lies in and however that slice is read (SPEC.md §2). To keep it, one statement
// reads
//
//   - whole UTC days that are rolled up: from the daily tables, by exactly the generation the plan
//     names,
//   - whole UTC days that are not: from the log (events FINAL), by the same query that would roll
//     them up,
//   - the partial days at either end of a period that does not start or end at midnight UTC: from
//     the log, to the millisecond,
//
// joins them with UNION ALL, aggregates, and ranks last. The same statement checks that the plan
// still held when it read, and fails before its first byte if not (tables.Stale,
// tables.StaleVersion): the caller plans again.
//
// Each type has its column list (users.go, …) and its SQL (users.sql, …); sources.go says where
// usage is read from, entities.sql what things are called. The SQL yields plain values under the
// columns' names; cells.go turns them into the cells of the format. Whatever a user sent goes into
// a statement as a query parameter, never as SQL text.
package query
