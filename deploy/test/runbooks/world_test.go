package runbooks

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// A world is what an operator has: a broker, an engine, the stages, and a shell in which `rollcall`
// finds them.
type world struct {
	*testing.T
	bin        string // directory of the binary
	backups    string // directory in which the engines may write backups
	engineAddr string
	kafkaAddr  string
	httpAddr   string // of the service
	env        []string
	stages     []*exec.Cmd
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, bin: filepath.Dir(processtest.Build(t, "rollcall/cmd/rollcall")), backups: t.TempDir()}
	secret := filepath.Join(t.TempDir(), "secret")
	w.must(os.WriteFile(secret, []byte(strings.Repeat("s", 32)), 0o600))
	w.engineAddr = processtest.FreeAddr(t)
	w.kafkaAddr = processtest.FreeAddr(t)
	w.env = append(os.Environ(), "PATH="+w.bin+":"+os.Getenv("PATH"), "ROLLCALL_SECRET_FILE="+secret,
		"ROLLCALL_CLICKHOUSE_URL=http://default@"+w.engineAddr+"/rollcall", "ROLLCALL_KAFKA_BROKERS="+w.kafkaAddr)
	w.start("embedded", "broker", "--data-dir", t.TempDir(), "--kafka-addr", w.kafkaAddr)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// engine starts an engine that may write backups.
func (w *world) engine() *exec.Cmd {
	w.Helper()
	dir := w.TempDir()
	config := filepath.Join(dir, "backups.xml")
	w.must(os.WriteFile(config, fmt.Appendf(nil,
		"<clickhouse><backups><allowed_path>%s</allowed_path></backups></clickhouse>", w.backups), 0o600))
	engine := w.start("embedded", "engine", "--data-dir", filepath.Join(dir, "data"), "--config-file", config,
		"--clickhouse-addr", w.engineAddr)
	w.answers("http://" + w.engineAddr + "/ping")
	return engine
}

// start starts a command that runs until it is stopped.
func (w *world) start(args ...string) *exec.Cmd {
	w.Helper()
	command := exec.Command(filepath.Join(w.bin, "rollcall"), args...)
	command.Env = w.env
	command.Stderr = w.Output()
	w.must(command.Start())
	w.Cleanup(sync.OnceFunc(func() {
		command.Process.Kill()
		command.Wait()
	}))
	return command
}

// stage starts a stage and waits until it is ready. It returns its address for admins.
func (w *world) stage(args ...string) {
	w.Helper()
	admin := processtest.FreeAddr(w.T)
	w.stages = append(w.stages, w.start(append(args, "--admin-addr", admin)...))
	w.answers("http://" + admin + "/readyz")
}

func (w *world) stop(command *exec.Cmd) {
	w.Helper()
	w.must(command.Process.Signal(syscall.SIGTERM))
	if err := command.Wait(); err != nil {
		w.Errorf("%s ended with %v", command.Args, err)
	}
}

func (w *world) answers(address string) {
	w.Helper()
	w.eventually(address+" answers 200", func() bool {
		response, err := http.Get(address)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(90 * time.Second); !is(); <-poll.C {
		if time.Now().After(deadline) {
			w.Fatalf("after 90 s still not: %s", what)
		}
	}
}

// shell runs a script as an operator would paste it, and returns what it prints.
func (w *world) shell(script string) string {
	w.Helper()
	var out, errors bytes.Buffer
	command := exec.Command("bash", "-euo", "pipefail", "-c", script)
	command.Env = w.env
	command.Dir = w.TempDir()
	command.Stdout = &out
	command.Stderr = &errors
	if err := command.Run(); err != nil {
		w.Errorf("%s\nended with %v\n%s%s", script, err, out.String(), errors.String())
	}
	return out.String()
}
