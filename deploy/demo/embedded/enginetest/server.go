package enginetest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options are those of an engine that a test starts for itself.
type Options struct {
	Dir       string // its data, which is kept; required
	Addr      string // default 127.0.0.1:0
	Config    string // path of a ClickHouse configuration file
	MaxMemory int64  // bytes for all queries together; default half of the machine's
}

// Server is an engine in a process of its own.
type Server struct {
	URL string // http://127.0.0.1:port, without a database

	template template

	process *exec.Cmd
	input   io.Closer
	errors  *bytes.Buffer
	ended   chan struct{}
}

var shared struct {
	sync.Once
	server *Server
	err    error
}

// Shared is the engine of this test binary. The first call starts it, on a temporary directory.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Do(func() {
		dir, err := os.MkdirTemp("", "rollcall-engine-*")
		if err != nil {
			shared.err = err
			return
		}
		var o Options
		if o, shared.err = withTemplate(Options{Dir: dir}); shared.err == nil {
			shared.server, shared.err = start(orders{Options: o, Remove: true})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Start starts an engine on a directory of the test's own. The engine is stopped at the test's end,
// unless the test calls Stop or Kill before.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(orders{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// start returns once the engine answers. Its error is the engine's message.
func start(o orders) (*Server, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Server{
		template: template{dir: o.Options.Dir}, process: exec.Command(binary), errors: &bytes.Buffer{},
		ended: make(chan struct{}),
	}
	s.process.Env = append(os.Environ(), childVariable+"="+string(text))
	s.process.Stderr = io.MultiWriter(os.Stderr, s.errors)
	output, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.input, err = s.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	overdue := time.AfterFunc(startLimit+10*time.Second, func() { s.process.Process.Kill() })
	defer overdue.Stop()
	line, _ := bufio.NewReader(output).ReadString('\n')
	go func() {
		s.process.Wait()
		close(s.ended)
	}()
	if s.URL = strings.TrimSpace(line); s.URL == "" {
		s.input.Close()
		<-s.ended
		return nil, fmt.Errorf("the test engine did not start: %s", strings.TrimSpace(s.errors.String()))
	}
	return s, nil
}

// Stop ends the engine in order and waits for its process.
func (s *Server) Stop() {
	s.input.Close()
	<-s.ended
}

// Kill ends the engine's process with SIGKILL, as a crash would, and waits for it.
func (s *Server) Kill() {
	s.process.Process.Kill()
	<-s.ended
	s.input.Close()
}

// CPU is the CPU time of the engine's process so far. It is 0 where there is no /proc.
func (s *Server) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	// the fields after the process's name, which may have spaces
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// ticks is the unit in which Linux counts CPU time in /proc: 100 ticks a second on every platform
// that Go supports.
const ticks = 100
