// Package ports gives tests ports for servers that must know theirs before they start: a broker
// tells clients its address, and a process that is killed comes back on the same one.
//
// A port that the system chose (":0") and that is closed again is no such port: the system may hand
// it to the next connection of any process. So ports are taken from below the range in which the
// systems choose (from 32768 on Linux, from 49152 on macOS), and a UDP socket of the same number
// keeps other tests from taking them, in this process and in others.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

const first, end = 20000, 32768

// held has the sockets of the claimed ports: the garbage collector closes one that nobody holds.
var held sync.Map

// Claim returns a port of 127.0.0.1 on which nobody listens. No other Claim returns it before it is
// released or this process has ended.
func Claim() (port int, release func(), err error) {
	for range 100 {
		port = first + rand.IntN(end-first)
		var socket net.PacketConn
		if socket, err = take(port); err == nil {
			held.Store(port, socket)
			return port, func() { held.Delete(port); socket.Close() }, nil
		}
	}
	return 0, nil, fmt.Errorf("no free port from %d to %d in 100 tries: %w", first, end-1, err)
}

func take(port int) (net.PacketConn, error) {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	socket, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, listener.Close()
}
