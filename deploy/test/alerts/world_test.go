//go:build alerts

package alerts

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/processtest"
)

// The embedded broker has the default topics, each with so many partitions.
const (
	topic      = "usage.messages"
	partitions = 4
)

// A world is the binary's processes: a broker, an engine on a small disk, and the three stages.
type world struct {
	t             *testing.T
	dir, disk     string
	binary        string
	processes     map[string]*exec.Cmd
	kafka, engine string // host:port
	ingest        string // of the admin address
	rollup        string
	export        string
	http          string // of the export
	producer      *kgo.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	// The processes below end with this thread, however the test ends (Pdeathsig).
	runtime.LockOSThread()
	w := &world{t: t, dir: t.TempDir(), processes: map[string]*exec.Cmd{}}
	for _, addr := range []*string{&w.kafka, &w.engine, &w.ingest, &w.rollup, &w.export, &w.http} {
		*addr = processtest.FreeAddr(t)
	}
	w.binary = processtest.Build(t, "rollcall/cmd/rollcall")
	w.mountDisk()
	w.rollcall("broker", "embedded", "broker", "--data-dir", filepath.Join(w.dir, "kafka"), "--kafka-addr", w.kafka,
		"--partitions", fmt.Sprint(partitions))
	w.startEngine()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.producer = client
	w.run("migrate")
	w.startIngest()
	w.startRollup()
	w.startExport()
	for _, admin := range []string{w.ingest, w.rollup, w.export} {
		w.eventually("a stage is ready", 60*time.Second, func() bool { return status("http://"+admin+"/readyz") == 200 })
	}
	return w
}

func (w *world) startEngine() {
	w.rollcall("engine", "embedded", "engine", "--data-dir", w.disk, "--clickhouse-addr", w.engine)
	w.eventually("the engine answers", 60*time.Second, func() bool { return status("http://"+w.engine+"/ping") == 200 })
}

func (w *world) startIngest() { w.startIngestOf(topic) }

func (w *world) startIngestOf(topics string) {
	w.rollcall("ingest", "ingest", "--kafka-brokers", w.kafka, "--kafka-topics", topics, "--admin-addr", w.ingest)
}

func (w *world) startRollup() {
	w.rollcall("rollup", "rollup", "--settle-time", "500ms", "--verify-every", "2s", "--admin-addr", w.rollup)
}

func (w *world) startExport(more ...string) {
	w.rollcall("export", append([]string{"export", "--http-addr", w.http, "--max-concurrent-per-org", "64",
		"--rate-per-minute", "100000", "--admin-addr", w.export}, more...)...)
}

// environment has the settings that every command takes from the environment.
func (w *world) environment() []string {
	return append(os.Environ(), "ROLLCALL_CLICKHOUSE_URL=http://default@"+w.engine+"/rollcall")
}

// rollcall starts the binary as the process of this name.
func (w *world) rollcall(name string, args ...string) { w.start(name, w.binary, args...) }

func (w *world) start(name, command string, args ...string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(command, args...)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.Env = w.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatalf("start %s: %v (Debian has prometheus in the package of that name)", name, err)
	}
	w.processes[name] = cmd
	w.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if text, err := os.ReadFile(path); err == nil && w.t.Failed() {
			w.t.Logf("the end of %s's log:\n%s", name, text[max(0, len(text)-3000):])
		}
	})
}

// kill sends SIGKILL.
func (w *world) kill(name string) {
	w.processes[name].Process.Kill()
	w.processes[name].Wait()
}

// run runs a command of the binary to its end and returns its output.
func (w *world) run(args ...string) string {
	w.t.Helper()
	cmd := exec.Command(w.binary, args...)
	cmd.Env = w.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("rollcall %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// sql runs a statement on the engine.
func (w *world) sql(statement string) { w.t.Helper(); w.answer(statement) }

// answer returns a statement's rows, as TSV.
func (w *world) answer(statement string) string {
	w.t.Helper()
	response, err := http.Post("http://"+w.engine+"/?database=rollcall&mutations_sync=2", "text/plain",
		strings.NewReader(statement))
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		w.t.Fatalf("%s: %s %v", statement, text, err)
	}
	return strings.TrimSpace(string(text))
}

func (w *world) eventually(what string, within time.Duration, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(within); !is(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

// mountDisk gives the engine a disk of its own, which can be filled without harm.
func (w *world) mountDisk() {
	w.t.Helper()
	w.disk = filepath.Join(w.dir, "disk")
	if err := os.Mkdir(w.disk, 0o755); err != nil {
		w.t.Fatal(err)
	}
	out, err := asRoot("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0777", diskSize), "tmpfs", w.disk)
	if err != nil {
		w.t.Fatalf("this test needs the right to mount a small disk (as root, or with sudo): %v\n%s", err, out)
	}
	w.t.Cleanup(func() { asRoot("umount", "-l", w.disk) })
}

const diskSize = 700 << 20

func asRoot(args ...string) ([]byte, error) {
	if os.Geteuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	return exec.Command(args[0], args[1:]...).CombinedOutput()
}

func status(url string) int {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
