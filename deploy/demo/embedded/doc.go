// Package embedded runs a Kafka broker and a ClickHouse engine inside one process, each on a
// loopback address and with a directory of its own. `rollcall demo` and the tests use it, so that
// they need no servers. Production code does not know this package: it speaks Kafka's protocol and
// ClickHouse's HTTP interface, here as with any server.
//
// # The broker
//
// StartBroker runs franz-go's kfake. Acknowledged records, committed transactions and committed
// offsets survive SIGKILL of the process. They are not forced to disk, so a power failure may lose
// the last ones.
//
// kfake writes a record before it acknowledges the record, so a kill alone loses none. The losses
// happen when kfake starts again on the files of a killed process. As of September 2026, kfake
// alone does the following:
//
//   - It aborts open transactions, but only in its memory: no marker in the log ends them. Readers
//     of committed records take what the same producer commits next for the rest of the aborted
//     transaction, and drop it. At the second kill, the next marker commits the aborted records.
//   - It can acknowledge the commit of such a transaction, if there was an orderly stop before the
//     kill and the producer has lived since then.
//   - It loads the producers' sequence numbers of the last orderly stop. So it refuses the next
//     records of a producer that lived through that stop and the kill.
//   - A kill may cut off the last entry in the files of committed offsets and of producers. kfake
//     appends new entries after it, and never reads them.
//   - If a kill prevented the index entry of a batch, the batch gets the entry of the next batch,
//     and so on to the end of the segment. An aborted transaction can become visible.
//   - It removes records by their own timestamps, which producers set, and with an old record all
//     records before it. This happens without a kill, too. So the broker has its own retention
//     (broker_retention.go), which goes by the time when records arrived.
//   - If all records of a partition expired, the partition begins at offset 0 again, below the
//     offsets that readers committed. This happens at every start, not only after a kill.
//
// recoverDir repairs the files before kfake reads them. It depends on kfake's file formats, which
// may change; the tests of the recovery and TestBrokerKilledUnderLoad would show that. Two limits
// of kfake remain:
//
//   - Removed records may come back after a kill, until they expire again: kfake writes the start
//     of a log only at an orderly stop.
//   - A transaction whose commit was not answered before the kill may be committed in some
//     partitions and aborted in others. Its producer gets an error.
//
// # The engine
//
// StartEngine loads ClickHouse as a library (libchdb, which install.sh fetches; it is never part of
// the binary) and serves ClickHouse's HTTP interface for it. A process has at most one engine, and
// an engine one directory. Acknowledged inserts survive SIGKILL of the process. They are not forced
// to disk, so a power failure may lose the last ones. The engine has no passwords, and it can read
// every file that this user can read (table function file). So it refuses to listen on addresses
// other than loopback ones, and to answer pages of other sites in a browser.
//
// Like a ClickHouse server it takes:
//
//   - GET (which is readonly) and POST on /, and /ping;
//   - the statement in the parameter query, in the body, or begun in query and ended in the body;
//   - INSERTs with their rows in the body, in any format, of any size;
//   - the parameters database, default_format, query_id and param_*; any other parameter is a
//     setting of this one statement;
//   - a body of multipart/form-data, with the statement as query, and param_*; its other fields
//     mean nothing, settings too;
//   - names and values of at most 128 KiB each, in a form and (as encoded) in the URL;
//   - the headers X-ClickHouse-Database and X-ClickHouse-Format;
//   - user names and passwords in any form, which it ignores;
//   - client_protocol_version and wait_end_of_query.
//
// It sends rows as they come and never holds more than 256 KiB of them itself. With them it sends
// X-ClickHouse-Query-Id, -Format, -Timezone, and -Summary (if the whole answer fits into these 256
// KiB). A failure is answered with X-ClickHouse-Exception-Code, the status that a server would
// send, and the exception's text. If rows were already sent, the failure follows them, in the form
// that X-ClickHouse-Exception-Tag announces. If a client goes away, its query ends; a statement
// that writes runs on.
//
// Unlike a server it has no sessions (session_id), roles, external tables, progress headers,
// compression (compress, decompress, Content-Encoding; enable_http_compression changes nothing) or
// other interfaces, and it cannot join other nodes in a cluster. It refuses what it does not
// support with an exception that says so. Dates without a time zone are UTC, whatever the machine's
// time zone.
package embedded
