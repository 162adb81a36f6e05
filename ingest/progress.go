package ingest

import (
	"context"
	"maps"
	"sync"
	"time"

	"rollcall/schema"
)

// goneAfter is how long a partition must have been away before the watermark stops waiting for it.
const goneAfter = 10 * time.Second

// A pair says that a partition ended at an offset at a time.
type pair struct {
	at  time.Time
	end int64
}

// progress knows how far each partition is stored. What it publishes is true for good: everything below `end`, which was the end at `at`, is stored; so two
// members may publish for one partition, and a late one does no harm.
//
// No time is published that is later than the last moment at which all partitions were known to be in the table: a partition that was just created holds the
// watermark from its first moment on, even if nobody reads it yet.
type progress struct {
	metrics *metrics

	mu        sync.Mutex
	mine      map[slot]*track
	table     map[slot]progressRow // what the table holds, as far as this process knows
	dirty     map[slot]progressRow // what is to be written before anything else
	missingAt map[slot]time.Time   // since when a partition that the table holds has been away
	seen      time.Time            // of the last layout whose partitions all are in the table or in dirty
}

// A track is one partition of this member.
type track struct {
	stored         position
	waiting, newer pair // the next to be reached; the last one seen, which follows
	reached        pair
}

// A progressRow is a row of the table progress.
type progressRow struct {
	through schema.Millis
	end     int64
	gone    bool
}

func newProgress(m *metrics) *progress {
	return &progress{metrics: m, table: map[slot]progressRow{}, dirty: map[slot]progressRow{}, missingAt: map[slot]time.Time{}}
}

// assign starts anew with the partitions of a generation, each stored up to where it is read from.
func (p *progress) assign(partitions []*partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine = map[slot]*track{}
	p.metrics.lag.Reset()
	for _, of := range partitions {
		p.mine[of.slot] = &track{stored: of.decoded}
	}
}

// ends notes that a partition ended at an offset at a time.
func (p *progress) ends(s slot, at time.Time, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.mine[s]
	if t == nil || end < 0 {
		return
	}
	t.newer = pair{at, end}
	t.catchUp()
	p.showLag(s, t.newer.end-t.stored.offset)
}

// sees shows the lag behind an end of which nothing else is known.
func (p *progress) sees(s slot, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.mine[s]; t != nil {
		p.showLag(s, end-t.stored.offset)
	}
}

// stored notes that all records below the offsets are stored.
func (p *progress) stored(ends map[*partition]position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, end := range ends {
		if t := p.mine[of.slot]; t != nil && t.stored.jumps == end.jumps {
			t.stored = end
			t.catchUp()
			p.showLag(of.slot, t.newer.end-t.stored.offset)
		}
	}
}

// jumped notes that a partition goes on elsewhere: what was seen of its end is void.
func (p *progress) jumped(s slot, to position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine[s] != nil {
		p.mine[s] = &track{stored: to}
	}
}

func (t *track) catchUp() {
	if t.waiting.at.IsZero() {
		t.waiting = t.newer
	}
	if !t.waiting.at.IsZero() && t.stored.offset >= t.waiting.end {
		t.reached, t.waiting = t.waiting, pair{}
		if t.stored.offset >= t.newer.end {
			t.reached = t.newer
		} else {
			t.waiting = t.newer
		}
	}
}

func (p *progress) showLag(s slot, records int64) {
	p.metrics.lag.WithLabelValues(s.topic, s.number()).Set(float64(max(0, records)))
}

// load takes over what the table holds.
func (p *progress) load(rows map[slot]progressRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table = rows
}

// storedBefore is how far a partition was stored by whoever read it before, or −1.
func (p *progress) storedBefore(s slot) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row, known := p.table[s]; known && !row.gone && row.through > 0 {
		return row.end
	}
	return -1
}

// covers takes over which partitions there are. A new one is entered with the time at which it was not there yet; one that stays away is marked as gone.
func (p *progress) covers(l *layout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range l.leaders {
		delete(p.missingAt, s)
		row, known := p.table[s]
		switch {
		case !known && p.seen.IsZero():
			p.enter(s, progressRow{}) // it may hold a year of events: nothing is complete until they are stored
		case !known:
			p.enter(s, progressRow{through: schema.Millis(p.seen.UnixMilli())})
		case row.gone:
			p.enter(s, progressRow{through: max(row.through+1, schema.Millis(p.seen.UnixMilli()))})
		}
	}
	for s, row := range p.table {
		if _, exists := l.leaders[s]; exists || row.gone || !l.knows(s.topic) {
			continue
		}
		switch since, away := p.missingAt[s]; {
		case !away:
			p.missingAt[s] = l.asked
		case l.asked.Sub(since) >= goneAfter:
			p.enter(s, progressRow{through: schema.Millis(l.asked.UnixMilli()), end: row.end, gone: true})
		}
	}
	if len(l.unclear) == 0 {
		p.seen = l.asked
	}
}

func (p *progress) enter(s slot, row progressRow) {
	p.table[s], p.dirty[s] = row, row
}

// take gives the rows to be written now.
func (p *progress) take() map[slot]progressRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := maps.Clone(p.dirty)
	for s, t := range p.mine {
		at := t.reached.at
		if at.After(p.seen) {
			at = p.seen
		}
		through := schema.Millis(at.UnixMilli())
		if row := p.table[s]; !at.IsZero() && !row.gone && through > row.through {
			rows[s] = progressRow{through: through, end: t.reached.end}
		}
	}
	return rows
}

// wrote notes that the rows are in the table.
func (p *progress) wrote(rows map[slot]progressRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, row := range rows {
		if entered, waits := p.dirty[s]; waits && entered.through <= row.through {
			delete(p.dirty, s)
		}
		if p.table[s].through <= row.through {
			p.table[s] = row
		}
	}
}

const (
	progressRows = "SELECT topic, partition, through, end_offset, gone FROM progress FINAL"
	watermark    = "SELECT count(), min(through) FROM progress FINAL WHERE gone = 0"
)

// loadProgress reads the table.
func (i *Ingest) loadProgress(ctx context.Context) error {
	var rows []struct {
		Topic     string    `ch:"topic"`
		Partition int32     `ch:"partition"`
		Through   time.Time `ch:"through"`
		End       int64     `ch:"end_offset"`
		Gone      uint8     `ch:"gone"`
	}
	if err := i.conn.Select(ctx, &rows, progressRows); err != nil {
		return err
	}
	table := map[slot]progressRow{}
	for _, r := range rows {
		table[slot{r.Topic, r.Partition}] = progressRow{schema.Millis(r.Through.UnixMilli()), r.End, r.Gone != 0}
	}
	i.progress.load(table)
	return nil
}

// storeProgress writes what can be said by now, and shows the watermark over all members. A failure is of no consequence: the next call says more.
func (i *Ingest) storeProgress(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	if err := i.writeProgress(ctx); err != nil && ctx.Err() == nil {
		i.log.Warn("the watermark was not stored", "error", err)
	}
}

func (i *Ingest) writeProgress(ctx context.Context) error {
	rows := i.progress.take()
	if len(rows) == 0 {
		return nil
	}
	if err := i.insertProgress(ctx, rows); err != nil {
		return err
	}
	i.progress.wrote(rows)
	var partitions uint64
	var through time.Time
	if err := i.conn.QueryRow(ctx, watermark).Scan(&partitions, &through); err != nil {
		return err
	}
	if partitions > 0 {
		i.metrics.complete.Set(float64(through.UnixMilli()) / 1000)
	}
	return nil
}

func (i *Ingest) insertProgress(ctx context.Context, rows map[slot]progressRow) error {
	block, err := i.conn.PrepareBatch(ctx, "INSERT INTO progress (topic, partition, through, end_offset, gone)")
	if err != nil {
		return err
	}
	defer block.Abort()
	for s, row := range rows {
		if err := block.Append(s.topic, s.id, row.through.Time(), row.end, oneIf(row.gone)); err != nil {
			return err
		}
	}
	return block.Send()
}
