// Package embedded is what Rollcall runs on when nothing else is there: a Kafka broker and a
// ClickHouse engine inside one process, each on a loopback address and in a directory of its own.
// Production code does not know them: it speaks Kafka's protocol and ClickHouse's HTTP interface,
// here as anywhere.
//
// # The broker
//
// StartBroker runs franz-go's kfake. Acknowledged records, committed transactions and committed
// offsets survive SIGKILL of the process. They are not forced to disk, so a power failure may take
// the last ones.
//
// kfake writes a record before it acknowledges it, and so loses none at a kill. What it loses, it
// loses when it starts again on the files of a killed process. As of September 2026, left to
// itself:
//
//   - it aborts the transactions that were open, but in its memory only. No marker in the log ends
//     them. Readers of committed records take what the same producer commits next for the rest of
//     the aborted transaction, and drop it. At the second kill, the aborted records are committed
//     by the next marker;
//   - it can acknowledge the commit of such a transaction, if it was stopped in order before and
//     the producer is the same since then;
//   - it loads the producers' sequence numbers of the last stop in order, and refuses the next
//     records of a producer that lived through that stop and the kill;
//   - it appends to the files of committed offsets and producers behind an entry that was cut off
//     by the kill, and reads none of what it appends there;
//   - a batch whose index entry the kill prevented takes the next batch's, and so on to the end of
//     the segment. An aborted transaction can be shown;
//   - it removes records by their own timestamps, which are the producers', and with an old one all
//     that lie before it. This happens without a kill, too: retention is therefore the broker's own
//     (broker_retention.go), and goes by when records arrived;
//   - a partition of which all records expired begins at offset 0 again, below what readers
//     committed. This happens at every start, not only after a kill.
//
// recoverDir puts the files in order before kfake reads them. It depends on their formats, which
// kfake may change: the tests of the recovery and TestBrokerKilledUnderLoad hold it. Two limits of
// kfake remain. Records that were removed may come back after a kill, until they expire again: the
// start of a log is written at a stop in order only. A transaction whose commit was not answered
// before the kill may be committed in some partitions and aborted in others; its producer hears
// that it failed.
//
// # The engine
//
// StartEngine loads ClickHouse as a library (libchdb, fetched by install.sh, never part of the
// binary) and answers ClickHouse's HTTP interface for it. One process holds one engine, one engine
// one directory. Acknowledged inserts survive SIGKILL of the process; they are not forced to disk,
// so a power failure may take the last ones. The engine asks nobody for a password, can read what
// this user can read (table function file), and so refuses to listen on other than loopback
// addresses, and to answer browsers' pages of other sites.
//
// Like a ClickHouse server it takes: GET (which is readonly) and POST on /, /ping; the statement in
// the parameter query, in the body, or begun in the one and ended in the other; INSERTs with their
// rows in the body, in any format, of any size; database, default_format, query_id and param_*
// parameters, any other parameter as a setting of this one statement; the X-ClickHouse-Database and
// -Format headers; user names and passwords in any form, which it does not look at; compress and
// decompress (frames of LZ4, ZSTD or none), Content-Encoding and, with enable_http_compression=1,
// Accept-Encoding (gzip, deflate, br, zstd, lz4); client_protocol_version; wait_end_of_query.
//
// It answers with the rows as they come, never holding more than 256 KiB of them itself, and
// X-ClickHouse-Query-Id, -Format, -Timezone, -Summary (where the answer fits into what is held).
// Failures are an X-ClickHouse-Exception-Code, the status a server would give, and the exception's
// text; a failure among rows stands behind them as the protocol of X-ClickHouse-Exception-Tag has
// it. A client that goes away ends its query; a statement that writes runs on.
//
// Unlike a server it has no sessions (session_id), roles, external tables, progress headers, or
// other interfaces; it cannot join other nodes in a cluster. What it does not support it refuses
// with an exception that says so. Dates without a time zone are UTC whatever the machine's zone is.
package embedded
