package main

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a command in a process of its own.
type process struct {
	*testing.T
	cmd *exec.Cmd
	out safeBuffer // standard output and standard error
}

// start starts a command, with these variables in addition to the test's own.
func start(t *testing.T, variables []string, binary string, args ...string) *process {
	t.Helper()
	p := &process{T: t, cmd: exec.Command(binary, args...)}
	p.cmd.Env = append(os.Environ(), variables...)
	p.cmd.Stdout = &p.out
	p.cmd.Stderr = &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

func (p *process) eventually(what string, is func() bool) {
	p.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); {
		if time.Now().After(deadline) {
			p.Fatalf("after 90 s still not: %s\n%s", what, p.out.String())
		}
		<-time.After(50 * time.Millisecond)
	}
}

// stop sends the signal and expects exit code 0 within 15 s.
func (p *process) stop(signal os.Signal) {
	p.Helper()
	p.cmd.Process.Signal(signal)
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil && signal != syscall.SIGKILL {
			p.Fatalf("after %s: %v\n%s", signal, err, p.out.String())
		}
	case <-time.After(15 * time.Second):
		p.Fatalf("did not stop within 15 s of %s\n%s", signal, p.out.String())
	}
}

// A safeBuffer can be written by one goroutine and read by another. It does not embed the buffer,
// because the buffer's ReadFrom would bypass the lock.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
