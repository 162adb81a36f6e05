package schema_test

import (
	"context"
	"os"

	"rollcall/deploy/demo/embedded"
)

var guideTopics = []string{"usage.messages", "usage.actions", "usage.tokens", "usage.workflows", "usage.entities"}

// exampleBrokers is an embedded broker with the default topics, of one partition each.
func exampleBrokers() (brokers []string, stop func()) {
	dir, err := os.MkdirTemp("", "rollcall-example-")
	if err != nil {
		panic(err)
	}
	broker, err := embedded.StartBroker(context.Background(),
		embedded.BrokerOptions{Dir: dir, Topics: guideTopics, Partitions: 1})
	if err != nil {
		panic(err)
	}
	return []string{broker.Addr()}, func() { broker.Close(); os.RemoveAll(dir) }
}
