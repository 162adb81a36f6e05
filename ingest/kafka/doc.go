// Package kafka brings the records of a group member's partitions from the brokers to whoever
// decodes them, and the offsets of what was stored back. It knows nothing of what the records say,
// nor of where they are stored.
//
//	Cluster ──Layout──► who leads what
//	   ▲                      │
//	Fetcher (per leader) ◄─ Assignment: where to go on in each Partition
//	   │
//	   └──Response: what is Fetched of each partition, as whole record batches──► decoder
//
// # What it promises
//
//   - A Response has a partition's records in order, from the position that was asked for: nothing
//     is left out between two of them but what is counted and logged as a Gap.
//   - A record batch whose checksum is wrong, or that cannot be read, is fetched again until it
//     can, or until an operator names it. Its partition waits, the others go on. What can be read
//     is never passed over, whatever is named; nor is a batch whose end nobody can tell.
//   - An offset means what it meant when it was committed: with it go the leader epoch and the
//     topic's id. If a new leader's log has other records there, or the topic was made anew,
//     reading goes back to where the logs part, or to the start, and the break is counted.
//   - Two responses of each broker are held, and no more: who does not release one holds up the
//     fetching.
//
// # Leaders
//
// A Layout is what all brokers say, each asked by itself. One that is cut off from the others and
// answers all the same does not decide who leads: of each partition the newest leader counts that
// any broker knows of. A layout is Partial if no more than half of the brokers answered. Before
// anything is fetched from a new leader, it has to confirm the position (KIP-320), and to know what
// was acknowledged before it (KIP-207).
//
// # Where the promise ends
//
//   - What Kafka deleted is lost; it is counted, not recovered.
//   - If a topic is made anew, the break is counted as one record at least, since nobody can say
//     what was lost. Before Kafka 2.8 topics have no ids: one that is made anew and outgrows the
//     old position between two fetches, in the same leader epoch, then cannot be told from the old
//     one.
//   - An offset that an operator set, or that a Rollcall before leader epochs committed, is taken
//     as it is: nothing says which log it was meant for.
//   - If more than half of a cluster's brokers are cut off from its controllers and only these are
//     reached, they are believed.
//   - Brokers must be Kafka 2.3 or newer.
package kafka
