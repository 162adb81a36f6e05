// Rollcall turns the usage events of an AI workspace product into exact usage exports. `rollcall
// --help` lists its commands.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	std := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(run(ctx, os.Args[1:], std))
}

// streams are where a command reads and writes. Results go to out, everything else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes.
const (
	ok          = 0
	failed      = 1 // the work or the check failed
	badSettings = 2 // nothing was started
)

// run parses the command line, runs the command until it ends or ctx is cancelled, and returns the
// exit code.
func run(ctx context.Context, args []string, std streams) int {
	command, err := parse(args, std)
	if err == nil {
		err = command(ctx)
	}
	if err == nil || errors.Is(err, errHelpShown) {
		return ok
	}
	code := failed
	if errors.As(err, new(settingsError)) {
		code = badSettings
	}
	tellFatal(std.err, args, code, err)
	return code
}
