package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/test/processtest"
)

// A killable is a broker of one topic with one partition that is "killed" without a process: it
// starts again at the same address with a copy of the files as they were at that moment. SIGKILL
// leaves exactly that.
type killable struct {
	*embedded.Broker
	t    *testing.T
	opts embedded.BrokerOptions
}

const only = "t" // its topic

func startKillable(t *testing.T) *killable {
	opts := embedded.BrokerOptions{Dir: t.TempDir(), Addr: processtest.FreeAddr(t), Topics: []string{only}, Partitions: 1}
	return &killable{startBroker(t, opts), t, opts}
}

// kill starts the broker again with a copy of its files. changes are made to the copy first.
func (k *killable) kill(changes ...func(dir string)) {
	k.t.Helper()
	left := filepath.Join(k.t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(k.opts.Dir)); err != nil {
		k.t.Fatal(err)
	}
	for _, change := range changes {
		change(left)
	}
	k.Close()
	k.opts.Dir = left
	k.Broker = startBroker(k.t, k.opts)
}

// restart stops the broker in order and starts it again.
func (k *killable) restart() {
	k.t.Helper()
	k.Close()
	k.Broker = startBroker(k.t, k.opts)
}

func (k *killable) client(opts ...kgo.Opt) *kgo.Client {
	return dial(k.t, k.Addr(), append(opts, kgo.DefaultProduceTopic(only))...)
}

// write produces a record with a new client.
func (k *killable) write(value string) {
	k.t.Helper()
	client := k.client()
	defer client.Close()
	k.produce(client, value)
}

func (k *killable) produce(client *kgo.Client, value string) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		k.t.Fatalf("produce %s: %v", value, err)
	}
}

func (k *killable) begin(client *kgo.Client, value string) {
	k.t.Helper()
	if err := client.BeginTransaction(); err != nil {
		k.t.Fatal(err)
	}
	k.produce(client, value)
}

func (k *killable) end(client *kgo.Client, commit kgo.TransactionEndTry) {
	k.t.Helper()
	if err := client.EndTransaction(k.t.Context(), commit); err != nil {
		k.t.Fatal(err)
	}
}

// holds fails the test unless readers of committed records see exactly these values, in this order.
func (k *killable) holds(want ...string) {
	k.t.Helper()
	const end = "the end"
	k.write(end)
	reader := k.client(kgo.ConsumeTopics(only), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer reader.Close()
	ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	for len(got) == 0 || got[len(got)-1] != end {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			k.t.Fatalf("a reader sees %q, want %q, and then: %v", got, want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(got) > 0 && got[len(got)-1] == end {
				got = got[:len(got)-1] // the end marker of an earlier call
			}
			got = append(got, string(r.Value))
		})
	}
	if got := got[:len(got)-1]; !slices.Equal(got, want) {
		k.t.Errorf("a reader sees %q, want %q", got, want)
	}
}

// A transaction that is open at a kill is aborted for good. What its producer commits later is not.
func TestBrokerKilledWithAnOpenTransaction(t *testing.T) {
	k := startKillable(t)
	k.begin(k.client(kgo.TransactionalID("p")), "open")
	k.kill()
	next := k.client(kgo.TransactionalID("p"))
	k.begin(next, "first")
	k.end(next, kgo.TryCommit)
	k.begin(next, "second")
	k.end(next, kgo.TryCommit)
	k.holds("first", "second")
	k.kill()
	k.holds("first", "second")
}

// The producer of a transaction that was open at a kill gets an error, so that it can send its
// records again.
func TestBrokerKilledBeforeACommit(t *testing.T) {
	for name, restart := range map[string]bool{"at its first run": false, "after a stop in order": true} {
		t.Run(name, func(t *testing.T) {
			k := startKillable(t)
			producer := k.client(kgo.TransactionalID("p"))
			k.begin(producer, "before")
			k.end(producer, kgo.TryCommit)
			if restart {
				k.restart()
			}
			k.begin(producer, "open")
			k.kill()
			if err := producer.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
				t.Error("the commit of a transaction that is gone was acknowledged")
			}
			k.holds("before")
		})
	}
}

// A transaction was open at an orderly stop and again at a kill. It hides no records that others
// wrote.
func TestBrokerKilledAfterAStopWithAnOpenTransaction(t *testing.T) {
	k := startKillable(t)
	k.begin(k.client(kgo.TransactionalID("p")), "open")
	k.write("plain")
	k.restart()
	k.kill()
	k.holds("plain")
}

// A kill during a write leaves the beginning of a batch, of an index entry or of a state entry.
// What was acknowledged before the kill and after it must be there, also after the next kill.
func TestBrokerKilledInMidWrite(t *testing.T) {
	for _, file := range []string{"partitions/t-0/0.dat", "partitions/t-0/0.idx", "groups.log", "pids.log"} {
		for _, cut := range []int64{1, 7, 14} {
			t.Run(fmt.Sprintf("%s less %d", filepath.Base(file), cut), func(t *testing.T) {
				k := startKillable(t)
				k.write("before")
				commit(t, k.Addr(), only, 1)
				commit(t, k.Addr(), only, 2)
				k.write("last")
				k.kill(func(dir string) { shorten(t, filepath.Join(dir, file), cut) })
				kept := []string{"before", "last"}
				if filepath.Ext(file) == ".dat" {
					// The last record was cut off. In a real kill it would not have been
					// acknowledged.
					kept = kept[:1]
				}
				k.holds(kept...)
				aborted := k.client(kgo.TransactionalID("p"))
				k.begin(aborted, "aborted")
				k.end(aborted, kgo.TryAbort)
				aborted.Close()
				k.write("after")
				commit(t, k.Addr(), only, 3)
				k.kill()
				if got := committed(t, k.Addr(), only); got != 3 {
					t.Errorf("committed offset %d, want 3", got)
				}
				k.holds(append(kept, "after")...)
			})
		}
	}
}

func shorten(t *testing.T, path string, by int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-by)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A producer that lives through an orderly stop and a kill can go on writing: the sequence numbers
// of that stop do not count any more.
func TestBrokerKilledAfterAStopUnderAProducer(t *testing.T) {
	k := startKillable(t)
	var lost error
	producer := k.client(kgo.ProducerOnDataLossDetected(func(topic string, p int32) {
		lost = errors.Join(lost, fmt.Errorf("%s/%d is said to have lost records", topic, p))
	}), kgo.StopProducerOnDataLossDetected())
	k.produce(producer, "1")
	k.restart()
	k.produce(producer, "2")
	k.produce(producer, "3")
	k.kill()
	k.produce(producer, "4")
	k.holds("1", "2", "3", "4")
	if lost != nil {
		t.Error(lost)
	}
}

// An offset is used once, even when all records are gone: a reader that committed 3 must see the
// next record.
func TestBrokerKeepsTheEndOfAnEmptyPartition(t *testing.T) {
	for name, again := range map[string]func(*killable){
		"stopped": func(k *killable) { k.restart() },
		"killed":  func(k *killable) { k.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			k := startKillable(t)
			for n := range 3 {
				k.write(fmt.Sprint(n))
			}
			commit(t, k.Addr(), only, 3)
			deleteRecords(t, k.client(), 3)
			again(k)
			again(k)
			k.write("next")
			if got := k.Cluster().PartitionInfo(only, 0).HighWatermark; got != 4 {
				t.Errorf("the log ends at %d, want 4", got)
			}
			k.holds("next")
		})
	}
}

func deleteRecords(t *testing.T, client *kgo.Client, before int64) {
	t.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = before
	topic.Topic = only
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	for _, shard := range client.RequestSharded(context.WithoutCancel(t.Context()), request) {
		if shard.Err != nil {
			t.Fatal(shard.Err)
		}
	}
}
