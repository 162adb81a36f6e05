package embedded

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records are removed by the time of their arrival. The timestamps that producers set, and a
// restart, change nothing.
func TestRecordsAreKeptSinceTheyArrived(t *testing.T) {
	opts := BrokerOptions{Dir: t.TempDir(), Topics: []string{"t"}, Partitions: 1, Retention: 24 * time.Hour}
	noted := opts
	noted.Log = slog.New(slog.DiscardHandler)
	// The broker writes its own notes, with the real time, into opts.Dir. This test sets the time
	// itself, so it has a folder of its own.
	noted.Dir = t.TempDir()
	begin := func() (*Broker, *retention) {
		b, err := StartBroker(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b, newRetention(b.cluster, b.Addr(), noted)
	}
	produce := func(b *Broker, times ...time.Time) {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("t"))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, at := range times {
			record := &kgo.Record{Value: []byte("v"), Timestamp: at}
			if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := time.Now()
	b, r := begin()
	apply := func(after time.Duration, want int64) {
		t.Helper()
		if err := r.apply(t.Context(), now.Add(after)); err != nil {
			t.Fatal(err)
		}
		b.cluster.ApplyRetention() // the cluster's own retention removes nothing
		if got := b.cluster.PartitionInfo("t", 0).LogStartOffset; got != want {
			t.Errorf("after %s the log starts at %d, want %d", after, got, want)
		}
	}
	produce(b, now, now, now.AddDate(0, -2, 0)) // the last record claims to be old
	apply(2*time.Hour, 0)
	produce(b, now.AddDate(0, 2, 0), now.AddDate(-1, 0, 0))
	apply(3*time.Hour, 0)
	apply(25*time.Hour, 0)
	b.Close()
	b, r = begin()
	apply(26*time.Hour+time.Minute, 3)
	apply(27*time.Hour+time.Minute, 5)
	apply(1000*time.Hour, 5)

	if err := os.WriteFile(filepath.Join(noted.Dir, "retention.json"), []byte(`[{"At":`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Close()
	b, r = begin()
	produce(b, now)
	// A file that was cut in half is ignored, so the record counts as just arrived. Offset 4 is the
	// empty batch with which a start keeps the end of a log without records
	// (broker_recovery_ends.go).
	apply(2000*time.Hour, 4)
	apply(2025*time.Hour, 6)
}
