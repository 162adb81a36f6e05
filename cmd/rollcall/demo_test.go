package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// A demo is `rollcall demo` in a process of its own.
type demo struct {
	t                              *testing.T
	process                        *exec.Cmd
	kafka, clickhouse, http, admin string
	keys                           map[string]string // by workspace

	mu  sync.Mutex
	out bytes.Buffer
}

func (d *demo) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.Write(p)
}

func (d *demo) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startDemo waits until it says that it is ready.
func startDemo(t *testing.T, binary, dir string) *demo {
	t.Helper()
	d := &demo{t: t, kafka: freeAddr(t), clickhouse: freeAddr(t), http: freeAddr(t), admin: freeAddr(t), keys: map[string]string{}}
	d.process = exec.Command(binary, "demo", "--data-dir", dir, "--kafka-addr", d.kafka, "--clickhouse-addr", d.clickhouse, "--http-addr", d.http, "--admin-addr", d.admin)
	d.process.Stdout, d.process.Stderr = d, d
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.process.Process.Kill(); d.process.Wait() })
	d.eventually("it is ready", func() bool { return strings.Contains(d.text(), "curl -H") })
	for _, m := range regexp.MustCompile(`(?m)^(\S+) +(rc_\S+)$`).FindAllStringSubmatch(d.text(), -1) {
		d.keys[m[1]] = m[2]
	}
	return d
}

func (d *demo) eventually(what string, is func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); {
		if time.Now().After(deadline) {
			d.t.Fatalf("after 90 s still not: %s\n%s", what, d.text())
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (d *demo) get(key, target string) (int, string) {
	d.t.Helper()
	req, _ := http.NewRequest("GET", "http://"+d.http+target, nil)
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// stop sends the signal and wants exit code 0 within 15 s.
func (d *demo) stop(signal os.Signal) {
	d.t.Helper()
	d.process.Process.Signal(signal)
	ended := make(chan error, 1)
	go func() { ended <- d.process.Wait() }()
	select {
	case err := <-ended:
		if err != nil && signal != syscall.SIGKILL {
			d.t.Fatalf("after %s: %v\n%s", signal, err, d.text())
		}
	case <-time.After(15 * time.Second):
		d.t.Fatalf("did not stop within 15 s of %s\n%s", signal, d.text())
	}
}

// The demo as the README shows it: an event sent by any client is counted once in the export; SIGTERM ends it cleanly, SIGKILL loses nothing, and a start on the
// same directory goes on. Other commands work against it while it runs.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "rollcall")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	d := startDemo(t, binary, filepath.Join(dir, "data"))
	if len(d.keys) != 3 {
		t.Fatalf("the keys of %d workspaces, want 3:\n%s", len(d.keys), d.text())
	}
	key := commandKey(t, d, "mine")
	row := regexp.MustCompile(`(?m)^[-0-9]+,[-0-9]+,"mine","ada",.*?,(\d+),1,`)
	counted := func(d *demo, n int) func() bool {
		return func() bool {
			status, csv := d.get(key, "/v1/exports/users?range=this_month")
			m := row.FindStringSubmatch(csv)
			return status == 200 && m != nil && m[1] == fmt.Sprint(n)
		}
	}
	event := message("1")
	send(t, d.kafka, event, event)
	d.eventually("the event is counted once", counted(d, 1))

	old := d.keys["acme"]
	d.stop(syscall.SIGTERM)
	d = startDemo(t, binary, filepath.Join(dir, "data"))
	if status, _ := d.get(old, "/v1/exports/users?range=this_month"); status != 401 {
		t.Errorf("the last start's key is answered %d", status)
	}
	send(t, d.kafka, event, message("2"))
	d.eventually("a restart goes on", counted(d, 2))

	d.stop(syscall.SIGKILL)
	d = startDemo(t, binary, filepath.Join(dir, "data"))
	d.eventually("nothing is lost", counted(d, 2))
	d.stop(os.Interrupt)
}

func commandKey(t *testing.T, d *demo, org string) string {
	t.Helper()
	code, out, stderr := call(t, "", "keys", "create", "--org", org, "--clickhouse-url", "http://"+d.clickhouse+"/rollcall")
	if code != ok || !regexp.MustCompile(`^rc_\S+\n$`).MatchString(out) {
		t.Fatalf("keys create: exit code %d, %q, %q", code, out, stderr)
	}
	return strings.TrimSpace(out)
}

func message(id string) kafka.Message {
	return kafka.Message{Value: fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":"/test","type":"usage.message.v1","time":%q,"data":{"org_id":"mine","user_id":"ada","channel":"chat"}}`, id, monthStart())}
}

// monthStart is the first moment of this month: the same for every retry, and in this month's export.
func monthStart() string {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

func send(t *testing.T, addr string, messages ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(addr), Topic: "usage.messages", BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll}
	defer w.Close()
	if err := w.WriteMessages(context.Background(), messages...); err != nil {
		t.Fatal(err)
	}
}
