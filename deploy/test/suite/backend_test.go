//go:build !containers

package suite

import (
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/schema/tables"
)

// backend gives a test a broker with empty topics and an engine with an empty, migrated database.
// The broker is the embedded one or, with ROLLCALL_TEST_KAFKA=real, Apache Kafka. The engine is the
// embedded one. With the build tag containers, both are servers in containers
// (backend_containers_test.go).
func backend(t *testing.T, topics ...string) (broker string, ch tables.Options) {
	return kafkatest.Open(t, topics...).Addr, enginetest.Database(t)
}
