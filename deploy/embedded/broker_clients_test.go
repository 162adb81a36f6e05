package embedded_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/embedded"
)

// TestBrokerWithKcat holds the broker against librdkafka: a producer, a consumer and a group member that have nothing in common with ours.
func TestBrokerWithKcat(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	kcat(t, "one\ntwo\nthree\n", "-P", "-b", b.Addr(), "-t", "t", "-z", "gzip")
	if got := kcat(t, "", "-C", "-b", b.Addr(), "-t", "t", "-o", "beginning", "-e", "-q"); got != "one\ntwo\nthree\n" {
		t.Errorf("consumed %q", got)
	}
	if got := kcat(t, "", "-b", b.Addr(), "-X", "auto.offset.reset=earliest", "-c", "3", "-q", "-G", "kcat", "t"); got != "one\ntwo\nthree\n" {
		t.Errorf("consumed as a group %q", got)
	}
	if got := kcat(t, "", "-L", "-b", b.Addr()); !strings.Contains(got, `topic "t" with 1 partitions`) {
		t.Errorf("metadata:\n%s", got)
	}
}

func kcat(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kcat", args...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat %s: %v (Debian's package kcat)\n%s", strings.Join(args, " "), err, errors.String())
	}
	return string(out)
}

// TestBrokerHidesAbortedRecords reads a log of commits and aborts in small answers, each full by the request's own limit.
func TestBrokerHidesAbortedRecords(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	producer := client(t, b, kgo.TransactionalID("p"), kgo.DefaultProduceTopic("t"))
	want := map[string]bool{}
	for round := range 6 {
		commit := round%2 == 0
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 50 {
			v := fmt.Sprintf("round %d, record %d", round, n)
			want[v] = commit
			if err := producer.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	consumer := client(t, b, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(1000))
	for read := 0; read < 150; {
		fetches := consumer.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			if !want[string(r.Value)] {
				t.Errorf("read what was aborted, or read twice: %s", r.Value)
			}
			delete(want, string(r.Value))
		})
	}
}

func client(t *testing.T, b *embedded.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
