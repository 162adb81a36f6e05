//go:build faults && linux

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
)

// A bomb is one record batch that is small for the broker and large for its readers.
type bomb struct {
	name     string
	codec    kgo.CompressionCodec
	records  int
	record   func(n int) *kgo.Record
	accepted bool // its records are events
}

const mib = 1 << 20

func bombs() []bomb {
	million := bytes.Repeat([]byte("0"), 1_000_000)
	huge := make([]byte, 300*mib)
	names := make([]kgo.RecordHeader, 200_000) // two bytes each
	rejected := func(value []byte) func(int) *kgo.Record {
		return func(int) *kgo.Record { return &kgo.Record{Value: value} }
	}
	header := func(value, header []byte) *kgo.Record {
		return &kgo.Record{Value: value, Headers: []kgo.RecordHeader{{Key: "h", Value: header}}}
	}
	return []bomb{
		{"values of 1 MB, zstd", kgo.ZstdCompression(), 300, rejected(million), false},
		{"values of 1 MB, zstd at its highest level", kgo.ZstdCompression().WithLevel(22), 150, rejected(million), false},
		{"values of 1 MB, gzip", kgo.GzipCompression(), 150, rejected(million), false},
		{"values of 1 MB, lz4", kgo.Lz4Compression(), 150, rejected(million), false},
		{"values of 1 MB, snappy", kgo.SnappyCompression(), 200, rejected(million), false},
		{"values of 1 MB, plain", kgo.NoCompression(), 15, rejected(million), false},
		{"many tiny records", kgo.ZstdCompression(), 200_000, rejected([]byte("0")), false},
		{"one huge value", kgo.ZstdCompression(), 1, rejected(huge), false},
		{"headers of 3 MB on rejects", kgo.ZstdCompression(), 60,
			func(int) *kgo.Record { return header([]byte("0"), huge[:3*mib]) }, false},
		{"headers of 20 MB on rejects", kgo.ZstdCompression(), 8,
			func(int) *kgo.Record { return header([]byte("0"), huge[:20*mib]) }, false},
		{"very many headers", kgo.ZstdCompression(), 50,
			func(int) *kgo.Record { return &kgo.Record{Value: []byte("0"), Headers: names} }, false},
		{"keys of 3 MB", kgo.ZstdCompression(), 60,
			func(int) *kgo.Record { return &kgo.Record{Key: huge[:3*mib], Value: []byte("0")} }, false},
		{"events of 1 MB", kgo.ZstdCompression(), 150,
			func(n int) *kgo.Record { return &kgo.Record{Value: bombEvent(n, million[:900_000])} }, true},
		{"events with headers of 20 MB", kgo.ZstdCompression(), 8,
			func(n int) *kgo.Record { return header(bombEvent(1000+n, nil), huge[:20*mib]) }, true},
	}
}

func bombEvent(id int, filler []byte) []byte {
	return fmt.Appendf(nil,
		`{"specversion":"1.0","id":"%d","source":"bombs","type":"usage.message.v1","time":%q,"data":{"org_id":"acme","user_id":"u","channel":"chat"},"x":"%s"}`,
		id, time.Now().UTC().Format(time.RFC3339), filler)
}

// drop produces the bomb and returns its size on the wire and its inflated size.
func (b *bomb) drop(t *testing.T, broker, topic string, partition int32) (packed, inflated int) {
	t.Helper()
	written := make(batchesWritten, b.records)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(b.codec), kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(b.records), kgo.ProducerBatchMaxBytes(mib<<10), kgo.BrokerMaxWriteBytes(mib<<10),
		kgo.WithHooks(written))
	must(t, err)
	defer client.Close()
	failed := make(chan error, b.records)
	for n := range b.records {
		r := b.record(n)
		r.Topic = topic
		r.Partition = partition
		client.Produce(t.Context(), r, func(_ *kgo.Record, err error) { failed <- err })
	}
	must(t, client.Flush(t.Context()))
	if err := <-failed; err != nil {
		t.Fatalf("%s: %v", b.name, err)
	}
	batch := <-written
	if batch.NumRecords != b.records {
		t.Fatalf("%s: a record batch holds %d of %d records", b.name, batch.NumRecords, b.records)
	}
	return batch.CompressedBytes, batch.UncompressedBytes
}

// batchesWritten receives the record batches that were sent.
type batchesWritten chan kgo.ProduceBatchMetrics

func (w batchesWritten) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.ProduceBatchMetrics) {
	w <- m
}

// granted is the memory that the manifest grants to ingest, in bytes.
func granted(t *testing.T) int {
	t.Helper()
	manifest, err := os.ReadFile("../../kubernetes/base/ingest.yaml")
	must(t, err)
	limit := regexp.MustCompile(`limits: \{ memory: (\d+)Gi \}`).FindSubmatch(manifest)
	if limit == nil {
		t.Fatal("the manifest grants no memory in Gi")
	}
	n, err := strconv.Atoi(string(limit[1]))
	must(t, err)
	return n << 30
}

// Whatever a record batch holds, ingest never has more memory resident than its manifest grants:
// the test compares the kernel's own peak with the limit. Ingest may map half as much again,
// because a Go program keeps memory mapped that it has given back. If it maps more, it dies at
// once. Every record becomes a reject or an event.
func TestShortBombs(t *testing.T) {
	all := bombs()
	dir := t.TempDir()
	limit := granted(t)
	const topic = "bombs"
	program := processtest.Build(t, "rollcall/cmd/rollcall")
	b := startBroker(t, processtest.Build(t, "rollcall/deploy/test/faults/broker"), filepath.Join(dir, "kafka"),
		[]string{topic})
	engine := enginetest.Start(t, enginetest.Options{Dir: filepath.Join(dir, "engine"), Addr: processtest.FreeAddr(t)})
	w := &world{t: t, program: program, broker: b, engine: engine, topics: []string{topic}}
	w.run("migrate", "--clickhouse-url", engine.URL+"/"+database)
	rejects := 0
	events := 0
	for i := range all {
		packed, inflated := all[i].drop(t, b.addr, topic, int32(i%partitions))
		t.Logf("%6d KiB on the wire, %4d MiB inflated: %s", packed>>10, inflated>>20, all[i].name)
		if all[i].accepted {
			events += all[i].records
		} else {
			rejects += all[i].records
		}
	}

	p := &process{name: "ingest", admin: processtest.FreeAddr(t), log: filepath.Join(dir, "ingest.log")}
	p.command = []string{"sh", "-c", `ulimit -d "$0"; exec "$@"`, fmt.Sprint(limit * 3 / 2 >> 10), program, "ingest",
		"--kafka-brokers", b.addr, "--kafka-topics", topic,
		"--secret", secret, "--clickhouse-url", engine.URL + "/" + database, "--admin-addr", p.admin}
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	p.start(t)
	started := time.Now()
	eventually(t, "ingest is ready", func() bool { return p.get("/readyz") != "" })
	for behind, at := "", time.Now(); w.behind() != ""; <-time.After(100 * time.Millisecond) {
		p.mu.Lock()
		alive := p.alive()
		p.mu.Unlock()
		if now := w.behind(); now != behind {
			behind = now
			at = time.Now()
		}
		if !alive || time.Since(at) > patience {
			t.Fatalf("ingest runs: %v; not committed: %s\n%s", alive, behind, p.tail())
		}
	}
	peak := p.peak(t)
	t.Logf("all is committed after %.1f s; at most %d MiB of %d were resident", time.Since(started).Seconds(), peak>>20,
		limit>>20)
	if peak > limit {
		t.Errorf("%d bytes were resident, and %d are granted", peak, limit)
	}
	if n := w.number("SELECT count() FROM rejects FINAL"); n != rejects {
		t.Errorf("%d rejects, not %d", n, rejects)
	}
	if n := w.number("SELECT count() FROM events FINAL"); n != events {
		t.Errorf("%d events, not %d", n, events)
	}
	if lag := p.lag(); lag != 0 {
		t.Errorf("a lag of %v records is shown", lag)
	}
	p.stop(t)
}

// number runs a query that returns one number.
func (w *world) number(sql string) (n int) {
	w.t.Helper()
	w.query("SELECT toInt64(n) AS N FROM ("+strings.Replace(sql, "count()", "count() AS n", 1)+")", func(line []byte) {
		var row struct{ N int }
		must(w.t, json.Unmarshal(line, &row))
		n = row.N
	})
	return n
}

// peak is the most memory that the process had resident, in bytes.
func (p *process) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.running.Process.Pid))
	must(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no peak in %s", status)
	}
	n, err := strconv.Atoi(string(found[1]))
	must(t, err)
	return n << 10
}

// lag is the sum of the lags of all partitions.
func (p *process) lag() (sum float64) {
	lags := regexp.MustCompile(`(?m)^rollcall_ingest_lag_records\{.*\} (\S+)$`)
	for _, line := range lags.FindAllStringSubmatch(p.get("/metrics"), -1) {
		n, _ := strconv.ParseFloat(line[1], 64)
		sum += n
	}
	return sum
}
