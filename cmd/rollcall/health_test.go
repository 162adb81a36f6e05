package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A readiness is a part that reports this error, or that it is ready.
type readiness struct{ error }

func (r readiness) Ready(context.Context) error   { return r.error }
func (r readiness) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func TestHealth(t *testing.T) {
	s := &service{reg: prometheus.NewRegistry(), parts: map[string]part{}}
	server := httptest.NewServer(s.admin())
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, addr := range []string{"127.0.0.1:" + port, ":" + port, "0.0.0.0:" + port} {
		s.parts["ingest"] = readiness{}
		if code, out, stderr := call(t, "", "health", "--admin-addr", addr); code != ok || out != "ready\n" {
			t.Errorf("%s: exit code %d, %q, %q", addr, code, out, stderr)
		}
		s.parts["ingest"] = readiness{errors.New("no partitions yet")}
		if code, _, stderr := call(t, "", "health", "--admin-addr", addr); code != failed ||
			!strings.Contains(stderr, "not ready: ingest: no partitions yet") {
			t.Errorf("%s, not ready: exit code %d, %q", addr, code, stderr)
		}
	}
	server.Close()
	if code, _, stderr := call(t, "", "health", "--admin-addr", "127.0.0.1:"+port); code != failed ||
		strings.Count(stderr, "\n") != 1 {
		t.Errorf("nobody there: exit code %d, %q", code, stderr)
	}
	if code, _, _ := call(t, "", "health", "--admin-addr", "9464"); code != badSettings {
		t.Errorf("not an address: exit code %d", code)
	}
}
