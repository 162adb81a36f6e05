package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// A fetcher asks one broker for all partitions that it leads, again and again, as long as it leads any. Two answers are under way: one is decoded while the
// next one is fetched; when the decoder is held up by ClickHouse, so is the fetcher.
type fetcher struct {
	*session
	broker  int32
	home    chan *answer
	request *fetchRequest
}

func (s *session) newFetcher(broker int32) *fetcher {
	f := &fetcher{session: s, broker: broker, home: make(chan *answer, 2), request: &fetchRequest{}}
	f.home <- &answer{home: f.home}
	f.home <- &answer{home: f.home}
	return f
}

// run returns when ctx ends or the broker leads none of the partitions any more.
func (f *fetcher) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		f.check(ctx)
		wants, leads := f.assignment.wants(f.broker, f.request.wants[:0])
		f.request.wants = wants
		if !leads {
			return
		}
		if len(wants) == 0 { // all of them wait after a failure
			_ = sleep(ctx, 20*time.Millisecond)
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
			f.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
			f.log.Warn("fetch failed; trying again", "broker", f.broker, "failures", failures, "error", err)
			_ = sleep(ctx, delay(failures, 50*time.Millisecond, 2*time.Second))
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
	if cap(a.body) > 2*f.cfg.FetchBytes { // it held one very large record batch
		a.body = nil
	}
	f.request.clock = f.clock
	f.request.broker, f.request.wait, f.request.bytes, f.request.answer = f.broker, f.cfg.FetchWait, f.cfg.FetchBytes, a
	if _, err := f.cluster.ask(ctx, f.request, f.cfg.FetchWait); err != nil {
		f.request = &fetchRequest{} // the connection may still be working on the other one
		return err
	}
	return a.parse(f.request.wants)
}

// judge keeps the parts of an answer that can be used, moves their partitions on, and deals with what is wrong with the others.
func (f *fetcher) judge(ctx context.Context, a *answer) {
	good := a.parts[:0]
	for i := range a.parts {
		p := &a.parts[i]
		if err := kafkaError(p.problem); err != nil {
			f.refused(ctx, p, err)
			continue
		}
		var broken error
		p.records, p.next, p.epoch, broken = checkSet(p.records, p.from)
		if f.assignment.advance(p) {
			good = append(good, *p)
		}
		if broken != nil && !f.passesOver(p.of, p.next, p.end, broken) {
			f.failed(p, broken)
		}
	}
	a.parts = good
}

// failed has a partition wait, and be asked for again.
func (f *fetcher) failed(p *part, err error) {
	f.assignment.hold(p.of)
	f.notRead(p.of, p.next, err)
}

// refused deals with a broker's refusal of one partition.
func (f *fetcher) refused(ctx context.Context, p *part, err error) {
	p.next = p.from
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange) && f.remade(ctx, p.of):
		return
	case errors.Is(err, kafka.OffsetOutOfRange):
		err = f.outOfRange(ctx, p)
		if err == nil {
			return
		}
	case errors.Is(err, kafka.InvalidMessage): // the broker cannot read it either
		err = unreadable(p.from, "%w", err)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		f.assignment.lose(p.of)
		f.stop(errTopics) // if it was made anew, its committed offset went with it
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
	case l.ids[p.topic] == f.known.ids[p.topic]:
		return false
	}
	f.assignment.lose(p)
	f.stop(errTopics)
	return true
}

// outOfRange goes on where the log is now, and says what is missing: either the log's start went past the position (retention was shorter than the outage), or
// the log ends before it (the topic was made anew, or cut back).
func (f *fetcher) outOfRange(ctx context.Context, p *part) error {
	first, end, err := f.cluster.bounds(ctx, p.of.slot)
	if err != nil {
		return err
	}
	switch {
	case p.from < first:
		f.gap(p.of, p.from, first, first-p.from, gapDeleted)
	case p.from > end:
		f.gap(p.of, p.from, first, max(1, f.assignment.seenEnd(p.of)-p.from), gapRemade)
	default:
		return fmt.Errorf("%w, though the log has %d to %d", kafka.OffsetOutOfRange, first, end)
	}
	return nil
}

// Why records will never be read.
const (
	gapDeleted    = "records were deleted before they were read"
	gapRemade     = "the topic was made anew or cut back; what its old log held beyond the position is lost"
	gapPassedOver = "a record batch that cannot be read was passed over, as --kafka-pass-over asks"
	gapCut        = "a new leader's log lacks records that the old one's had; what that held beyond the position is lost"
)

// gap goes on behind records that will never be read.
func (s *session) gap(p *partition, from, to, records int64, why string) {
	if s.assignment.jump(p, from, to) {
		s.metrics.corrupt.DeleteLabelValues(p.topic, p.number())
		s.missed(p, from, to, records, why)
	}
}

// missed counts and shows records that will never be read.
func (i *Ingest) missed(p *partition, from, to, records int64, why string) {
	i.metrics.gaps.WithLabelValues(p.topic, p.number()).Add(float64(records))
	i.log.Error("gap: "+why, "partition", p.slot, "position", from, "goes_on_at", to, "records", records)
}
