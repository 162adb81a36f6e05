package embedded_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/test/processtest"
)

var kills = flag.Int("kills", 3, "how often TestBrokerKilledUnderLoad kills the broker")

var loadTopics = embedded.DefaultTopics[:2]

// TestBrokerKilledUnderLoad writes in batches: plainly, idempotently and in transactions. Meanwhile
// the process of a broker of three nodes is killed at random moments and started again; the
// producers live on. Readers of committed records must get every acknowledged record, and no record
// of a transaction whose commit was never requested.
func TestBrokerKilledUnderLoad(t *testing.T) {
	program := processtest.Build(t, "rollcall/deploy/demo/embedded/testdata/broker")
	dir := t.TempDir()
	addr := processtest.FreeAddr(t)
	_, process := startBrokerProcess(t, program, dir, addr, "3")
	load := &load{t: t, addr: addr, acknowledged: map[string]bool{}, aborted: map[string]bool{}}
	for killed := 0; killed < *kills && !t.Failed(); {
		stop := load.start()
		for range min(1+rand.IntN(3), *kills-killed) {
			pause(50, 600)
			process = killAndStart(t, process, program, dir, addr, "3")
			killed++
		}
		pause(0, 500)
		stop()
		load.check(readCommitted(t, addr))
		t.Logf("%d kills, %d records sent, %d acknowledged", killed, load.sent, len(load.acknowledged))
	}
}

func killAndStart(t *testing.T, process *os.Process, program string, args ...string) *os.Process {
	t.Helper()
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	_, process = startBrokerProcess(t, program, args...)
	return process
}

// pause waits for a random time, so that kills come at random moments.
func pause(from, to int) { time.Sleep(time.Duration(from+rand.IntN(to-from)) * time.Millisecond) }

// A load is what was sent. The beginning of a record's value identifies the record.
type load struct {
	t    *testing.T
	addr string

	mu           sync.Mutex
	sent         int
	acknowledged map[string]bool
	aborted      map[string]bool // records of transactions whose commit was never requested
}

// start begins to write. stop returns when every record that was sent is acknowledged or given up.
func (l *load) start() (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	var producers sync.WaitGroup
	for i := range 2 {
		producers.Go(func() { l.plain(ctx) })
		producers.Go(func() { l.plain(ctx, kgo.DisableIdempotentWrite()) })
		producers.Go(func() { l.transactions(ctx, fmt.Sprintf("producer %d", i)) })
	}
	return func() {
		cancel()
		producers.Wait()
	}
}

func (l *load) plain(ctx context.Context, opts ...kgo.Opt) {
	client := dial(l.t, l.addr, append(opts, kgo.ProducerLinger(2*time.Millisecond), kgo.MaxBufferedRecords(500))...)
	for n := 0; ctx.Err() == nil; n++ {
		record := l.record()
		client.Produce(l.t.Context(), record, func(_ *kgo.Record, err error) {
			if err == nil {
				l.note(l.acknowledged, record)
			}
		})
		if n%50 == 0 {
			pause(0, 20) // so that batches are of all sizes
		}
	}
	if err := client.Flush(l.t.Context()); err != nil {
		l.t.Error(err)
	}
}

// transactions commits two of three transactions. It drops a client whose transaction failed,
// because the broker may have fenced it.
func (l *load) transactions(ctx context.Context, id string) {
	var client *kgo.Client
	for ctx.Err() == nil {
		if client == nil {
			client = dial(l.t, l.addr, kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Second))
		}
		if err := l.transaction(client, rand.IntN(3) > 0); err != nil {
			client.Close()
			client = nil
		}
	}
}

func (l *load) transaction(client *kgo.Client, commit bool) error {
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	var records []*kgo.Record
	for range 1 + rand.IntN(40) {
		record := l.record()
		records = append(records, record)
		if !commit {
			l.note(l.aborted, record)
		}
		client.Produce(ctx, record, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	pause(0, 10)
	if err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	if commit {
		l.note(l.acknowledged, records...)
	}
	return nil
}

// record makes a new record of a few bytes or of some kilobytes.
func (l *load) record() *kgo.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	value := fmt.Sprintf("%d|%s", l.sent, strings.Repeat("x", rand.IntN(1<<rand.IntN(14))))
	return &kgo.Record{Topic: loadTopics[rand.IntN(len(loadTopics))], Value: []byte(value)}
}

func (l *load) note(in map[string]bool, records ...*kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		in[beginning(r)] = true
	}
}

func beginning(r *kgo.Record) string {
	b, _, _ := strings.Cut(string(r.Value), "|")
	return b
}

func (l *load) check(stored map[string]bool) {
	lost := 0
	shown := 0
	for r := range l.acknowledged {
		if !stored[r] {
			lost++
		}
	}
	for r := range l.aborted {
		if stored[r] {
			shown++
		}
	}
	if lost+shown > 0 {
		l.t.Errorf("%d of %d acknowledged records are gone; %d of %d aborted ones are shown",
			lost, len(l.acknowledged), shown, len(l.aborted))
	}
}

// readCommitted returns the beginnings of all records that a reader of committed records sees. It
// writes a last record into each partition, to know where to stop.
func readCommitted(t *testing.T, addr string) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	writer := dial(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	last := map[string]bool{}
	for _, topic := range loadTopics {
		for p := range int32(4) {
			value := fmt.Sprintf("the last of %s/%d, %d", topic, p, time.Now().UnixNano())
			last[value] = true
			record := &kgo.Record{Topic: topic, Partition: p, Value: []byte(value)}
			if err := writer.ProduceSync(ctx, record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	reader := dial(t, addr, kgo.ConsumeTopics(loadTopics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	stored := map[string]bool{}
	for len(last) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v; not read: %v", err, last)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			stored[beginning(r)] = true
			delete(last, string(r.Value))
		})
	}
	reader.Close()
	return stored
}

// dial makes a client that soon notices that the broker is back.
func dial(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	quick := []kgo.Opt{
		kgo.SeedBrokers(addr),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	client, err := kgo.NewClient(append(quick, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
