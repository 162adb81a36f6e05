// Package rows turns events and refused records into blocks of ClickHouse's Native format: Events
// for the log, Entities for the attribute history, Rejects for refused records, Marks for slices
// that changed. It knows no Kafka and opens no connection. To store a block, the caller sends the
// statement Block.Insert and then the bytes of Block.Encode.
//
// # What a block promises
//
//   - Its rows are in the order of their table's sorting key, so the server need not sort them.
//     Rejects and marks are few and stay in the order of arrival.
//   - Of several copies of one event, a block has one, of the highest version. Blocks reports the
//     other copies to its caller.
//   - A block of events is of one calendar month, and so of one partition: the server stores the
//     block as one part, either all of it or nothing. A block of rejects is of bounded size.
//   - The same rows in the same order of arrival give the same bytes, so a repeated insert is equal
//     to the first.
//
// # Memory
//
// Add copies its arguments. Reset forgets the rows and keeps the memory, so that batches of one
// kind need no new memory. Held says how much memory that is. Blocks, Slices, Event and Reject
// return views: they are valid until Reset, and a block only until Blocks is called again. The
// bytes of a block are valid until another block of the same table is encoded. None of the types is
// safe for concurrent use.
package rows
