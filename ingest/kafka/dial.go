package kafka

import (
	"context"
	"crypto/tls"
	"net"
)

// Dial returns how kafka-go opens a connection to a broker. Each new connection asks for its TLS,
// so that authorities can be replaced while the process runs. kafka-go itself takes one
// configuration for good. Without TLS (nil) the connections are plain TCP.
//
// A broker's certificate must be for the host by which the broker is addressed: a name, or an IP
// address.
func Dial(current func() *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if current == nil {
		return new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		// It takes the name to verify from addr, and ends with ctx also while it shakes hands.
		return (&tls.Dialer{Config: current()}).DialContext(ctx, network, addr)
	}
}
