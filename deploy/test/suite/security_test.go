package suite

import (
	"crypto/tls"

	"github.com/segmentio/kafka-go"
)

// security is how the broker is spoken to, where that is not in plain text: the backend in
// containers sets it before the first test's first record.
var security struct {
	tls  *tls.Config
	kcat []string // the same, as kcat's arguments
}

func transport() *kafka.Transport { return &kafka.Transport{TLS: security.tls} }
