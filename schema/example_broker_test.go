package schema_test

import (
	"context"
	"net"
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	l.Close()
	broker, err := embedded.StartBroker(context.Background(),
		embedded.BrokerOptions{Dir: dir, Addr: l.Addr().String(), Topics: guideTopics, Partitions: 1})
	if err != nil {
		panic(err)
	}
	return []string{broker.Addr()}, func() { broker.Close(); os.RemoveAll(dir) }
}
