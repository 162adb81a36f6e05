// Package rows turns events and refused records into blocks of ClickHouse's Native format: Events
// for the log, Entities for the attribute history, Rejects for refused records, Marks for slices
// that changed. It knows no Kafka and opens no connection: whoever stores a block sends the
// statement Block.Insert and the bytes of Block.Encode.
//
// # What a block promises
//
//   - Its rows are in the order of their table's sorting key, so the server need not sort them.
//     Rejects and marks are few and stay in the order of arrival.
//   - Of copies of one event it has one, of the highest version; the callers of Blocks are told of
//     the others.
//   - A block of events is of one calendar month, and so of one partition: the server stores it as
//     one part, which is there or is not. A block of rejects is of bounded size.
//   - The same rows in the same order of arrival give the same bytes, so a repeated insert is equal
//     to the first.
//
// # Memory
//
// Add copies what it is given. Reset forgets the rows and keeps the memory, so that batches of one
// kind need no new memory; Held says how much that is. What Blocks, Slices, Event and Reject give
// are views: they hold until Reset, and a block until Blocks is called again. The bytes of a block
// hold until another block of the same table is encoded. None of the types is safe for concurrent
// use.
package rows
