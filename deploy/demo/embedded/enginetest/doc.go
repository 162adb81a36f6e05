// Package enginetest gives tests the embedded ClickHouse engine.
//
// The engine runs in a process of its own, which is the test binary started again. So it works
// under the race detector, and tests may kill it. The process and its directory are removed when
// the test binary ends, however it ends. A test binary starts one engine for all its tests, and
// each test makes a database of its own:
//
//	options := enginetest.Database(t)
//	conn, err := tables.Open(options)
package enginetest
