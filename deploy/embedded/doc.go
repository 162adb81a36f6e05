// Package embedded is what Rollcall runs on when nothing else is there: a Kafka broker and a ClickHouse engine inside one process, each on a loopback
// address and in a directory of its own. Production code does not know them: it speaks Kafka's protocol and ClickHouse's HTTP interface, here as anywhere.
//
// # The broker
//
// StartBroker runs franz-go's kfake. Acknowledged records and committed offsets survive SIGKILL of the process.
//
// # The engine
//
// StartEngine loads ClickHouse as a library (libchdb, fetched by install.sh, never part of the binary) and answers ClickHouse's HTTP interface for it.
// One process holds one engine, one engine one directory. Acknowledged inserts survive SIGKILL of the process; they
// are not forced to disk, so a power failure may take the last ones. The engine asks nobody for a password,
// can read what this user can read (table function file), and so refuses to listen on other than loopback addresses,
// and to answer browsers' pages of other sites.
//
// Like a ClickHouse server it takes: GET (which is readonly) and POST on /, /ping; the statement in the parameter query, in the body, or begun in the one
// and ended in the other; INSERTs with their rows in the body, in any format, of any size; database, default_format, query_id and param_* parameters,
// any other parameter as a setting of this one statement; the X-ClickHouse-Database and -Format headers; user names and passwords in any form, which it
// does not look at; compress and decompress (frames of LZ4, ZSTD or none), Content-Encoding and, with enable_http_compression=1, Accept-Encoding
// (gzip, deflate, br, zstd, lz4); client_protocol_version; wait_end_of_query.
//
// It answers with the rows as they come, never holding more than 256 KiB of them itself, and X-ClickHouse-Query-Id, -Format, -Timezone, -Summary (where the
// answer fits into what is held). Failures are an X-ClickHouse-Exception-Code, the status a server would give, and the exception's text; a failure among
// rows stands behind them as the protocol of X-ClickHouse-Exception-Tag has it. A client that goes away ends its query; a statement that writes runs on.
//
// Unlike a server it has no sessions (session_id), roles, external tables, progress headers, or other interfaces; it cannot join other nodes in a cluster. What it does not
// support it refuses with an exception that says so. Dates without a time zone are UTC whatever the machine's zone is.
package embedded
