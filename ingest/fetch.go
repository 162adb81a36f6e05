package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/ingest/backoff"
)

// A fetcher asks one broker for all partitions that it leads, again and again, as long as it leads any. Two answers are under way: one is decoded while the
// next one is fetched; when the decoder is held up by ClickHouse, so is the fetcher.
type fetcher struct {
	cluster       *cluster
	assignment    *assignment
	broker        int32
	wait          time.Duration    // how long the broker may wait for the first byte
	bytes         int              // asked of the broker at once
	clock         func() time.Time // what answers are dated by
	answers       chan<- *answer   // where they go; each is brought home afterwards
	topicsChanged func()           // told when a topic is gone or was made anew; the group is to be joined anew
	report        Report

	home    chan *answer
	request *fetchRequest
}

// run returns when ctx ends or the broker leads none of the partitions any more. It is called once.
func (f *fetcher) run(ctx context.Context) {
	f.home, f.request = make(chan *answer, 2), &fetchRequest{}
	for range cap(f.home) {
		f.home <- &answer{home: f.home}
	}
	for failures := 0; ctx.Err() == nil; {
		f.check(ctx)
		wants, leads := f.assignment.wants(f.broker, f.request.wants[:0])
		f.request.wants = wants
		if !leads {
			return
		}
		if len(wants) == 0 { // all of them wait after a failure
			_ = backoff.Sleep(ctx, 20*time.Millisecond)
			continue
		}
		var a *answer
		select {
		case a = <-f.home:
		case <-ctx.Done():
			return
		}
		if err := f.fetch(ctx, a); err != nil {
			f.home <- &answer{home: f.home} // the connection may still be writing to the other one
			if ctx.Err() != nil {
				return
			}
			failures++
			f.report.retried("fetch failed; trying again", "broker", f.broker, "failures", failures, "error", err)
			_ = backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, 2*time.Second))
			continue
		}
		failures = 0
		f.judge(ctx, a)
		select {
		case f.answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

func (f *fetcher) fetch(ctx context.Context, a *answer) error {
	if cap(a.body) > 2*f.bytes { // it held one very large record batch
		a.body, a.batches = nil, nil
	}
	f.request.clock = f.clock
	f.request.broker, f.request.wait, f.request.bytes, f.request.answer = f.broker, f.wait, f.bytes, a
	if _, err := f.cluster.ask(ctx, f.request, f.wait); err != nil {
		f.request = &fetchRequest{} // the connection may still be working on the other one
		return err
	}
	return a.parse(f.request.wants)
}

// judge keeps the parts of an answer that can be used, moves their partitions on, and deals with what is wrong with the others.
func (f *fetcher) judge(ctx context.Context, a *answer) {
	good := a.parts[:0]
	a.batches = a.batches[:0]
	for i := range a.parts {
		p := &a.parts[i]
		if err := kafkaError(p.problem); err != nil {
			f.refused(ctx, p, err)
			continue
		}
		var broken error
		a.batches, broken = p.set.cut(p.records, a.batches)
		if f.assignment.advance(p) {
			good = append(good, *p)
		}
		if broken != nil && !f.assignment.passesOver(p.of, p.set.next, p.end, broken) {
			f.failed(p, broken)
		}
	}
	a.parts = good
}

// failed has a partition wait, and be asked for again.
func (f *fetcher) failed(p *part, err error) {
	f.assignment.hold(p.of)
	f.assignment.notRead(p.of, p.set.next, err)
}

// refused deals with a broker's refusal of one partition.
func (f *fetcher) refused(ctx context.Context, p *part, err error) {
	p.set.next = p.set.from
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange) && f.remade(ctx, p.of):
		return
	case errors.Is(err, kafka.OffsetOutOfRange):
		err = f.outOfRange(ctx, p)
		if err == nil {
			return
		}
	case errors.Is(err, kafka.InvalidMessage): // the broker cannot read it either
		err = unreadable(p.set.from, "%w", err)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		f.assignment.lose(p.of)
		f.topicsChanged() // if it was made anew, its committed offset went with it
	}
	f.failed(p, err)
}

// remade says whether a partition's topic was made anew. The group is joined anew for it, and then
// reads it from its start.
func (f *fetcher) remade(ctx context.Context, p *partition) bool {
	l, err := f.cluster.layout(ctx)
	switch {
	case err != nil, !l.speaksOf(p.topic), slices.Contains(l.missing, p.topic):
		return false
	case l.ids[p.topic] == f.assignment.known.ids[p.topic]:
		return false
	}
	f.assignment.lose(p)
	f.topicsChanged()
	return true
}

// outOfRange goes on where the log is now, and says what is missing: either the log's start went past the position (retention was shorter than the outage), or
// the log ends before it (the topic was made anew, or cut back).
func (f *fetcher) outOfRange(ctx context.Context, p *part) error {
	first, end, err := f.cluster.bounds(ctx, p.of.slot)
	if err != nil {
		return err
	}
	at := p.set.from
	switch {
	case at < first:
		f.assignment.gap(p.of, Gap{at, first, first - at, gapDeleted})
	case at > end:
		f.assignment.gap(p.of, Gap{at, first, max(1, f.assignment.seenEnd(p.of)-at), gapRemade})
	default:
		return fmt.Errorf("%w, though the log has %d to %d", kafka.OffsetOutOfRange, first, end)
	}
	return nil
}
