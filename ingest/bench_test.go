package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go/compress"

	"rollcall/ingest/kafka"
	"rollcall/ingest/kafka/recordbatch"
	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

// recordsOf puts records into record batches of 500, as a response has them.
func recordsOf(records []batchtest.Record, c compress.Compression) []byte {
	var out []byte
	for base := 0; base < len(records); base += 500 {
		out = append(out,
			batchtest.Batch{Base: int64(base), Codec: c, Records: records[base:min(base+500, len(records))]}.Wire()...)
	}
	return out
}

// BenchmarkDecodeEncode is all that ingest's own code does for one event: checksum, inflate,
// decode, columns, sort, Native block.
func BenchmarkDecodeEncode(b *testing.B) {
	const events = 20_000
	now := time.Now()
	for _, c := range []compress.Compression{compress.None, compress.Lz4, compress.Zstd} {
		b.Run(fmt.Sprintf("codec %d", c), func(b *testing.B) {
			records := recordsOf(batchtest.Usage(events, now), c)
			s := benchPipeline(b)
			p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
			set := fetchedSet(b, 0, records)
			d := s.newDecoder(context.Background())
			d.reader = recordbatch.NewReader(64 << 20)
			d.batch = newBatch()
			d.now = now
			d.engineNow = now
			d.partition = p
			b.ReportAllocs()
			b.ResetTimer()
			defer reportCPU(b)()
			for n := 0; n < b.N; n += events {
				if _, err := set.Split(records, set.Batches[:0]); err != nil {
					b.Fatal(err)
				}
				if err := d.reader.Read(&set, d.decodeRecord, d.reached); err != nil {
					b.Fatal(err)
				}
				if d.batch.events.Len() != events {
					b.Fatalf("%d events", d.batch.events.Len())
				}
				encodeAll(d.batch)
				d.batch.reset()
			}
		})
	}
}

// reportCPU reports the CPU time, which does not grow with other load on the machine.
func reportCPU(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/event") }
}

func encodeAll(b *batch) {
	blocks := b.events.Blocks(ignoreCopies)
	for _, block := range blocks {
		block.Encode()
	}
	b.events.Slices(blocks)
}

func benchPipeline(t testing.TB) *pipeline {
	cfg, err := Config{Brokers: []string{"-"}, Topics: []string{"t"}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(prometheus.NewRegistry())
	clock := &engineClock{}
	clock.set(time.Now(), time.Now())
	log := slog.New(slog.DiscardHandler)
	report := kafka.Report{Log: log, Counters: m}
	return &pipeline{
		cfg: cfg, log: log, metrics: m, report: report, clock: clock, progress: newProgress(m), erasures: newErasures(nil),
	}
}

// BenchmarkStages measures the stages of BenchmarkDecodeEncode one by one.
func BenchmarkStages(b *testing.B) {
	const events = 20_000
	now := time.Now()
	records := recordsOf(batchtest.Usage(events, now), compress.None)
	s := benchPipeline(b)
	p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
	set := fetchedSet(b, 0, records)
	d := s.newDecoder(context.Background())
	d.reader = recordbatch.NewReader(64 << 20)
	d.batch = newBatch()
	d.now = now
	d.engineNow = now
	d.partition = p
	nothing := func(int64) error { return nil }
	stage := func(name string, do func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for n := 0; n < b.N; n += events {
				do()
			}
		})
	}
	stage("checksum", func() { _, _ = set.Split(records, set.Batches[:0]) })
	stage("records", func() { _ = d.reader.Read(&set, func(*schema.Record) error { return nil }, nothing) })
	stage("records+decode", func() {
		_ = d.reader.Read(&set, func(rec *schema.Record) error { d.schema.Decode(rec, now, &d.event); return nil }, nothing)
	})
	stage("records+decode+columns", func() {
		d.batch.reset()
		_ = d.reader.Read(&set, d.decodeRecord, nothing)
	})
	var blocks []rows.Block
	stage("sort", func() { blocks = d.batch.events.Blocks(ignoreCopies) })
	stage("native", func() {
		for _, block := range blocks {
			block.Encode()
		}
	})
}

// BenchmarkFreshness measures the time from the broker's acknowledgement of a record until a reader
// finds its event in the log. It uses the default settings and sends one record at a time.
func BenchmarkFreshness(b *testing.B) {
	h := newHarness(b, "usage.messages")
	h.config = Config{Brokers: h.config.Brokers, Topics: h.config.Topics, Group: h.config.Group, Secret: testSecret}
	h.produce("usage.messages", 0, message("first", "ann", time.Now()))
	h.start()
	h.stored(1)
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		h.produce("usage.messages", int32(n%4), message(fmt.Sprint(n), "ann", time.Now()))
		produced := time.Now()
		for h.count("SELECT count() FROM events") != uint64(n+2) {
		}
		took = append(took, time.Since(produced))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
}
