// Package suite is the integration suite. It runs the product in this process, against a broker and
// an engine that are parameters (backend_test.go), and compares the exports with the oracle's. It
// imports every stage, and no stage imports it.
//
//	traffic ──► broker ──► ingest ──► engine ──► rollup ──► export ──► the file that an admin gets
//	   │                               (of all, half or none of the slices)           │
//	   └─────────► oracle ─────────────────────────────────────────────────► must be the same
//
// The message of a failure names the seed that reproduces it (flag -seed).
package suite
