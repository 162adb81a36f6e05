package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"rollcall/ingest/backoff"
	"rollcall/ingest/kafka/recordbatch"
)

// A Fetcher asks one broker for all partitions that it leads, again and again, as long as it leads
// any. It has two responses: the decoder reads one while the next one is fetched. When the
// decoder has to wait, the fetcher waits too.
type Fetcher struct {
	Cluster       *Cluster
	Assignment    *Assignment
	Broker        int32
	Wait          time.Duration    // how long the broker may wait for the first byte
	Bytes         int              // asked of the broker in one request
	Clock         func() time.Time // gives the time of a request
	Responses     chan<- *Response // to the decoder, which releases each afterwards
	TopicsChanged func()           // a topic is gone or made anew, so the group must be joined anew
	Report        Report

	home    chan *Response // the responses that are free
	request *fetchRequest
}

// Run fetches until ctx ends or the broker leads none of the partitions any more. It may be called
// once.
func (f *Fetcher) Run(ctx context.Context) {
	f.home = make(chan *Response, 2)
	f.request = &fetchRequest{}
	for range cap(f.home) {
		f.home <- &Response{home: f.home}
	}
	fetching := f.Report.fetch(f.Broker)
	for failures := 0; ctx.Err() == nil; {
		f.check(ctx)
		wants, leads := f.Assignment.wants(f.Broker, f.request.wants[:0])
		f.request.wants = wants
		if !leads {
			fetching.Passed()
			return
		}
		if len(wants) == 0 { // all partitions wait after a failure
			_ = backoff.Sleep(ctx, 20*time.Millisecond)
			continue
		}
		var response *Response
		select {
		case response = <-f.home:
		case <-ctx.Done():
			return
		}
		if err := f.fetch(ctx, response); err != nil {
			f.home <- &Response{home: f.home} // the connection may still be writing to the old one
			if ctx.Err() != nil {
				return
			}
			failures++
			f.Report.Counters.Retried()
			fetching.Failed(Reason(err), err)
			_ = backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, 2*time.Second))
			continue
		}
		failures = 0
		fetching.Passed()
		f.accept(ctx, response)
		select {
		case f.Responses <- response:
		case <-ctx.Done():
			return
		}
	}
}

func (f *Fetcher) fetch(ctx context.Context, response *Response) error {
	if cap(response.body) > 2*f.Bytes { // it held one very large record batch
		response.body = nil
		response.batches = nil
	}
	f.request.clock = f.Clock
	f.request.broker = f.Broker
	f.request.wait = f.Wait
	f.request.bytes = f.Bytes
	f.request.response = response
	if _, err := f.Cluster.ask(ctx, f.request, f.Wait); err != nil {
		f.request = &fetchRequest{} // the connection may still be using the old one
		return err
	}
	return response.parse(f.request.wants)
}

// accept moves partitions past what was fetched of them, and keeps those parts of the response. It
// makes a partition wait if its part is refused or broken.
func (f *Fetcher) accept(ctx context.Context, response *Response) {
	good := response.Fetched[:0]
	response.batches = response.batches[:0]
	for i := range response.Fetched {
		fetched := &response.Fetched[i]
		if err := kafkaError(fetched.problem); err != nil {
			f.refused(ctx, fetched, err)
			continue
		}
		var broken error
		response.batches, broken = fetched.Set.Split(fetched.records, response.batches)
		if f.Assignment.advance(fetched) {
			good = append(good, *fetched)
		}
		at := fetched.Set.Next
		end := fetched.HighWatermark
		if broken != nil && !f.Assignment.passesOver(fetched.Partition, at, end, broken) {
			f.failed(fetched, broken)
		}
	}
	response.Fetched = good
}

// failed makes a partition wait, and has it fetched again.
func (f *Fetcher) failed(fetched *Fetched, err error) {
	f.Assignment.hold(fetched.Partition)
	f.Assignment.notRead(fetched.Partition, fetched.Set.Next, err)
}

// refused handles a broker's refusal of one partition.
func (f *Fetcher) refused(ctx context.Context, fetched *Fetched, err error) {
	fetched.Set.Next = fetched.Set.From
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange) && f.remade(ctx, fetched.Partition):
		return
	case errors.Is(err, kafkago.OffsetOutOfRange):
		err = f.outOfRange(ctx, fetched)
		if err == nil {
			return
		}
	case errors.Is(err, kafkago.InvalidMessage): // the broker cannot read it either
		err = recordbatch.Unreadable(fetched.Set.From, "%w", err)
	case errors.Is(err, kafkago.UnknownTopicOrPartition):
		f.Assignment.lose(fetched.Partition)
		f.TopicsChanged() // if the topic was made anew, its committed offset was deleted with the old one
	}
	f.failed(fetched, err)
}

// remade says whether a partition's topic was made anew. If so, it has the group joined anew, and
// the new topic is then read from its start.
func (f *Fetcher) remade(ctx context.Context, p *Partition) bool {
	l, err := f.Cluster.Layout(ctx)
	switch {
	case err != nil, !l.SpeaksOf(p.Topic), slices.Contains(l.Missing, p.Topic):
		return false
	case l.TopicIDs[p.Topic] == f.Assignment.known.TopicIDs[p.Topic]:
		return false
	}
	f.Assignment.lose(p)
	f.TopicsChanged()
	return true
}

// outOfRange continues in the log as it is now, and reports what is missing. Either the log's start
// went past the position (retention was shorter than the outage), or the log ends before the
// position (the topic was made anew, or its log was truncated).
func (f *Fetcher) outOfRange(ctx context.Context, fetched *Fetched) error {
	first, end, err := f.Cluster.Bounds(ctx, fetched.Partition.TopicPartition)
	if err != nil {
		return err
	}
	at := fetched.Set.From
	switch {
	case at < first:
		f.Assignment.gap(fetched.Partition, Gap{at, first, first - at, GapDeleted})
	case at > end:
		lost := max(1, f.Assignment.seenEnd(fetched.Partition)-at)
		f.Assignment.gap(fetched.Partition, Gap{at, first, lost, GapRemade})
	default:
		return fmt.Errorf("%w, though the log has %d to %d", kafkago.OffsetOutOfRange, first, end)
	}
	return nil
}
