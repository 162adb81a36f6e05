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

// A Fetcher asks one broker for all partitions that it leads, again and again, as long as it leads any. Two answers are under way: one is decoded while the
// next one is fetched; when the decoder is held up by ClickHouse, so is the fetcher.
type Fetcher struct {
	Cluster       *Cluster
	Assignment    *Assignment
	Broker        int32
	Wait          time.Duration    // how long the broker may wait for the first byte
	Bytes         int              // asked of the broker at once
	Clock         func() time.Time // what answers are dated by
	Responses     chan<- *Response // where they go; each is brought home afterwards
	TopicsChanged func()           // told when a topic is gone or was made anew; the group is to be joined anew
	Report        Report

	home    chan *Response
	request *fetchRequest
}

// Run returns when ctx ends or the broker leads none of the partitions any more. It is called once.
func (f *Fetcher) Run(ctx context.Context) {
	f.home, f.request = make(chan *Response, 2), &fetchRequest{}
	for range cap(f.home) {
		f.home <- &Response{home: f.home}
	}
	for failures := 0; ctx.Err() == nil; {
		f.check(ctx)
		wants, leads := f.Assignment.wants(f.Broker, f.request.wants[:0])
		f.request.wants = wants
		if !leads {
			return
		}
		if len(wants) == 0 { // all of them wait after a failure
			_ = backoff.Sleep(ctx, 20*time.Millisecond)
			continue
		}
		var a *Response
		select {
		case a = <-f.home:
		case <-ctx.Done():
			return
		}
		if err := f.fetch(ctx, a); err != nil {
			f.home <- &Response{home: f.home} // the connection may still be writing to the other one
			if ctx.Err() != nil {
				return
			}
			failures++
			f.Report.retried("fetch failed; trying again", "broker", f.Broker, "failures", failures, "error", err)
			_ = backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, 2*time.Second))
			continue
		}
		failures = 0
		f.judge(ctx, a)
		select {
		case f.Responses <- a:
		case <-ctx.Done():
			return
		}
	}
}

func (f *Fetcher) fetch(ctx context.Context, a *Response) error {
	if cap(a.body) > 2*f.Bytes { // it held one very large record batch
		a.body, a.batches = nil, nil
	}
	f.request.clock = f.Clock
	f.request.broker, f.request.wait, f.request.bytes, f.request.answer = f.Broker, f.Wait, f.Bytes, a
	if _, err := f.Cluster.ask(ctx, f.request, f.Wait); err != nil {
		f.request = &fetchRequest{} // the connection may still be working on the other one
		return err
	}
	return a.parse(f.request.wants)
}

// judge keeps the parts of an answer that can be used, moves their partitions on, and deals with what is wrong with the others.
func (f *Fetcher) judge(ctx context.Context, a *Response) {
	good := a.Fetched[:0]
	a.batches = a.batches[:0]
	for i := range a.Fetched {
		p := &a.Fetched[i]
		if err := kafkaError(p.problem); err != nil {
			f.refused(ctx, p, err)
			continue
		}
		var broken error
		a.batches, broken = p.Set.Cut(p.records, a.batches)
		if f.Assignment.advance(p) {
			good = append(good, *p)
		}
		if broken != nil && !f.Assignment.passesOver(p.Partition, p.Set.Next, p.HighWatermark, broken) {
			f.failed(p, broken)
		}
	}
	a.Fetched = good
}

// failed has a partition wait, and be asked for again.
func (f *Fetcher) failed(p *Fetched, err error) {
	f.Assignment.hold(p.Partition)
	f.Assignment.notRead(p.Partition, p.Set.Next, err)
}

// refused deals with a broker's refusal of one partition.
func (f *Fetcher) refused(ctx context.Context, p *Fetched, err error) {
	p.Set.Next = p.Set.From
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange) && f.remade(ctx, p.Partition):
		return
	case errors.Is(err, kafkago.OffsetOutOfRange):
		err = f.outOfRange(ctx, p)
		if err == nil {
			return
		}
	case errors.Is(err, kafkago.InvalidMessage): // the broker cannot read it either
		err = recordbatch.Unreadable(p.Set.From, "%w", err)
	case errors.Is(err, kafkago.UnknownTopicOrPartition):
		f.Assignment.lose(p.Partition)
		f.TopicsChanged() // if it was made anew, its committed offset went with it
	}
	f.failed(p, err)
}

// remade says whether a partition's topic was made anew. The group is joined anew for it, and then
// reads it from its start.
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

// outOfRange goes on where the log is now, and says what is missing: either the log's start went past the position (retention was shorter than the outage), or
// the log ends before it (the topic was made anew, or cut back).
func (f *Fetcher) outOfRange(ctx context.Context, p *Fetched) error {
	first, end, err := f.Cluster.Bounds(ctx, p.Partition.TopicPartition)
	if err != nil {
		return err
	}
	at := p.Set.From
	switch {
	case at < first:
		f.Assignment.gap(p.Partition, Gap{at, first, first - at, GapDeleted})
	case at > end:
		f.Assignment.gap(p.Partition, Gap{at, first, max(1, f.Assignment.seenEnd(p.Partition)-at), GapRemade})
	default:
		return fmt.Errorf("%w, though the log has %d to %d", kafkago.OffsetOutOfRange, first, end)
	}
	return nil
}
