// Package oracle computes every export from the produced records alone, with plain Go maps and
// slices: no SQL, no product code, nothing shared with what it judges. It is SPEC.md §1 and §2 read
// a second time, as literally and as slowly as can be: a row is the list of its events, a column is
// a function of that list.
//
// What the specification leaves to the product, the oracle does not guess but holds to its promise:
// of copies that differ in content it takes the one it is told has won, if that is one of the
// copies (Settle); a p95 may be 1 % off.
package oracle
