package kafkatest

import (
	"io"
	"net"
	"sync"
)

// A wall forwards connections to an address. When it is closed, it ends them and accepts no others
// until it is opened again.
type wall struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// newWall listens on a free port. Set the field to before the first connection.
func newWall() (*wall, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wall{listener: l, conns: map[net.Conn]bool{}}
	go w.serve()
	return w, nil
}

func (w *wall) addr() string { return w.listener.Addr().String() }

func (w *wall) serve() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.forward(conn)
	}
}

func (w *wall) forward(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.conns[from] = true
	w.conns[to] = true
	w.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, from)
	delete(w.conns, to)
}

// set closes or opens the wall.
func (w *wall) set(closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed = closed; !closed {
		return
	}
	for conn := range w.conns {
		conn.Close()
	}
}
