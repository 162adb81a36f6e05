package embedded_test

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded"
)

// The engine runs inside the process, as in `rollcall demo`. The library must leave the signals to
// Go.
func TestEngineInsideTheProcess(t *testing.T) {
	dir := t.TempDir()
	engine, err := embedded.StartEngine(context.Background(), embedded.EngineOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { engine.Close() }()
	mustPost(t, engine.URL(), "CREATE DATABASE d")
	mustPost(t, engine.URL(), "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
	mustPost(t, engine.URL(), "INSERT INTO d.t VALUES (42)")

	t.Run("a second one is refused", func(t *testing.T) {
		if _, err := embedded.StartEngine(context.Background(), embedded.EngineOptions{Dir: t.TempDir()}); err == nil ||
			!strings.Contains(err.Error(), "runs an engine already") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a nil pointer is a panic, no crash", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		var nowhere *sync.WaitGroup
		nowhere.Add(1)
	})
	t.Run("SIGTERM and SIGINT reach Go", func(t *testing.T) {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			got := make(chan os.Signal, 1)
			signal.Notify(got, s)
			syscall.Kill(os.Getpid(), s)
			select {
			case <-got:
			case <-time.After(5 * time.Second):
				t.Errorf("%v did not arrive", s)
			}
			signal.Stop(got)
		}
	})
	t.Run("a CPU profile may be taken while it works", func(t *testing.T) {
		var profile bytes.Buffer
		if err := pprof.StartCPUProfile(&profile); err != nil {
			t.Fatal(err)
		}
		var queries sync.WaitGroup
		for range 4 {
			queries.Go(func() { mustPost(t, engine.URL(), "SELECT sum(sipHash64(number)) FROM numbers(5000000)") })
		}
		queries.Wait()
		pprof.StopCPUProfile()
		if profile.Len() == 0 {
			t.Error("the profile is empty")
		}
	})
	t.Run("it can be closed and started again", func(t *testing.T) {
		engine.Close()
		engine.Close()
		if _, err := post(engine.URL(), "SELECT 1"); err == nil {
			t.Error("a closed engine answers")
		}
		again, err := embedded.StartEngine(context.Background(), embedded.EngineOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		engine = again
		if got := mustPost(t, engine.URL(), "SELECT n FROM d.t"); got != "42\n" {
			t.Errorf("got %q", got)
		}
	})
}
