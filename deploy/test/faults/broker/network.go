package main

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// network is the connection between the broker and its clients.
type network struct {
	slow      atomic.Int64 // each answer is late by at most so many milliseconds
	corrupt   atomic.Int64 // number of answers with records that are still to be corrupted
	corrupted atomic.Int64 // number that were corrupted

	mu    sync.Mutex
	conns map[*conn]bool
	hung  chan struct{} // closed when the connections no longer hang; nil: none hangs
}

func (n *network) listen(l net.Listener) net.Listener { return listener{l, n} }

type listener struct {
	net.Listener
	network *network
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.network.conns == nil {
		l.network.conns = map[*conn]bool{}
	}
	through := &conn{Conn: c, network: l.network}
	l.network.conns[through] = true
	return through, nil
}

// drop ends all connections.
func (n *network) drop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.Conn.Close()
	}
}

// hang makes the connections half-open for a time: nothing arrives and nothing ends. Then they end,
// and new ones work.
func (n *network) hang(d time.Duration) {
	over := make(chan struct{})
	n.mu.Lock()
	n.hung = over
	n.mu.Unlock()
	time.AfterFunc(d, func() {
		n.drop()
		n.mu.Lock()
		n.hung = nil
		n.mu.Unlock()
		close(over)
	})
}

func (n *network) wait() {
	n.mu.Lock()
	hung := n.hung
	n.mu.Unlock()
	if hung != nil {
		<-hung
	}
	if slow := n.slow.Load(); slow > 0 {
		time.Sleep(time.Duration(rand.Int64N(slow)) * time.Millisecond) // the fault itself
	}
}

type conn struct {
	net.Conn
	network *network
}

// unnoticed is how long the broker does not notice that a client is gone; it is longer than a
// session and a rebalance together. It is needed because kfake, unlike Apache Kafka, never times
// out a member whose connection ended while the member joined. Its partitions would have no reader
// for ever.
const unnoticed = 30 * time.Second

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.network.wait()
	if err != nil {
		time.Sleep(unnoticed) // only this connection waits
	}
	return n, err
}

// Write gets one whole answer.
func (c *conn) Write(p []byte) (int, error) {
	c.network.wait()
	if c.network.corrupt.Load() > 0 && spoil(p) {
		c.network.corrupt.Add(-1)
		c.network.corrupted.Add(1)
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const batchHead = 61

// spoil flips a bit in the records of one of an answer's record batches, if it has any. The batch's
// checksum must detect this.
func spoil(answer []byte) bool {
	for i := 0; i+batchHead < len(answer); i++ {
		size := int64(binary.BigEndian.Uint32(answer[i+8:])) + 12
		if answer[i+16] != 2 || size <= batchHead || size > int64(len(answer)-i) {
			continue
		}
		batch := answer[i : i+int(size)]
		if crc32.Checksum(batch[21:], castagnoli) == binary.BigEndian.Uint32(batch[17:]) {
			batch[batchHead+rand.IntN(len(batch)-batchHead)] ^= 1 << rand.IntN(8)
			return true
		}
	}
	return false
}
