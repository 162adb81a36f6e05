// Package kafka brings the records of a group member's partitions from the brokers to a decoder,
// and brings the offsets of stored records back. It does not know what the records say, nor where
// they are stored.
//
//	Cluster ──Layout──► which broker leads which partition
//	   ▲                      │
//	Fetcher (per leader) ◄─ Assignment: where to go on in each Partition
//	   │
//	   └──Response: what is Fetched of each partition, as whole record batches──► decoder
//
// # What it promises
//
//   - A Response has a partition's records in order, from the position that was asked for. Between
//     two responses nothing is left out, except what is counted and logged as a Gap.
//   - A record batch with a wrong checksum, or one that cannot be read, is fetched again until it
//     can be read, or until an operator names it. Its partition waits and the others go on. A batch
//     that can be read is never passed over, even if it is named. Nor is a batch passed over if its
//     end cannot be known.
//   - A committed offset keeps its meaning, because the leader epoch and the topic's id are
//     committed with it. A new leader's log may have other records below the offset, or the topic
//     may have been made anew. Then reading goes back to where the two logs part, or to the start,
//     and the break is counted.
//   - Two responses of each broker are held, never more. Fetching waits until the decoder releases
//     one.
//
// # Leaders
//
// A Layout is what all brokers say, each asked separately. A broker that is cut off from the others
// may still answer, but it does not decide who leads: for each partition, the newest leader that
// any broker knows counts. A layout is Partial if no more than half of the brokers answered. Before
// anything is fetched from a new leader, the leader has to confirm the position (KIP-320), and to
// know which records were acknowledged before its election (KIP-207).
//
// # Where the promise ends
//
//   - Records that Kafka deleted are lost: they are counted, not recovered.
//   - If a topic is made anew, the break is counted as at least one record, since nobody can say
//     how many were lost. Before Kafka 2.8 topics have no ids. There, a new topic cannot be told
//     from the old one if, between two fetches and in the same leader epoch, it outgrows the old
//     position.
//   - An offset that an operator set is taken as it is, and so is one that a Rollcall without
//     leader epochs committed: nothing says which log the offset was meant for.
//   - If more than half of a cluster's brokers are cut off from its controllers, and only these
//     brokers are reached, they are believed.
//   - Brokers must be Kafka 2.3 or newer.
package kafka
