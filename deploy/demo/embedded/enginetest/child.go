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

// childVariable makes a test binary an engine instead: it holds the child's orders.
const childVariable = "ROLLCALL_TEST_ENGINE"

// orders are what the parent tells its engine process.
type orders struct {
	Options Options
	Remove  bool // Dir goes with the process
}

// The test binary becomes the engine here, before anything of the tests runs: testing has no other
// place for it that needs nothing from each package.
func init() {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(child(text))
	}
}

// child runs an engine until its standard input ends, which it does when the parent does. It prints
// the address once it answers.
func child(text string) int {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		return 2
	}
	if o.Remove {
		defer os.RemoveAll(o.Options.Dir)
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // a terminal sends them to both; the parent's end is what counts
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	engine, err := embedded.StartEngine(ctx, embedded.EngineOptions{
		Dir: o.Options.Dir, Addr: o.Options.Addr, MaxMemory: o.Options.MaxMemory, Config: o.Options.Config,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
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

// startLimit is how long an engine may take to answer; a cold disk cache takes seconds for the
// library.
const startLimit = time.Minute
