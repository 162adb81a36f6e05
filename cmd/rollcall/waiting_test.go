package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
	"rollcall/schema/tables"
)

// A waitingStage is a stage in a process of its own, with its admin address.
type waitingStage struct {
	*process
	name, admin string
}

// startTooEarly starts ingest, rollup and export for a ClickHouse and a broker that may be away, as
// Kubernetes does, which knows no order. http is where export answers.
func startTooEarly(t *testing.T, clickhouse, broker, http string) (stages []*waitingStage) {
	t.Helper()
	binary := processtest.Build(t, "rollcall/cmd/rollcall")
	for _, command := range [][]string{
		{"ingest", "--kafka-brokers", broker, "--kafka-topics", "usage"}, {"rollup"}, {"export", "--http-addr", http},
	} {
		s := &waitingStage{name: command[0], admin: processtest.FreeAddr(t)}
		args := concat(command, []string{"--clickhouse-url", clickhouse, "--admin-addr", s.admin})
		s.process = start(t, nil, binary, args...)
		stages = append(stages, s)
	}
	return stages
}

func (s *waitingStage) get(path string) string { return fetch("http://" + s.admin + path) }

// waits waits until the stage lives, is not ready, and says why: to the probes, in its metrics.
func (s *waitingStage) waits(reason, says string) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s waits, %s: %s", s.name, reason, says), func() bool {
		readyz := s.get("/readyz")
		metrics := s.get("/metrics")
		return strings.HasPrefix(s.get("/healthz"), "200 ok") && strings.HasPrefix(readyz, "503") &&
			strings.Contains(readyz, says) && strings.Contains(metrics, fmt.Sprintf("rollcall_ready{stage=%q} 0\n", s.name)) &&
			strings.Contains(metrics, fmt.Sprintf("rollcall_not_ready{reason=%q,stage=%q} 1\n", reason, s.name))
	})
}

func (s *waitingStage) tells(line string) int { return strings.Count(s.out.String(), line) }

// Stages that are started before ClickHouse, before its tables and before Kafka wait for each of
// them. Nobody has to start them again. Their logs have a line about the wait and one about its
// end.
func TestStagesWaitForTheirStart(t *testing.T) {
	engine := processtest.FreeAddr(t)
	broker := processtest.FreeAddr(t)
	served := processtest.FreeAddr(t)
	url := "http://" + engine + "/rollcall"
	stages := startTooEarly(t, url, broker, served)
	for _, s := range stages {
		s.waits(reasonNoAnswer, "ClickHouse at "+engine+" does not answer")
	}
	if a := fetch("http://" + served + "/healthz"); !strings.HasPrefix(a, "200") {
		t.Errorf("the waiting export is not alive: %s", a)
	}
	response, err := http.Get("http://" + served + "/v1/exports")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("the waiting export answers %s, %v", response.Status, response.Header)
	}
	for _, s := range stages {
		s.eventually("the wait is told", func() bool { return s.tells(`"msg":"not ready"`) > 0 })
	}

	enginetest.Start(t, enginetest.Options{Dir: t.TempDir(), Addr: engine})
	for _, s := range stages {
		s.waits(reasonSchema, "rollcall migrate")
	}
	if code, _, stderr := call(t, "", "migrate", "--clickhouse-url", url); code != ok {
		t.Fatal(stderr)
	}
	stages[0].waits(reasonAssignment, "waits for the brokers")
	kafka, err := embedded.StartBroker(t.Context(),
		embedded.BrokerOptions{Dir: t.TempDir(), Addr: broker, Topics: []string{"usage"}})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	for _, s := range stages {
		s.eventually(s.name+" is ready", func() bool { return strings.HasPrefix(s.get("/readyz"), "200") })
		s.eventually("the end is told", func() bool { return s.tells(`"msg":"ready again"`) > 0 })
		if s.tells(`"reason":"no_answer"`) != 1 || s.tells(`"msg":"ready again"`) != 1 {
			t.Errorf("%s tells\n%s", s.name, s.out.String())
		}
	}
	if a := fetch("http://" + served + "/v1/exports"); !strings.HasPrefix(a, "401") {
		t.Errorf("the export answers %s", a)
	}
	for _, s := range stages {
		s.stop(syscall.SIGTERM)
	}
}

// SIGTERM ends a stage that waits, with exit code 0.
func TestWaitingStagesEnd(t *testing.T) {
	for _, s := range startTooEarly(t, "http://127.0.0.1:1/rollcall", "127.0.0.1:1", processtest.FreeAddr(t)) {
		s.waits(reasonNoAnswer, "does not answer")
		s.stop(syscall.SIGTERM)
	}
}

// A stage whose password or secret is wrong waits until its file has the right one.
func TestStagesWaitForTheirFiles(t *testing.T) {
	c := newCertificate(t)
	binary := processtest.Build(t, "rollcall/cmd/rollcall")
	clickhouse := concat(certificateFlags("clickhouse", c),
		[]string{"--clickhouse-url", engineOverTLS(t, c, func() string { return clickhousePassword })})
	waitsFor := func(passwordFile, secretFile, reason, says string, mend func()) {
		t.Helper()
		s := &waitingStage{name: "export", admin: processtest.FreeAddr(t)}
		s.process = start(t, nil, binary, concat([]string{"export", "--http-addr", processtest.FreeAddr(t), "--admin-addr",
			s.admin, "--clickhouse-password-file", passwordFile, "--secret-file", secretFile}, clickhouse)...)
		s.waits(reason, says)
		mend()
		s.eventually("it is ready", func() bool { return strings.HasPrefix(s.get("/readyz"), "200") })
		s.stop(syscall.SIGTERM)
	}
	put := func(file, text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	password := secretFile(t, "pw-wrong")
	secret := secretFile(t, serviceSecret)
	waitsFor(password, secret, reasonClickHouse, "or the password", func() { put(password, clickhousePassword) })
	other := secretFile(t, strings.Repeat("other-", 8)) // the database knows serviceSecret by now
	waitsFor(password, other, reasonSecret, "the secret is not the one", func() { put(other, serviceSecret) })
}

// Settings with which a stage can never work end it, with one sentence.
func TestStagesDoNotWaitForOtherSettings(t *testing.T) {
	o := enginetest.Database(t)
	if code, _, stderr := call(t, "", "config", "check", "--clickhouse-url", o.URL, "--secret", serviceSecret,
		"--kafka-brokers", "127.0.0.1:1"); code != failed || strings.Contains(stderr, "secret") {
		t.Fatal(stderr) // the secret is known from here on
	}
	for _, c := range []struct {
		says string
		code int
		args []string
	}{
		{"the secret is not the one", failed, []string{"--secret", strings.Repeat("other-", 8)}},
		{"it was given by flag, file or environment then", failed, nil},
		{"leave --cluster out", failed, []string{"--cluster", "prod", "--secret", serviceSecret}},
		{"at least 32", badSettings, []string{"--secret", "short"}},
	} {
		for _, stage := range [][]string{{"ingest"}, {"export", "--http-addr", processtest.FreeAddr(t)}} {
			args := concat(stage, []string{"--clickhouse-url", o.URL, "--admin-addr", processtest.FreeAddr(t)}, c.args)
			code, _, stderr := call(t, "", args...)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != c.code || !strings.Contains(lines[len(lines)-1], c.says) {
				t.Errorf("%q: exit code %d, says %q; want %d and %q", args, code, stderr, c.code, c.says)
			}
		}
	}
}

// The tables of an older version are waited for, too.
func TestStagesWaitForNewerTables(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	last, err := tables.SchemaVersion()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(t.Context(), "ALTER TABLE migrations DELETE WHERE name = '"+last+
		"' SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	a := &awaited{needs: needs{options: o}, begin: func([]byte) (part, error) { return readiness{}, nil }}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	eventually(t, "it waits for the migration", func() bool {
		err := a.Ready(ctx)
		return errors.Is(err, tables.ErrSchema) && strings.Contains(err.Error(), last+" is missing")
	})
	if _, err := tables.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it begins", func() bool { return a.Ready(ctx) == nil })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A right that ingest lacks when it reads what its last start left is waited for, too.
func TestIngestWaitsForARight(t *testing.T) {
	target, name, _ := strings.Cut(strings.TrimPrefix(enginetest.Database(t).URL, "http://default@"), "/")
	proxy := httputil.NewSingleHostReverseProxy(parsed(t, "http://"+target))
	var granted atomic.Bool
	var refused atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && strings.Contains(string(body), "FROM progress") && !granted.Load() {
			refused.Add(1)
			w.Header().Set("X-ClickHouse-Exception-Code", "497")
			http.Error(w, "Code: 497. DB::Exception: default: Not enough privileges. (ACCESS_DENIED)", http.StatusForbidden)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	kafka, err := embedded.StartBroker(t.Context(),
		embedded.BrokerOptions{Dir: t.TempDir(), Addr: "127.0.0.1:0", Topics: []string{"usage"}})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	s := &waitingStage{name: "ingest", admin: processtest.FreeAddr(t)}
	s.process = start(t, nil, processtest.Build(t, "rollcall/cmd/rollcall"), "ingest", "--kafka-brokers", kafka.Addr(),
		"--kafka-topics", "usage", "--clickhouse-url", server.URL+"/"+name, "--admin-addr", s.admin)
	s.eventually("it is refused twice", func() bool { return refused.Load() > 1 })
	s.waits(reasonClickHouse, "Not enough privileges")
	granted.Store(true)
	s.eventually("it is ready", func() bool { return strings.HasPrefix(s.get("/readyz"), "200") })
	s.stop(syscall.SIGTERM)
}

// migrate ends at once if ClickHouse is away, unless it is told to wait.
func TestMigrateWaits(t *testing.T) {
	addr := processtest.FreeAddr(t)
	url := "http://" + addr + "/rollcall"
	code, _, stderr := call(t, "", "migrate", "--clickhouse-url", url, "--wait", "1s")
	if code != failed || !strings.Contains(stderr, "\nrollcall: create database rollcall: ClickHouse at "+addr) {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
	var out bytes.Buffer
	var log safeBuffer
	done := make(chan int, 1)
	args := []string{"migrate", "--clickhouse-url", url, "--wait", "5m"}
	go func() { done <- run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &log}) }()
	eventually(t, "the wait is told", func() bool { return strings.Contains(log.String(), "not migrated yet") })
	enginetest.Start(t, enginetest.Options{Dir: t.TempDir(), Addr: addr})
	if code := <-done; code != ok || !strings.Contains(out.String(), "applied 0001") ||
		!strings.Contains(log.String(), "ClickHouse can be migrated") {
		t.Errorf("exit code %d, prints %q, says %q", code, out.String(), log.String())
	}
}
