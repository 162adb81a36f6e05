package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rollcall/deploy/demo/embedded"
)

// childVariable turns a test binary into an engine process. Its value is the child's orders.
const childVariable = "ROLLCALL_TEST_ENGINE"

// orders are what the parent tells its engine process.
type orders struct {
	Options Options
	Remove  bool // remove Dir at the end
}

// The child process becomes the engine here, before any test runs. init is the only place for this
// that needs no code in each package's tests.
func init() {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(child(text))
	}
}

// child runs an engine until its standard input ends, that is, until the parent process ends. It
// prints the address once the engine answers.
func child(text string) int {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		return 2
	}
	if o.Remove {
		defer os.RemoveAll(o.Options.Dir)
	}
	// A terminal sends these signals to parent and child. The child waits for the end of its
	// parent.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	engine, err := embedded.StartEngine(ctx, embedded.EngineOptions{
		Dir: o.Options.Dir, Addr: o.Options.Addr, MaxMemory: o.Options.MaxMemory, Config: o.Options.Config,
		MaxRequestLine: maxRequestLine,
		Log:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(engine.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if !o.Remove {
		engine.Close()
	}
	return 0
}

// maxRequestLine is what nginx takes unless it is told otherwise; other proxies take as little. So
// every test fails in which a statement has a longer request line.
const maxRequestLine = 8 << 10

// startLimit is how long the start of an engine may take. With a cold disk cache, loading the
// library takes seconds.
const startLimit = time.Minute
