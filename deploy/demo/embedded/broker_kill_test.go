package embedded_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/test/processtest"
)

// TestBrokerKilled writes from several producers while the broker's process is killed. Afterwards
// every acknowledged record and commit must be there.
func TestBrokerKilled(t *testing.T) {
	program := processtest.Build(t, "rollcall/deploy/demo/embedded/testdata/broker")
	dir := t.TempDir()
	topic := embedded.DefaultTopics[0]
	var acknowledged []string
	for kill := range 3 {
		addr, process := startBrokerProcess(t, program, dir)
		acknowledged = append(acknowledged, writeUntilKilled(t, addr, topic, kill, process)...)
	}
	if len(acknowledged) < 100 {
		t.Fatalf("only %d records were acknowledged before the kills: the test shows nothing", len(acknowledged))
	}
	b := startBroker(t, embedded.BrokerOptions{Dir: dir})
	stored := map[string]bool{}
	for _, p := range b.Cluster().PartitionInfos(topic) {
		for _, v := range consume(t, b.Addr(), topic, int(p.Partition)) {
			stored[v] = true
		}
	}
	lost := 0
	for _, v := range acknowledged {
		if !stored[v] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are gone", lost, len(acknowledged))
	}
	if got := committed(t, b.Addr(), topic); got != 2 {
		t.Errorf("committed offset %d, want that of the last kill, 2", got)
	}
}

// writeUntilKilled commits the number kill as the group's offset, writes, kills the process during
// a write, and returns what was acknowledged.
func writeUntilKilled(t *testing.T, addr, topic string, kill int, process *os.Process) (acknowledged []string) {
	commit(t, addr, topic, int64(kill))
	const enough = 100
	var mu sync.Mutex
	var producers sync.WaitGroup
	for p := range 4 {
		producers.Go(func() {
			w := writer(t, addr, topic)
			w.MaxAttempts = 1
			defer w.Close()
			for n := 0; ; n++ {
				v := fmt.Sprintf("kill %d, producer %d, record %d", kill, p, n)
				if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte(v)}); err != nil {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, v)
				if len(acknowledged) == enough {
					if err := process.Kill(); err != nil {
						t.Error(err)
					}
				}
				mu.Unlock()
			}
		})
	}
	producers.Wait()
	if _, err := process.Wait(); err != nil {
		t.Error(err)
	}
	return acknowledged
}

func startBrokerProcess(t *testing.T, program string, args ...string) (addr string, process *os.Process) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker's process gave no address: %v", err)
	}
	return strings.TrimSpace(line), cmd.Process
}
