package suite

import (
	"crypto/tls"

	"github.com/segmentio/kafka-go"
)

// security has the options of clients of a broker that does not speak plain text. The backend in
// containers sets it before the first test's first record.
var security struct {
	tls  *tls.Config
	kcat []string // the same, as kcat's arguments
}

func transport() *kafka.Transport { return &kafka.Transport{TLS: security.tls} }
