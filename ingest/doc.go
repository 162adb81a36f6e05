// Package ingest carries events from Kafka into ClickHouse: usage into the log (table events),
// descriptions into the attribute history (entities), refused records into rejects, and which
// slices changed into marks.
//
//	Kafka ──fetch──► answers ──decode──► batch ──store──► 1 log, entities  2 erasures again  3 marks  4 rejects  5 commit
//
// # What it promises
//
// Every record that a group member was given is, before its offset is committed, in exactly one of
// these states: its event is in the log or in the history; it is a reject, kept whole; it was an
// erased person's, is counted, and a tombstone without content keeps its place. Nothing is dropped
// to go on, and nothing that is stored depends on who stored it, in which order, in which batches
// or how often: the log is a set (schema/tables/migrations/0001_events.sql). So
//
//   - redelivery, replays, retried inserts, copies through other partitions or topics and members
//     that only believe they are still in the group add nothing;
//   - a kill at any moment loses nothing: what was not committed is delivered again;
//   - records of aborted transactions and control records are not events; the holes that they and
//     compaction leave are passed over;
//   - a record batch that cannot be read is fetched again until it can, or until an operator names
//     it (Config.PassOver), and an offset means what it meant when it was committed, whoever leads
//     the partition by then: package kafka has these promises, and where they end;
//   - what ClickHouse refuses for a while is repeated, with growing pauses, for as long as it
//     takes; what it refuses for good ends Run with the reason;
//   - records that were gone before they could be read are counted
//     (rollcall_ingest_gap_records_total), logged as errors, and only then passed over;
//   - memory is bounded by Config (MemoryLimit), however large the backlog and whatever producers
//     send: a record batch of any size inflates into a bounded buffer or is read as a stream, and a
//     batch that is full is stored and committed in the middle of a record batch;
//   - `progress` never says more than is true: everything below end_offset, which was the
//     partition's end at complete_through, is stored. Open transactions count as not stored; a
//     partition that was just created holds the watermark from its first moment, one that brokers
//     miss holds it where it is.
//
// # Clocks
//
// The watermark has one clock: ClickHouse's, as engineClock tells it, never ahead. What is compared
// across processes:
//
//   - moments of one process with each other (when an end was seen, when the brokers were asked):
//     noted on that clock when they happen, so neither a host whose clock is wrong nor a virtual
//     machine that was suspended moves them ahead;
//   - rows of progress are ordered by a counter, not by time: the last publication holds, and a row
//     from ahead of ClickHouse's clock (an older binary on a host whose clock was wrong, or
//     ClickHouse's own clock that was set back) is shown to nobody and replaced within a second;
//   - an event's `time` with ClickHouse's clock (too_old, in_future): the limits are of a day and
//     more, all processes judge alike, and a reject can be replayed;
//   - an event's `time` and its record's with an erasure's: both are the producer's word, see
//     erasures.go.
//
// On a cluster the clock is that of the server that answers; those clocks must agree to well below
// the settling time of whoever acts on the watermark. All other times (batch ages, pauses,
// timeouts) are of one process's monotonic clock.
//
// # Leaders
//
// What a leader says of a partition's end counts for the watermark only if more than half of the
// brokers, asked later, know of no newer leader: one that was cut off from the others, and answers
// all the same, does not move it. A new leader is believed once it knows what was acknowledged
// before it. Package kafka asks.
//
// # Where the promise ends
//
//   - Kafka's retention must outlast an outage of ingest or ClickHouse. What Kafka deleted is lost;
//     it is counted, not recovered.
//   - A topic that is deleted takes its unread records with it. If it is made anew, the new one is
//     read from its start and the break is counted as one record at least. What else brokers cannot
//     tell stands in package kafka.
//   - Producers that use acks=0 or acks=1 can lose records before anyone can read them.
//   - ClickHouse must keep what it acknowledged. On a cluster, an insert waits for all replicas
//     (schema/tables, cluster.go).
//   - A refused record counts as an erased person's if its org and user can be read, and if its
//     record's time or its event's own is from before the erasure. One that names the person in
//     another way, or that is produced again without a readable time of its own, is kept as any
//     other reject: for 90 days, or until the erasure is repeated (`rollcall forget`), which
//     searches the whole text.
//   - Of a very large record a reject keeps not all of the key and the headers, and some compressed
//     batches take much memory: package recordbatch has the limits. An event is judged by all of
//     it, whatever its size. An answer holds a record batch as it is on the wire, so it needs as
//     much memory as the broker's message.max.bytes says, twice for each broker.
//   - Brokers must be Kafka 2.3 or newer, and records in message format 2 (Kafka 0.11, 2017); older
//     segments stop their partition with an error.
//   - Duplicates and conflicts are counted within a batch only; across batches the table settles
//     them without telling.
//
// # Freshness and cost
//
// A batch is stored as soon as the one before it is, and when it is BatchAge old or full; a record
// is in the log about BatchAge after it was produced. Under load batches grow, inserts become
// fewer, and fetching waits when both batches are taken. One process decodes on one core and stores
// beside it; more processes in the same group share the partitions.
package ingest
