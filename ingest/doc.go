// Package ingest carries events from Kafka into ClickHouse. Usage events go into the log (table
// events), descriptions into the attribute history (entities), refused records into rejects. The
// slices that changed go into marks.
//
//	Kafka ──fetch──► responses ──decode──► batch ──store──► 1 log, entities
//	                                                        2 erasures again
//	                                                        3 marks
//	                                                        4 rejects
//	                                                        5 commit
//
// # What it promises
//
// Before the offset of a record is committed, the record is in exactly one of these states:
//
//   - its event is in the log or in the attribute history;
//   - it is a reject, kept whole (of a too_large one, the first 64 KiB);
//   - it belonged to an erased person: it is counted, and a tombstone without content keeps its
//     place.
//
// Nothing is dropped in order to go on. What is stored does not depend on which process stored it,
// in which order, in which batches or how often, because the log is a set
// (schema/tables/migrations/0001_events.sql). From this follows:
//
//   - Redelivery, replays, retried inserts and copies through other partitions or topics add
//     nothing. Nor does a member that the group has excluded without the member's knowledge.
//   - A kill at any moment loses nothing: what was not committed is delivered again.
//   - Records of aborted transactions and control records are not events. The holes that they and
//     compaction leave in the offsets are passed over.
//   - A record batch that cannot be read is fetched again until it can be read, or until an
//     operator names it (Config.PassOver). A committed offset keeps its meaning, whichever broker
//     leads the partition later. Package kafka makes these two promises, and says where they end.
//   - If ClickHouse refuses a statement, ingest repeats it, with growing pauses, for as long as it
//     takes, and is not ready meanwhile. Somebody may grant the missing right, make the missing
//     table, or make room. Nothing of the batch is committed before.
//   - Records that were gone before they could be read are counted
//     (rollcall_ingest_gap_records_total) and logged as errors. Only then are they passed over.
//   - Memory is bounded by Config (MemoryLimit), however large the backlog is and whatever
//     producers send. A record batch of any size inflates into a bounded buffer or is read as a
//     stream. A full batch is stored and committed even in the middle of a record batch.
//   - The table progress never says more than is true: everything below end_offset is stored, and
//     end_offset was the partition's end at complete_through. Open transactions count as not
//     stored. A partition that was just created holds the watermark from its first moment. A
//     partition that the brokers no longer report holds the watermark where it is.
//
// # Clocks
//
// The watermark has one clock: ClickHouse's. engineClock follows it and is never ahead of it. These
// times are compared across processes:
//
//   - Moments of one process (when it saw a partition's end, when it asked the brokers) are
//     compared with each other. Each is noted on engineClock when it happens, so neither a wrong
//     host clock nor a suspended virtual machine moves it ahead.
//   - Rows of progress are ordered by a counter, not by time: the last one written holds. A row may
//     be ahead of ClickHouse's clock, because an older binary wrote it on a host with a wrong
//     clock, or because ClickHouse's own clock was set back. Such a row is shown to nobody and is
//     replaced within a second.
//   - An event's `time` is compared with ClickHouse's clock (too_old, in_future). These limits are
//     a day and more, all processes judge alike, and a reject can be replayed.
//   - An event's `time` and its record's time are compared with an erasure's. Both are the
//     producer's word, see schema.Rejection.SentAt.
//
// On a cluster the clock is that of the server that answers. The servers' clocks must agree to well
// below the settling time of anything that acts on the watermark. All other times (batch ages,
// pauses, timeouts) are of one process's monotonic clock.
//
// # Leaders
//
// A leader's word on a partition's end counts for the watermark only if more than half of the
// brokers, asked later, know of no newer leader. So a leader that is cut off from the other
// brokers, and still answers, does not move the watermark. A new leader is believed once it knows
// which records were acknowledged before its election. Package kafka asks these questions.
//
// # Where the promise ends
//
//   - Kafka's retention must outlast an outage of ingest or ClickHouse. Records that Kafka deleted
//     are lost: they are counted, not recovered.
//   - A topic that is deleted takes its unread records with it. If it is made anew, the new one is
//     read from its start and the break is counted as at least one record. Package kafka lists what
//     else brokers cannot tell.
//   - Producers that use acks=0 or acks=1 can lose records before anyone can read them.
//   - ClickHouse must keep what it acknowledged. On a cluster, an insert waits for all replicas
//     (schema/tables, cluster.go).
//   - A refused record counts as an erased person's if its org and user can be read, and if its
//     record's time or its event's own is from before the erasure. Other refused records of the
//     person are kept like any reject: those that name the person in another way, and those that
//     are produced again without a readable time of their own. They stay for 90 days, or until the
//     erasure is repeated (`rollcall forget`), which searches the whole text.
//   - Of a very large record, a reject keeps only a part of the key and the headers. Some
//     compressed record batches take much memory. Package recordbatch gives these limits. An event
//     is judged by all of it, whatever its size.
//   - A response holds a record batch as it is on the wire, so each response may need as much
//     memory as the broker's message.max.bytes. There are two responses for each broker.
//   - Brokers must be Kafka 2.3 or newer, and records in message format 2 (Kafka 0.11, 2017). Older
//     segments stop their partition with an error.
//   - Duplicates and conflicts are counted within a batch only. Across batches the table settles
//     them and reports nothing.
//
// # Freshness and cost
//
// A batch is stored when the batch before it is stored and it is BatchAge old or full. A record is
// in the log about BatchAge after it was produced. Under load batches grow and inserts become
// fewer; fetching waits while both batches are in use. One process decodes on one core and stores
// at the same time on another. More processes in the same group share the partitions.
package ingest
