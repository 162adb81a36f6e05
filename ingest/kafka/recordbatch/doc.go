// Package recordbatch reads record batches: it turns bytes, as brokers send them, into
// schema.Record. It opens no connection. A Set splits a partition's share of a response into
// batches and checks each of them once. A Reader inflates the batches and visits their records.
//
// # What it promises
//
//   - A batch is read if its checksum is right and all of it can be read. Otherwise it is Corrupt,
//     and the records before the first unreadable one have been visited by then.
//   - Records of aborted transactions and control records are not visited.
//   - Memory is bounded, whatever producers send. A batch inflates into a bounded buffer, or is
//     read as a stream, one record at a time. A record of more than 4 MiB is read in pieces.
//   - Neither a record's size nor the compression of its batch changes the verdict on the record.
//
// # Where the promise ends
//
//   - Of a record of more than 4 MiB, the key is cut at 1 MiB, and so are all headers together. At
//     most 65,536 headers of a record are read, and beyond them only those by which an event is
//     judged.
//   - A snappy block is held whole. Inflated, it is at most 21 times as large as on the wire: with
//     a broker's message.max.bytes of 1 MiB (Kafka's default) it takes 21 MiB, with 16 MiB 340 MiB.
//     In a block of more than 384 MiB, only copies from the last 192 MiB are understood.
//   - Records must be in message format 2 (Kafka 0.11, 2017).
package recordbatch
