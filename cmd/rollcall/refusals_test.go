package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// A request that net/http refuses before any handler runs is answered with a status and leaves no
// log line of level INFO or above, with and without TLS. The two 5xx are those of RFC 9110 for a
// transfer coding and for a version of HTTP that a server does not know.
func TestRefusalsBeforeTheHandlerAreNotLogged(t *testing.T) {
	certificate := newCertificate(t)
	for name, c := range map[string]struct {
		certFile, keyFile string
		dial              func(addr string) (net.Conn, error)
	}{
		"plain": {dial: func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }},
		"TLS": {certificate.CertFile, certificate.KeyFile, func(addr string) (net.Conn, error) {
			return tls.Dial("tcp", addr, &tls.Config{RootCAs: certificate.Pool})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var log safeBuffer
			s := &service{log: slog.New(slog.NewTextHandler(&log, nil))}
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("the handler got %s %s %s", r.Method, r.URL, r.Proto)
			})
			addr := processtest.FreeAddr(t)
			if err := s.serve(addr, guarded(handler), 10, c.certFile, c.keyFile); err != nil {
				t.Fatal(err)
			}
			runUntilTheTestEnds(t, s)
			for request, want := range map[string]int{
				"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n": http.StatusNotImplemented,
				"GET / HTTP/9.0\r\nHost: h\r\n\r\n":                             http.StatusHTTPVersionNotSupported,
				"GET / HTTP/1.1\r\n\r\n":                                        http.StatusBadRequest,
				"GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n":                   http.StatusBadRequest,
				"GET / HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n":                  http.StatusBadRequest,
				"\x00\r\n\r\n": http.StatusBadRequest,
			} {
				conn, err := c.dial(addr)
				if err != nil {
					t.Fatal(err)
				}
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				io.WriteString(conn, request)
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				conn.Close()
				if err != nil || response.StatusCode != want {
					t.Errorf("%q: %v, %v; want %d", request, response, err, want)
				}
			}
			plain, err := net.Dial("tcp", addr) // to the TLS port, a client that fails the handshake
			if err != nil {
				t.Fatal(err)
			}
			plain.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(plain, "rubbish\r\n\r\n")
			io.Copy(io.Discard, plain) // returns when the server has closed it
			plain.Close()
			if text := log.String(); text != "" {
				t.Errorf("the log has\n%s", text)
			}
		})
	}
}
