// Package enginetest gives tests the embedded ClickHouse engine.
//
// The engine runs in a process of its own: the test binary, started again. So it works under the
// race detector, tests may kill it, and it goes, with its directory, when the test binary ends,
// however that ends. A test binary starts one engine for all its tests, and each test makes a
// database of its own:
//
//	options := enginetest.Database(t)
//	conn, err := tables.Open(options)
package enginetest
