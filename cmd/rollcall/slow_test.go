package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// serving starts a server that answers "ok", with the limits of the product, and returns its
// address.
func serving(t *testing.T, maxConnections int, change func(*http.Server)) (addr string) {
	t.Helper()
	s, addr := &service{log: slog.New(slog.DiscardHandler)}, processtest.FreeAddr(t)
	server := guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, "ok")
	}))
	if change != nil {
		change(server)
	}
	if err := s.serve(addr, server, maxConnections, "", ""); err != nil {
		t.Fatal(err)
	}
	runUntilTheTestEnds(t, s)
	return addr
}

func runUntilTheTestEnds(t *testing.T, s *service) {
	t.Helper()
	done := make(chan error, 1)
	stop := make(chan struct{})
	s.group.Add(func() error { <-stop; return nil }, func(error) {})
	go func() { done <- s.group.Run() }()
	t.Cleanup(func() { close(stop); <-done })
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(50 * time.Second))
	return conn
}

// A client that sends its header byte by byte, without end, is cut off after 10 s, and a client
// that does so with its body after 30 s. The test uses a tenth of these times. Other clients are
// answered meanwhile.
func TestSlowClientsAreCut(t *testing.T) {
	for _, c := range []struct {
		name, begins string
		limit        time.Duration
	}{
		{"header", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 10 * time.Second},
		{"body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limits := map[string]time.Duration{}
			addr := serving(t, 10, func(s *http.Server) {
				limits["header"] = s.ReadHeaderTimeout
				limits["body"] = s.ReadTimeout
				s.ReadHeaderTimeout = s.ReadHeaderTimeout / 10
				s.ReadTimeout = s.ReadTimeout / 10
			})
			if limits[c.name] != c.limit {
				t.Errorf("the limit is %v", limits[c.name])
			}
			conn := dial(t, addr)
			started := time.Now()
			io.WriteString(conn, c.begins)
			go func() {
				for { // until the connection is cut
					if _, err := io.WriteString(conn, "a"); err != nil {
						return
					}
					<-time.After(50 * time.Millisecond)
				}
			}()
			if got := status(t, addr); got != 200 {
				t.Errorf("beside the slow one: %d", got)
			}
			io.Copy(io.Discard, conn) // returns when the server has cut it
			if took := time.Since(started); took < c.limit/10-100*time.Millisecond || took > c.limit/10+5*time.Second {
				t.Errorf("cut after %v", took)
			}
		})
	}
}

func status(t *testing.T, addr string) int {
	t.Helper()
	conn := dial(t, addr)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	return response.StatusCode
}

func TestLargeHeadersAreRefused(t *testing.T) {
	conn := dial(t, serving(t, 10, nil))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%+v, %v", response, err)
	}
}

// A connection that stays open and unused is closed after 2 min; in this test sooner.
func TestIdleConnectionsAreClosed(t *testing.T) {
	var limit time.Duration
	addr := serving(t, 10, func(s *http.Server) {
		limit = s.IdleTimeout
		s.IdleTimeout = 200 * time.Millisecond
	})
	if limit != 2*time.Minute {
		t.Errorf("the limit is %v", limit)
	}
	conn := dial(t, addr)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	started := time.Now()
	text, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(text), "ok") || time.Since(started) > 20*time.Second {
		t.Errorf("%q, %v, after %v", text, err, time.Since(started))
	}
}

// If there are more connections than allowed, the others wait; none is lost.
func TestConnectionsAreLimited(t *testing.T) {
	addr := serving(t, 2, nil)
	held := []net.Conn{dial(t, addr), dial(t, addr)}
	<-time.After(100 * time.Millisecond) // both are accepted
	third := dial(t, addr)
	io.WriteString(third, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	third.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := third.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a third of two connections was answered")
	}
	held[0].Close()
	third.SetReadDeadline(time.Now().Add(20 * time.Second))
	if text, err := io.ReadAll(third); err != nil || !strings.HasSuffix(string(text), "ok") {
		t.Errorf("after one of them ended: %q, %v", text, err)
	}
}
