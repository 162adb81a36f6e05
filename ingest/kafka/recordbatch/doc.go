// Package recordbatch reads record batches: bytes as brokers send them to schema.Record. It knows
// no connection. A Set cuts and checks the batches of a partition's share of a response, once; a
// Reader inflates them and visits their records.
//
// # What it promises
//
//   - A batch is read if its checksum is right and all of it can be read; else it is Corrupt. The
//     records before the one that cannot be read have been visited by then.
//   - Records of aborted transactions and control records are not visited.
//   - Memory is bounded, whatever producers send: a batch inflates into a bounded buffer, or is
//     read as a stream, one record at a time. A record of more than 4 MiB is taken apart as it
//     passes.
//   - A record's size, and how its batch is compressed, never change the verdict on it.
//
// # Where the promise ends
//
//   - Of a record of more than 4 MiB, the key and the headers are cut at 1 MiB each; a record has
//     65,536 headers at most, and beyond them those by which an event is judged.
//   - A snappy block is held whole, and is 21 times as large as on the wire at most: with a
//     broker's message.max.bytes of 1 MiB (Kafka's default) it takes 21 MiB, with 16 MiB 340 MiB.
//     Beyond 384 MiB only copies from the last 192 MiB are understood.
//   - Records must be in message format 2 (Kafka 0.11, 2017).
package recordbatch
