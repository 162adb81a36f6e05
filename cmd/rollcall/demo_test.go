package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/processtest"
)

// A demo is one `rollcall demo` in a process of its own.
type demo struct {
	*process
	kafka, clickhouse, http, admin string
	keys                           map[string]string // by workspace
}

// startDemo starts a demo and waits until it says that it is ready.
func startDemo(t *testing.T, binary, dir string) *demo {
	t.Helper()
	d := &demo{
		kafka: processtest.FreeAddr(t), clickhouse: processtest.FreeAddr(t), http: processtest.FreeAddr(t),
		admin: processtest.FreeAddr(t), keys: map[string]string{},
	}
	d.process = start(t, nil, binary, "demo", "--data-dir", dir, "--kafka-addr", d.kafka, "--clickhouse-addr",
		d.clickhouse, "--http-addr", d.http, "--admin-addr", d.admin)
	d.eventually("it is ready", func() bool { return strings.Contains(d.out.String(), "curl -H") })
	for _, m := range regexp.MustCompile(`(?m)^(\S+) +(rc_\S+)$`).FindAllStringSubmatch(d.out.String(), -1) {
		d.keys[m[1]] = m[2]
	}
	return d
}

func (d *demo) get(key, target string) (int, string) {
	d.Helper()
	req, _ := http.NewRequest("GET", "http://"+d.http+target, nil)
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// The demo does what the README shows: an event sent by any client is counted once in the export.
// SIGTERM ends it cleanly, SIGKILL loses nothing, and a start on the same directory continues.
// Other commands work against it while it runs.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	binary := processtest.Build(t, "rollcall/cmd/rollcall")
	d := startDemo(t, binary, dir)
	if len(d.keys) != 3 {
		t.Fatalf("the keys of %d workspaces, want 3:\n%s", len(d.keys), d.out.String())
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
	d.answersReadme()

	old := d.keys["acme"]
	d.stop(syscall.SIGTERM)
	d = startDemo(t, binary, dir)
	if status, _ := d.get(old, "/v1/exports/users?range=this_month"); status != 401 {
		t.Errorf("the last start's key is answered %d", status)
	}
	send(t, d.kafka, event, message("2"))
	d.eventually("a restart goes on", counted(d, 2))

	d.stop(syscall.SIGKILL)
	d = startDemo(t, binary, dir)
	d.eventually("nothing is lost", counted(d, 2))
	d.stop(os.Interrupt)
}

// answersReadme asks for the exports that the README shows.
func (d *demo) answersReadme() {
	d.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		d.Fatal(err)
	}
	lines := regexp.MustCompile(`ROLLCALL_KEY" (['"]http://127\.0\.0\.1:8080/v1/exports/.+['"])`).
		FindAllStringSubmatch(string(readme), -1)
	for _, m := range lines {
		address, err := exec.Command("sh", "-c", "printf %s "+m[1]).Output() // the shell puts in the dates
		if err != nil {
			d.Fatalf("%s: %v", m[1], err)
		}
		path := strings.TrimPrefix(string(address), "http://127.0.0.1:8080")
		if status, file := d.get(d.keys["acme"], path); status != 200 || file == "" {
			d.Errorf("%s: %d %.500s", path, status, file)
		}
	}
	if len(lines) < 5 {
		d.Errorf("the README shows %d exports", len(lines))
	}
}

func commandKey(t *testing.T, d *demo, org string) string {
	t.Helper()
	code, out, stderr := call(t, "", "keys", "create", "--org", org, "--clickhouse-url",
		"http://"+d.clickhouse+"/rollcall")
	if code != ok || !regexp.MustCompile(`^rc_\S+\n$`).MatchString(out) {
		t.Fatalf("keys create: exit code %d, %q, %q", code, out, stderr)
	}
	return strings.TrimSpace(out)
}

func message(id string) kafka.Message {
	return kafka.Message{Value: fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":"/test","type":"usage.message.v1","time":%q,"data":{"org_id":"mine","user_id":"ada","channel":"chat"}}`, id, monthStart())}
}

// monthStart is the first moment of this month. It is the same for every retry, and in the export
// of this month.
func monthStart() string {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

func send(t *testing.T, addr string, messages ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(addr), Topic: "usage.messages", BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll,
	}
	defer w.Close()
	if err := w.WriteMessages(context.Background(), messages...); err != nil {
		t.Fatal(err)
	}
}
