//go:build faults && linux

package faults

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/suite/eventlog"
	"rollcall/deploy/test/suite/oracle"
)

// A stored record is a record that the broker holds and that must be counted.
type stored struct {
	place
	Key, Value []byte
	Headers    []kgo.RecordHeader
}

// A place is a record's topic, partition and offset.
type place struct {
	topic     string
	partition int32
	offset    int64
}

func (s stored) number() int {
	for _, h := range s.Headers {
		if h.Key == numberHeader {
			n, _ := strconv.Atoi(string(h.Value))
			return n
		}
	}
	return 0
}

func (s stored) record() oracle.Record {
	r := oracle.Record{Value: s.Value}
	for _, h := range s.Headers {
		r.Headers = append(r.Headers, oracle.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

// held reads all committed records of topics, with a client that shares no code with ingest's.
func (w *world) held(topics ...string) (records []stored) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	starts := map[string]map[int32]kgo.Offset{}
	left := map[string]map[int32]int64{}
	for _, topic := range topics {
		starts[topic] = map[int32]kgo.Offset{}
		left[topic] = map[int32]int64{}
		first := w.broker.Starts(topic)
		for p, end := range w.broker.Ends(topic) {
			if end > first[p] {
				starts[topic][int32(p)] = kgo.NewOffset().At(first[p])
				left[topic][int32(p)] = end
			}
		}
		if len(left[topic]) == 0 {
			delete(left, topic)
			delete(starts, topic)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.addr), kgo.ConsumePartitions(starts),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond), kgo.Rack(harnessRack))
	must(w.t, err)
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		must(w.t, fetches.Err())
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			for _, r := range f.Records {
				if !r.Attrs.IsControl() {
					records = append(records, stored{place{r.Topic, r.Partition, r.Offset}, r.Key, r.Value, r.Headers})
				}
				if end, waiting := left[r.Topic][r.Partition]; waiting && r.Offset >= end-1 {
					// The record may belong to a transaction that was aborted since.
					delete(left[r.Topic], r.Partition)
				}
			}
		})
		for topic := range left {
			if len(left[topic]) == 0 {
				delete(left, topic)
			}
		}
	}
	return records
}

// settled waits until everything in the topics is committed. It fails the test if nothing moves for
// the time patience.
func (w *world) settled() {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	before := ""
	for poll := time.NewTicker(100 * time.Millisecond); ; <-poll.C {
		behind := w.behind()
		if behind == "" {
			return
		}
		if behind != before {
			deadline = time.Now().Add(patience)
			before = behind
		}
		if time.Now().After(deadline) {
			w.fail("for %s nothing moved, and not everything is committed: %s", patience, behind)
		}
	}
}

// behind names the partitions that are not committed to their ends.
func (w *world) behind() string {
	w.t.Helper()
	var behind strings.Builder
	for _, topic := range w.topics {
		committed := w.broker.Committed(group, topic)
		first := w.broker.Starts(topic)
		stable := w.broker.Stable(topic)
		for p, end := range w.broker.Ends(topic) {
			if max(first[p], committed[p]) < end {
				fmt.Fprintf(&behind, "%s/%d holds %d to %d, stable below %d, committed is %d; ", topic, p, first[p], end, stable[p],
					committed[p])
			}
		}
	}
	return behind.String()
}

// check compares what is stored with what the topics hold. It makes a new oracle.
func (w *world) check() {
	w.t.Helper()
	held := w.held(w.topics...)
	if missing := w.producer.missing(held); len(missing) > 0 {
		w.t.Fatalf("the broker lost %d acknowledged records, %d the first of them: no fault of Rollcall's", len(missing),
			missing[0])
	}
	o := oracle.New()
	rejected := map[place]string{}
	for _, e := range w.erasures {
		o.Erase(e)
	}
	for _, s := range held {
		if reason := o.Add(s.record(), time.Now()); reason != "" && !w.namesErased(s) {
			rejected[s.place] = reason
		}
	}
	w.checkLog(o)
	w.checkRejects(rejected)
	w.checkTraces()
	w.oracle = o
	w.records = len(held)
}

// checkLog takes the winners of conflicts from the log into the oracle. It fails the test if the
// log is not exactly the oracle's events.
func (w *world) checkLog(o *oracle.Oracle) {
	w.t.Helper()
	events, err := w.database().Events(w.t.Context())
	must(w.t, err)
	if err := eventlog.Settle(o, events); err != nil {
		w.fail("%v", err)
	}
}

// checkRejects looks for the row of every record that is not a valid event.
func (w *world) checkRejects(rejected map[place]string) {
	w.t.Helper()
	rows := w.rejects()
	for at, reason := range rejected {
		if !rows[at][reason] {
			w.fail("the record %+v should be rejected as %s; in the rejects: %v", at, reason, rows[at])
		}
	}
}
