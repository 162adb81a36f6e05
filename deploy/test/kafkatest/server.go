package kafkatest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/ports"
)

const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 30 * time.Second
)

// javaFlags make a node of a few topics small and quick to start.
var javaFlags = []string{
	"-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.apache.logging.log4j.level=WARN",
}

// server is a Kafka node. Its directory and ports stay the same when its process is started again.
type server struct {
	addr       string
	dir        string
	jars       string
	heap       string
	properties string // its settings
	process    *process
	// ended keeps the processes that have ended, because a process's guard removes the directory as
	// soon as it is closed.
	ended []*process
}

func newServer(ctx context.Context) (*server, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return nil, errors.New("a real Kafka needs Java 17 or newer: " +
			"install it (Debian: apt-get install openjdk-17-jre-headless) " +
			"or run the tests without ROLLCALL_TEST_KAFKA=real")
	}
	jars, err := libraries(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rollcall-kafka-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	s := &server{addr: "127.0.0.1:" + ports[0], dir: dir, jars: jars, heap: "-Xmx384m"}
	s.properties = fmt.Sprintf(settings, ports[0], ports[1], filepath.Join(s.dir, "data"))
	if err := s.format(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *server) settings() string { return filepath.Join(s.dir, "server.properties") }
func (s *server) log() string      { return filepath.Join(s.dir, "server.log") }

func (s *server) java(class string, args ...string) []string {
	return append(append([]string{"java", s.heap}, javaFlags...),
		append([]string{"-cp", filepath.Join(s.jars, "*"), class}, args...)...)
}

// format writes the settings and prepares the directory, as every new KRaft node needs it.
func (s *server) format(ctx context.Context) error {
	if err := os.WriteFile(s.settings(), []byte(s.properties), 0o644); err != nil {
		return err
	}
	java := s.java("kafka.tools.StorageTool", "format", "-t", "cm9sbGNhbGwta2Fma2EtMQ", "-c", s.settings())
	if out, err := exec.CommandContext(ctx, java[0], java[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka's directory: %w\n%s", err, out)
	}
	return nil
}

// settings are those of one node that is broker and controller. Internal topics have one partition
// and one replica. Retention and overdue transactions are checked every half second.
const settings = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:%[1]s,CONTROLLER://127.0.0.1:%[2]s
controller.quorum.voters=1@127.0.0.1:%[2]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
auto.create.topics.enable=false
message.max.bytes=16777216
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
log.initial.task.delay.ms=500
log.retention.check.interval.ms=500
log.segment.delete.delay.ms=500
`

// freePorts claims ports for as long as the test process lives.
func freePorts(n int) (free []string, err error) {
	for range n {
		port, _, err := ports.Claim()
		if err != nil {
			return nil, err
		}
		free = append(free, strconv.Itoa(port))
	}
	return free, nil
}

// start runs the process and waits until the broker answers.
func (s *server) start(ctx context.Context) (err error) {
	if s.process, err = startProcess(s.dir, s.log(), s.java("kafka.Kafka", s.settings())); err != nil {
		return fmt.Errorf("start Kafka: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addr))
	if err != nil {
		return err
	}
	defer client.Close()
	for poll := time.NewTicker(50 * time.Millisecond); ; {
		attempt, stop := context.WithTimeout(ctx, 2*time.Second)
		err := client.Ping(attempt)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.process.ended:
			return fmt.Errorf("kafka ended while it started:\n%s", s.lastLines())
		case <-ctx.Done():
			s.process.signal(syscall.SIGKILL)
			return fmt.Errorf("kafka did not answer within %s: %w\n%s", startTimeout, err, s.lastLines())
		}
	}
}

// stop sends a signal and waits until the process has ended.
func (s *server) stop(signal syscall.Signal) error {
	s.process.signal(signal)
	select {
	case <-s.process.ended:
		s.ended = append(s.ended, s.process)
		return nil
	case <-time.After(stopTimeout):
		s.process.signal(syscall.SIGKILL)
		return fmt.Errorf("kafka did not end within %s of %s:\n%s", stopTimeout, signal, s.lastLines())
	}
}

func (s *server) lastLines() string {
	log, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// process is a Java process that does not outlive this one, even if this one is killed. A shell
// beside it reads from a pipe that ends when this process ends; then the shell kills the Java
// process and removes the directory.
type process struct {
	pid   int
	guard io.Closer
	ended chan struct{}
}

const guardScript = `dir=$0 log=$1; shift
"$@" >>"$log" 2>&1 </dev/null & echo $!
exec 3>&-; cat >/dev/null
kill -9 $! 2>/dev/null; wait $!; rm -rf "$dir"`

func startProcess(dir, log string, command []string) (*process, error) {
	// Only the Java process holds the writing end. So reading ends when that process ends.
	alive, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	shell := exec.Command("sh", append([]string{"-c", guardScript, dir, log}, command...)...)
	shell.ExtraFiles = []*os.File{held}
	guard, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, guard: guard, ended: make(chan struct{})}
	go func() {
		io.Copy(io.Discard, alive)
		alive.Close()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		syscall.Kill(p.pid, s)
	}
}
