// Package export is the HTTP service: it turns a request into one statement of export/query and
// passes the engine's answer on.
//
// What it promises:
//
//   - An answer that ends orderly is whole and exact. The statement checks the plan it was made
//     with before its first byte; a failure after that aborts the connection, so that no client
//     takes a part for the whole.
//   - A workspace's data is reached through its own valid credential only, within its limits, and
//     is written to the audit table before its first byte.
//   - The service holds one buffer of fixed size per answer, whatever the answer's size. When the
//     client goes, the query ends.
//   - Nothing that a client sent is ever part of an SQL text.
//   - Data with another content has another ETag.
//   - Whatever is refused is refused with a sentence that says what to change. What a client does
//     wrong is a 4xx. Two refusals are net/http's own, before a request reaches this package, with
//     the statuses that HTTP defines for them: 501 for an unknown transfer coding and 505 for an
//     unknown version of HTTP. They leave no log line and no metric.
//
// # Clocks
//
// Hosts' clocks may differ. What one process wrote by its clock and another compares with its own,
// and why that is harmless:
//
//   - The end of a key, of a session and of a download link: see package access.
//   - today, the earliest date and whether a period is over: a request is judged by the clock of
//     the process that answers it, once.
//   - started_at and finished_at of the audit order what people read. Start and end of one request
//     are written by one process.
//   - created_at of the service's secret decides which of two secrets counts that two processes
//     made in the same second; both wait, then read the same table.
//
// Timeouts measure time within one process, by its monotonic clock.
//
// routes.go lists all routes; a request passes access (who may), params.go or dropin.go, answer.go
// (statement), replan.go (plan, and again), stream.go, audit.go. page.go, signin.go and
// analytics.go are what the page in web/ calls: its session stands for a key, its figures are read
// as exports are, and equal their sums.
package export
