// Package query says what an export contains: its columns, their order and their meaning; the
// period that it covers; and the SQL that answers it.
//
// It promises: over one period, every accepted event is counted once in each column that it belongs
// to, whatever slice it is in and however that slice is read (SPEC.md §2). For this, one statement
// reads
//
//   - whole UTC days that are rolled up: from the daily tables, from exactly the generation that
//     the plan names,
//   - whole UTC days that are not rolled up: from the log (events FINAL), by the same query that a
//     recompute uses,
//   - the partial days at either end of a period that does not start or end at midnight UTC: from
//     the log, to the millisecond.
//
// It joins these with UNION ALL, aggregates, and ranks last. The same statement checks that the
// plan was still valid when it read. If not, it fails before its first byte (tables.Stale,
// tables.StaleVersion), and the caller plans again.
//
// Each type has its list of columns (users.go, …) and its SQL (users.sql, …). sources.go says from
// where usage is read, entities.sql from where the attributes of entities come, belongings.sql what
// a user belonged to on a day. buckets.go cuts a period, filters.go says which usage counts. The
// SQL yields plain values under the columns' names; cells.go turns them into the cells of the
// format. What a user sent is always a query parameter of a statement, never SQL text.
package query
