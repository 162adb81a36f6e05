package suite

import (
	"crypto/tls"
	"testing"

	"github.com/segmentio/kafka-go"

	ingestkafka "rollcall/ingest/kafka"
)

// security has the options of clients of a broker that does not speak plain text. The backend in
// containers sets it before the first test's first record.
var security struct {
	tls  func() *tls.Config
	kcat []string // the same, as kcat's arguments
}

// transport is how a test's clients reach its broker. Each transport asks the broker for its
// metadata every few seconds until it is closed, so a test shares one between its clients.
func transport(t *testing.T) *kafka.Transport {
	shared := &kafka.Transport{Dial: ingestkafka.Dial(security.tls)}
	t.Cleanup(shared.CloseIdleConnections)
	return shared
}
