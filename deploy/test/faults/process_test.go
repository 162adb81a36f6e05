//go:build faults && linux

package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process runs one command, which can be started again and again.
type process struct {
	name    string
	command []string
	admin   string // host:port of /readyz and /metrics; empty: none
	log     string

	mu      sync.Mutex
	running *exec.Cmd
	ended   chan struct{}

	slowest time.Duration // the longest time from a start after a kill to ready
	kills   int
	killed  bool      // killed since the last start
	again   time.Time // time of the last start after a kill; zero once the process is ready
}

// start runs the command; any goroutine may call it. The started process ends with this one, even
// if this one is killed.
func (p *process) start(t testing.TB) {
	t.Helper()
	if err := p.launch(); err != nil {
		t.Errorf("start %s: %v", p.name, err)
	}
}

func (p *process) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := launcher()(cmd.Start); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log of the process says how it ended
		close(ended)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = cmd
	p.ended = ended
	if p.killed {
		p.killed = false
		p.again = time.Now()
	}
	return nil
}

// launcher runs all starts on one thread that never ends. The kernel kills a child when the thread
// that started it ends.
var launcher = sync.OnceValue(func() func(func() error) error {
	calls := make(chan func() error)
	results := make(chan error)
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			results <- call()
		}
	}()
	return func(start func() error) error { calls <- start; return <-results }
})

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive() {
		_ = p.running.Process.Signal(s)
	}
}

func (p *process) alive() bool {
	if p.running == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill sends SIGKILL and returns when the process is gone; any goroutine may call it.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.mu.Lock()
	ended := p.ended
	p.kills++
	p.killed = true
	p.mu.Unlock()
	<-ended
}

// stop sends SIGTERM. The process must end within 15 s (SPEC.md §4).
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(17 * time.Second):
		t.Errorf("%s did not stop within 17 s of SIGTERM", p.name)
		p.kill()
	}
}

// ensure starts the process if it is not running, and waits until it is ready.
func (p *process) ensure(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	alive := p.alive()
	p.mu.Unlock()
	if !alive {
		p.start(t)
	}
	eventually(t, p.name+" is ready", func() bool {
		p.mu.Lock()
		alive := p.alive()
		p.mu.Unlock()
		if !alive { // the start failed: its address was still taken, or a kill came first
			p.start(t)
		}
		return p.get("/readyz") != ""
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.again.IsZero() {
		p.slowest = max(p.slowest, time.Since(p.again))
		p.again = time.Time{}
	}
}

func (p *process) get(path string) string {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + p.admin + path)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is long enough for a slow machine. When all is well, nothing waits so long.
const patience = 90 * time.Second

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is still not so that %s", patience, what)
		}
	}
}

// tail returns the last lines of a log, for the message of a failed test.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("--- %s\n%s", p.name, text[max(0, len(text)-3000):])
}
