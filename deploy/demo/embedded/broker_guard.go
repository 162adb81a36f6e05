package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequestBytes is Kafka's own limit (socket.request.max.bytes). It is needed because the cluster
// allocates whatever size a request claims to have.
const maxRequestBytes = 100 << 20

// listenGuarded listens for one node of the cluster.
func listenGuarded(ctx context.Context, network, addr string, opts BrokerOptions) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another process: stop it, or choose another address", addr)
	}
	if err != nil {
		return nil, err
	}
	if opts.Listen != nil {
		l = opts.Listen(l)
	}
	return guardedListener{l, opts.Log}, nil
}

type guardedListener struct {
	net.Listener
	log *slog.Logger
}

func (l guardedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn, log: l.log}, nil
}

// guardedConn reads the head of every request and closes the connection if the cluster would not
// survive the request: an API key that the cluster does not know is a nil pointer in its reader,
// which ends the whole process. Everything else passes unchanged.
type guardedConn struct {
	net.Conn
	log    *slog.Logger
	buffer [requestHead]byte
	head   []byte // of the current request, not yet passed on
	body   int    // bytes of the current request not yet read from the wire
}

const requestHead = 4 + 2 + 2 // size, API key, version

func (c *guardedConn) Read(p []byte) (int, error) {
	if len(c.head) == 0 && c.body == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.body)])
	c.body -= n
	return n, err
}

// next reads the head of the next request and checks it.
func (c *guardedConn) next() error {
	if _, err := io.ReadFull(c.Conn, c.buffer[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(c.buffer[0:])
	key := int16(binary.BigEndian.Uint16(c.buffer[4:]))
	version := int16(binary.BigEndian.Uint16(c.buffer[6:]))
	var err error
	switch {
	case size < requestHead || size > maxRequestBytes:
		err = fmt.Errorf("a request of %d bytes: not Kafka's protocol", size)
	case kmsg.RequestForKey(key) == nil || version < 0:
		err = fmt.Errorf("request for unknown API %d, version %d", key, version)
	}
	if err != nil {
		c.log.Warn("embedded broker: connection refused", "client", c.RemoteAddr().String(), "error", err)
		return err
	}
	c.head = c.buffer[:]
	c.body = int(size) - (requestHead - 4)
	return nil
}
