// Package suite is the integration suite: the product, started in this process, against a broker
// and an engine that are parameters (backend_test.go), judged by the oracle. It imports every stage
// and none imports it.
//
//	traffic ──► broker ──► ingest ──► engine ──► rollup (all, half or none of the slices) ──► export ──► the file that an admin gets
//	   └──────────────────────────────► oracle ──────────────────────────────────────────► must be the same
//
// Failures name the seed (flag -seed) that makes them again.
package suite
