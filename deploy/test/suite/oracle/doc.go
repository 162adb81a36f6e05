// Package oracle computes every export from the produced records alone, with plain Go maps and
// slices. It uses no SQL and shares no code with the product. It implements SPEC.md §1 and §2 a
// second time, as literally and as slowly as possible: a row is the list of its events, a column is
// a function of that list.
//
// Where the specification leaves a choice to the product, the oracle checks that the choice is
// allowed. Of copies that differ in content, the test tells it which one has won, and that must be
// one of the copies (Settle). A p95 may be 1 % off.
package oracle
