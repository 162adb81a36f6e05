package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall/export"
	"rollcall/ingest"
	"rollcall/schema/tables"
)

func TestReasonsOfNotReady(t *testing.T) {
	for want, err := range map[string]error{
		reasonNoAnswer:   &net.OpError{Op: "dial", Err: errors.New("connection refused")},
		reasonClickHouse: &clickhouse.Exception{Code: 241, Name: "MEMORY_LIMIT_EXCEEDED"},
		reasonSchema:     tables.ErrSchema,
		reasonSecret:     tables.ErrSecret,
		reasonStarting:   errStarting,
		reasonAudit:      fmt.Errorf("%w: %w", export.ErrAudit, &clickhouse.Exception{Code: 243}),
		reasonAssignment: ingest.ErrNoAssignment,
		reasonOther:      errors.New("a defect"),
	} {
		if got := reasonOf(fmt.Errorf("look: %w", err)); got != want {
			t.Errorf("%v is %s, not %s", err, got, want)
		}
	}
	if got := reasonOf(fmt.Errorf("look: %w", context.DeadlineExceeded)); got != reasonNoAnswer {
		t.Errorf("an engine that is frozen is %s", got)
	}
	for _, reason := range notReadyReasons() {
		if whatToDo[reason] == "" {
			t.Errorf("nothing is said to do about %s", reason)
		}
	}
}

// A watched stage shows in the metrics whether it is ready, and why not. The log has a line when it
// is no longer ready and one when it is again. A start is told only if it takes long.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log safeBuffer
		var read int // bytes of the log that tells has seen
		m := newReadinessMetrics(prometheus.NewRegistry())
		var state atomic.Pointer[readiness]
		is := func(err error) { state.Store(&readiness{err}) }
		is(ingest.ErrNoAssignment)
		w := newWatch("ingest", readiness{}, m, slog.New(slog.NewTextHandler(&log, nil)))
		w.ready = func(ctx context.Context) error { return state.Load().Ready(ctx) }
		shows := func(reason string) {
			t.Helper()
			ready := testutil.ToFloat64(m.ready.WithLabelValues("ingest"))
			if ready != oneIf(reason == "") {
				t.Errorf("rollcall_ready is %v, want the reason %q", ready, reason)
			}
			for _, r := range notReadyReasons() {
				if shown := testutil.ToFloat64(m.notReady.WithLabelValues("ingest", r)); shown != oneIf(r == reason) {
					t.Errorf("rollcall_not_ready for %s is %v, want the reason %q", r, shown, reason)
				}
			}
		}
		tells := func(lines ...string) {
			t.Helper()
			text := log.String()[read:]
			read += len(text)
			got := strings.Split(strings.TrimSpace(text), "\n")
			for i, line := range lines {
				if len(got) != len(lines) || !strings.Contains(got[i], line) {
					t.Errorf("the log says %q, want %q", got, lines)
					break
				}
			}
			if len(lines) == 0 && text != "" {
				t.Errorf("the log says %q", got)
			}
		}
		shows(reasonStarting)
		ctx, stop := context.WithCancel(t.Context())
		go w.run(ctx)
		after := func(d time.Duration) { <-time.After(d); synctest.Wait() }

		after(3 * time.Second)
		shows(reasonAssignment)
		tells()
		is(nil)
		after(3 * time.Second)
		shows("")
		tells()
		is(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
		after(5 * time.Minute)
		shows(reasonNoAnswer)
		tells(`level=WARN msg="not ready" stage=ingest do="look whether ClickHouse runs`)
		is(nil)
		after(3 * time.Second)
		shows("")
		tells(`level=INFO msg="ready again" stage=ingest lasted=5m`)
		stop()
		synctest.Wait()
	})
}

// A start that takes long is told, too.
func TestAStartThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log safeBuffer
		stage := readiness{ingest.ErrNoAssignment}
		m := newReadinessMetrics(prometheus.NewRegistry())
		w := newWatch("ingest", stage, m, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		go w.run(ctx)
		<-time.After(startTime + 2*readyEvery)
		stop()
		synctest.Wait()
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "waits for the brokers") {
			t.Errorf("the log says %q", log.String())
		}
	})
}
