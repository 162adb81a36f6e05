// Package tables is where events rest: the ClickHouse tables as numbered migrations, the connection every stage uses, and the queries that more than one
// stage must agree on (how a rollup's rows are made from the log, what a slice's version is).
//
// It knows SQL and the schema package, and no stage.
package tables
