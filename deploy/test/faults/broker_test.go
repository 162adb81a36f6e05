//go:build faults && linux

package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"rollcall/deploy/test/kafkatest"
	"rollcall/deploy/test/processtest"
)

// harnessRack is the rack that the harness's own readers name, so that the broker can distinguish
// them from ingest; see the broker's program.
const harnessRack = "harness"

// A broker is the embedded broker in a process of its own. Every start has the same directory and
// address.
type broker struct {
	t       testing.TB
	program string
	dir     string
	addr    string

	mu      sync.Mutex
	process *exec.Cmd
	in      io.Closer
	encoder *json.Encoder
	answers chan string   // answers to commands
	commits chan struct{} // receives when a held commit has arrived
	earlier int           // redelivered by earlier processes, which were killed

	*kafkatest.Broker // administers the broker
}

// startBroker starts the broker for the first time.
func startBroker(t testing.TB, program, dir string, topics []string) *broker {
	b := &broker{t: t, program: program, dir: dir, addr: processtest.FreeAddr(t), commits: make(chan struct{}, 1)}
	b.start(topics)
	b.Broker = kafkatest.Connect(t, b.addr)
	t.Cleanup(func() { b.in.Close() })
	return b
}

func (b *broker) start(topics []string) {
	b.t.Helper()
	orders, err := json.Marshal(map[string]any{"Dir": b.dir, "Addr": b.addr, "Topics": topics})
	must(b.t, err)
	cmd := exec.Command(b.program, string(orders))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(b.t, err)
	out, err := cmd.StdoutPipe()
	must(b.t, err)
	must(b.t, launcher()(cmd.Start))
	answers := make(chan string, 1)
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		b.t.Fatal("the broker's process did not start")
	}
	go func() {
		defer close(answers)
		for lines.Scan() {
			if lines.Text() == "commit" {
				select {
				case b.commits <- struct{}{}:
				default: // nobody waited for the last one
				}
			} else {
				answers <- lines.Text()
			}
		}
	}()
	b.process = cmd
	b.in = in
	b.encoder = json.NewEncoder(in)
	b.answers = answers
}

// kill sends SIGKILL and starts the broker again on the files that are left.
func (b *broker) kill(topics []string) {
	b.t.Helper()
	b.earlier = b.redelivered()
	must(b.t, b.process.Process.Kill())
	_ = b.process.Wait() // the error says that it was killed
	b.start(topics)
}

// A command is one fault; see the broker's program.
type command struct {
	Do      string
	Key     int16
	Error   int16
	Count   int
	Millis  int
	Applied bool
}

// do asks for a fault.
func (b *broker) do(c command) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	must(b.t, b.encoder.Encode(c))
	if answer := <-b.answers; answer != "done" {
		b.t.Fatalf("the broker's process says to %+v: %s", c, answer)
	}
}

// corrupted is the number of answers that were corrupted since the start.
func (b *broker) corrupted() int { return b.ask("corrupted") }

// redelivered is the number of offsets that were read more than once, or a lower one.
func (b *broker) redelivered() int { return b.earlier + b.ask("redelivered") }

// ask asks the broker for a number.
func (b *broker) ask(what string) (n int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	must(b.t, b.encoder.Encode(command{Do: what}))
	_, err := fmt.Sscan(strings.TrimSpace(<-b.answers), &n)
	must(b.t, err)
	<-b.answers // the answer says that the command is done
	return n
}
