//go:build faults && linux

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
	"rollcall/deploy/test/suite/oracle"
)

const (
	database   = "rollcall"
	group      = "rollcall"
	partitions = 3
	secret     = "the secret of the fault tests, 32+ bytes"

	insertTimeout = 5 * time.Second
)

// A world is all of Rollcall's processes, and an oracle of what they must answer.
type world struct {
	t    testing.TB
	seed uint64
	rand *rand.Rand
	dir  string

	program  string
	broker   *broker
	topics   []string
	engine   *enginetest.Server
	options  enginetest.Options
	ingests  []*member
	left     []*member // ingests that were started and have ended
	rollups  []*member
	export   *member
	keys     map[string]string // workspace → key
	producer *producer
	chunks   int

	oracle   *oracle.Oracle
	erasures []oracle.Erasure
	records  int // number of records in the topics at the last check
	struck   []string
	missed   int          // number of faults that found nothing to hit
	exports  atomic.Int64 // exports that were compared
	failed   int          // requests for exports that failed while something was broken
	kills    map[string]int
	// recovery is the longest time from a start after a kill to the first answer, by kind of
	// process.
	recovery map[string]time.Duration
	closed   bool
}

// A member is a process of Rollcall with a proxy of its own to the engine.
type member struct {
	*process
	proxy *proxy
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), keys: map[string]string{},
		kills: map[string]int{}, recovery: map[string]time.Duration{},
	}
	w.topics = []string{"faults.one", "faults.two"}
	w.program = processtest.Build(t, "rollcall/cmd/rollcall")
	w.broker = startBroker(t, processtest.Build(t, "rollcall/deploy/test/faults/broker"), filepath.Join(w.dir, "kafka"),
		w.topics)
	w.options = enginetest.Options{Dir: filepath.Join(w.dir, "engine"), Addr: processtest.FreeAddr(t)}
	w.engine = enginetest.Start(t, w.options)
	w.run("migrate", "--clickhouse-url", w.engine.URL+"/"+database)
	t.Cleanup(w.close)
	for i := range 2 {
		w.ingests = append(w.ingests, w.ingest(i))
	}
	for i := range 2 {
		w.rollups = append(w.rollups, w.member(fmt.Sprint("rollup-", i), "rollup", "--settle-time", "100ms"))
	}
	w.export = w.member("export", "export", "--http-addr", processtest.FreeAddr(t), "--secret", secret,
		"--rate-per-minute", "1000000", "--max-concurrent-per-org", "64")
	w.producer = newProducer(w.broker.addr, w.topics, time.Now(), seed, partitions)
	w.heal()
	return w
}

func (w *world) ingest(i int) *member {
	return w.member(fmt.Sprint("ingest-", i), "ingest", "--kafka-brokers", w.broker.addr, "--kafka-topics",
		strings.Join(w.topics, ","), "--secret", secret,
		"--batch-rows", fmt.Sprint(50+w.rand.IntN(1500)), "--batch-age", "50ms", "--insert-timeout", insertTimeout.String())
}

// member makes a process that is not started yet.
func (w *world) member(name string, args ...string) *member {
	p := newProxy(w.t, w.engine.URL, w.seed)
	m := &member{
		proxy: p, process: &process{name: name, admin: processtest.FreeAddr(w.t), log: filepath.Join(w.dir, name+".log")},
	}
	m.command = append([]string{w.program},
		append(args, "--clickhouse-url", p.server.URL+"/"+database, "--admin-addr", m.admin)...)
	return m
}

func (w *world) members() []*member {
	return append(append(append([]*member{}, w.ingests...), w.rollups...), w.export)
}

// heal ends every fault and starts what is not running.
func (w *world) heal() {
	w.t.Helper()
	for _, m := range w.members() {
		m.proxy.clear()
	}
	for _, m := range w.members() {
		m.ensure(w.t)
	}
}

// close stops everything. Every process must stop in time.
func (w *world) close() {
	if w.closed {
		return
	}
	w.closed = true
	for _, m := range w.members() {
		m.stop(w.t)
	}
	w.engine.Stop()
	w.broker.in.Close()
	if w.t.Failed() {
		for _, m := range w.members() {
			w.t.Log(m.tail())
		}
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, after %s: %s", w.seed, strings.Join(w.struck, ", "), fmt.Sprintf(format, args...))
}

// run runs a command of Rollcall that ends by itself.
func (w *world) run(args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("rollcall %s: %v\n%s%s", strings.Join(args, " "), err, out, errors.String())
	}
	return strings.TrimSpace(string(out))
}

// strike runs the faults one after the other while events are produced: at least so many, or none
// if events is 0. It returns when all events are acknowledged.
func (w *world) strike(events int, faults ...fault) {
	w.t.Helper()
	over := make(chan struct{})
	produced := make(chan error, 1)
	go func() { produced <- w.produceUntil(over, events) }()
	for _, f := range faults {
		w.struck = append(w.struck, f.name)
		started := time.Now()
		f.strike(w)
		w.t.Logf("%6.1f s  %s", time.Since(started).Seconds(), f.name)
	}
	close(over)
	must(w.t, <-produced)
}

// recovers ends the faults, waits until everything is committed, and compares what is stored with
// what was produced.
func (w *world) recovers() {
	w.t.Helper()
	started := time.Now()
	w.heal()
	w.settled()
	settled := time.Now()
	w.check()
	w.t.Logf("%6.1f s  until all was committed, %.1f s for the check of %d records", settled.Sub(started).Seconds(),
		time.Since(settled).Seconds(), w.records)
}

const chunk = 60 // events

func (w *world) produceUntil(over <-chan struct{}, events int) error {
	for produced := 0; events > 0; produced += chunk {
		w.chunks++
		if err := w.producer.produce(w.t.Context(), w.seed*1_000_000+uint64(w.chunks), chunk); err != nil {
			return err
		}
		select {
		case <-over:
			if produced >= events {
				return nil
			}
		// Each batch touches every month. Producing faster would be a load test.
		case <-time.After(time.Second):
		}
	}
	<-over
	return nil
}

// killEngine sends SIGKILL to the engine and starts it again on the files that are left.
func (w *world) killEngine() {
	w.t.Helper()
	w.engine.Kill()
	w.kills["engine"]++
	started := time.Now()
	w.engine = enginetest.Start(w.t, w.options)
	w.recovery["engine"] = max(w.recovery["engine"], time.Since(started))
}

func (w *world) killBroker() {
	w.t.Helper()
	w.kills["broker"]++
	started := time.Now()
	w.broker.kill(w.topics)
	w.recovery["broker"] = max(w.recovery["broker"], time.Since(started))
}
