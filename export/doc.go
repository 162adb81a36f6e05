// Package export is the HTTP service. It turns a request into one statement of export/query, and
// passes the engine's answer on to the client.
//
// What it promises:
//
//   - An answer that ends in order is whole and exact. The statement checks its plan before the
//     first byte is sent. A failure after that aborts the connection, so no client takes a part of
//     the answer for the whole.
//   - A client reaches a workspace's data only with a valid credential of that workspace, and only
//     within the workspace's limits. The audit table has the request before the first byte of data
//     is sent.
//   - The service holds one buffer of fixed size per answer, however long the answer is. When the
//     client closes the connection, the query ends.
//   - A workbook is made whole, in a file without a name, before its answer begins: only then is it
//     known whether the rows fit a sheet. It takes up to 80 MB of memory however long it is, so a
//     process makes two at a time.
//   - Nothing that a client sent is ever part of an SQL text.
//   - Exports with different contents have different ETags.
//   - A refusal says in a sentence what to change. A client's mistake is answered with a 4xx. There
//     are two exceptions: net/http itself answers 501 for an unknown transfer coding and 505 for an
//     unknown version of HTTP, as HTTP defines. It does so before the request reaches this package,
//     so these answers leave no log line and no metric.
//
// # Clocks
//
// Hosts' clocks may differ. These are the times that one process writes by its clock and another
// compares with its own, and the reasons why the difference is harmless:
//
//   - The end of a key, of a session and of a download link: see package access.
//   - today, the earliest date, and whether a period is over: the process that answers a request
//     reads its clock once and judges the whole request by that time.
//   - started_at and finished_at of the audit only order what people read. Both times of one
//     request are written by one process.
//   - created_at of the service's secret: if two processes make a secret in the same second, it
//     decides which of the two counts. Both processes wait, then read the same table.
//
// Timeouts measure time within one process, by its monotonic clock.
//
// # Files
//
// routes.go lists all routes. A request for an export passes through package access (who asks,
// within which limits), params.go or dropin.go (what is asked for), answer.go (the statement),
// replan.go (the plan, and another one if it no longer holds), workbook.go (for xlsx), stream.go
// (the rows) and audit.go.
//
// The page in web/ calls page.go, signin.go and analytics.go. Its session stands for a key. Its
// figures are read as exports are read, and equal the sums of the exports.
package export
