package ingest

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"rollcall/ingest/kafka"
	"rollcall/schema"
)

// A pair says that a partition ended at an offset at a time.
type pair struct {
	at  time.Time
	end int64
}

// progress knows how far each partition is stored. What it publishes stays true: everything below
// `end` is stored, and `end` was the partition's end at `at`. Therefore two members may publish for
// one partition. All times are ClickHouse's (engineClock).
//
// No published time is later than `seen`. That is the last moment when the brokers were asked and
// the table had every partition that they reported. A leader's word counts only while no newer
// leader is known, since a leader that was cut off from the other brokers goes on answering with
// the end that it knew.
//
// The watermark waits for every partition in the table, whatever becomes of the partition, with two
// exceptions: its topic was made anew without it, or `rollcall topics retire` released it.
type progress struct {
	metrics *metrics

	mu     sync.Mutex
	mine   map[kafka.TopicPartition]*track
	table  map[kafka.TopicPartition]progressRow // what the table holds, as far as this process knows
	dirty  map[kafka.TopicPartition]progressRow // rows to be written first
	epochs map[kafka.TopicPartition]int32       // of the leaders, from the last layout
	ids    map[string]uuid.UUID                 // of the topics, from the last layout
	seen   time.Time
}

// A track is the progress of one partition of this member.
type track struct {
	stored         kafka.Position
	waiting, newer pair // the end that is reached next; the last end that was seen
	reached        pair // the last end up to which all is stored
}

// A progressRow is a row of the table progress.
type progressRow struct {
	version schema.Millis // of several rows, the one with the greatest version holds
	through schema.Millis
	end     int64
	gone    bool
	topicID uuid.UUID
}

func newProgress(m *metrics) *progress {
	return &progress{
		metrics: m, table: map[kafka.TopicPartition]progressRow{}, dirty: map[kafka.TopicPartition]progressRow{},
	}
}

// assign starts anew with the partitions of a generation. Each counts as stored up to the position
// from which it is read.
func (p *progress) assign(partitions []*kafka.Partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine = map[kafka.TopicPartition]*track{}
	p.metrics.lag.Reset()
	p.metrics.corrupt.Reset()
	for _, of := range partitions {
		p.mine[of.TopicPartition] = &track{stored: of.Decoded}
	}
}

// ends notes that a partition ended at an offset at a time, as the leader of the epoch `under`
// said.
func (p *progress) ends(s kafka.TopicPartition, at time.Time, end int64, under int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.mine[s]
	if epoch, known := p.epochs[s]; t == nil || end < 0 || at.IsZero() || !known || epoch != under {
		return
	}
	t.newer = pair{at, end}
	t.catchUp()
	p.showLag(s, t.newer.end-t.stored.Offset)
}

// sees shows the lag behind an end, and notes nothing else: neither the time nor the leader of that
// end is known.
func (p *progress) sees(s kafka.TopicPartition, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.mine[s]; t != nil {
		p.showLag(s, end-t.stored.Offset)
	}
}

// stored notes that all records below the offsets are stored.
func (p *progress) stored(ends map[*kafka.Partition]kafka.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, end := range ends {
		if t := p.mine[of.TopicPartition]; t != nil && t.stored.Jumps == end.Jumps {
			t.stored = end
			t.catchUp()
			p.showLag(of.TopicPartition, t.newer.end-t.stored.Offset)
		}
	}
}

// jumped notes that a partition continues at another position. What was seen of its end is void.
func (p *progress) jumped(s kafka.TopicPartition, to kafka.Position) {
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
	if !t.waiting.at.IsZero() && t.stored.Offset >= t.waiting.end {
		t.reached = t.waiting
		t.waiting = pair{}
		if t.stored.Offset >= t.newer.end {
			t.reached = t.newer
		} else {
			t.waiting = t.newer
		}
	}
}

// void forgets what was seen of the partition's end.
func (t *track) void() {
	t.waiting = pair{}
	t.newer = pair{}
	t.reached = pair{}
}

func (p *progress) showLag(s kafka.TopicPartition, records int64) {
	p.metrics.lag.WithLabelValues(s.Topic, s.Number()).Set(float64(max(0, records)))
}

// load stores what the table holds.
func (p *progress) load(rows map[kafka.TopicPartition]progressRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table = rows
	for s, row := range p.dirty {
		if now, known := rows[s]; known && now.version > row.version {
			delete(p.dirty, s) // another member was faster
		} else {
			p.table[s] = row
		}
	}
	for s := range p.mine {
		if _, exists := p.epochs[s]; exists && p.table[s].gone {
			p.back(s) // somebody retired it without knowing that this process reads it
		}
	}
}

// back makes the watermark wait again for a partition, from the position where it was left: records
// that came since are not stored.
func (p *progress) back(s kafka.TopicPartition) {
	row := p.table[s]
	row.gone = false
	p.enter(s, row)
}

// storedBefore returns how far a partition was stored before, by any member, or −1. remade says
// whether that was another topic of this name.
func (p *progress) storedBefore(s kafka.TopicPartition, topicID uuid.UUID) (end int64, remade bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row, known := p.table[s]; known && row.through > 0 {
		return row.end, isAnother(row.topicID, topicID)
	}
	return -1, false
}

// covers stores which partitions there are, and who leads them.
func (p *progress) covers(l *kafka.Layout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, t := range p.mine {
		now, known := l.Epochs[s]
		if before, had := p.epochs[s]; known != had || now != before || l.TopicIDs[s.Topic] != p.ids[s.Topic] {
			t.void()
		}
	}
	p.epochs = l.Epochs
	p.ids = l.TopicIDs
	for s := range l.Leaders {
		switch row, known := p.table[s]; {
		case !known:
			p.enter(s, p.first(s, l))
		case row.gone:
			p.back(s)
		}
	}
	for s, row := range p.table {
		_, exists := l.Leaders[s]
		if !exists && !row.gone && l.SpeaksOf(s.Topic) && isAnother(row.topicID, l.TopicIDs[s.Topic]) {
			row.gone = true // a topic of this name was made anew without it
			p.enter(s, row)
		}
	}
	if len(l.Unclear) == 0 && !l.Partial {
		p.seen = l.Asked
	}
}

// first is the row of a partition that is not in the table yet. A partition that was added to a
// known topic did not exist at `seen`, so nothing before `seen` is missing. Any other may hold a
// year of events, so nothing is complete until they are stored.
func (p *progress) first(s kafka.TopicPartition, l *kafka.Layout) progressRow {
	row := progressRow{topicID: l.TopicIDs[s.Topic]}
	before, known := p.table[kafka.TopicPartition{Topic: s.Topic, Partition: 0}]
	if known && s.Partition > 0 && !before.gone && before.topicID == row.topicID && !p.seen.IsZero() {
		row.through = millisOf(p.seen)
	}
	return row
}

func millisOf(t time.Time) schema.Millis { return schema.Millis(t.UnixMilli()) }

func (p *progress) enter(s kafka.TopicPartition, row progressRow) {
	p.table[s] = row
	p.dirty[s] = row
}

// due returns the rows that are to be written now. now is ClickHouse's time.
func (p *progress) due(now time.Time) map[kafka.TopicPartition]progressRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := maps.Clone(p.dirty)
	for s, t := range p.mine {
		at := t.reached.at
		if at.After(p.seen) {
			at = p.seen
		}
		row := p.table[s]
		through := millisOf(at)
		if !at.IsZero() && !row.gone && (through > row.through || row.isAhead(now)) {
			rows[s] = progressRow{through: through, end: t.reached.end, topicID: p.ids[s.Topic]}
		}
	}
	for s, row := range rows {
		row.version = max(p.table[s].version+1, row.through)
		rows[s] = row
	}
	return rows
}

// isAhead says whether a row claims what cannot be known yet. Then the clock of some host was
// wrong.
func (r progressRow) isAhead(now time.Time) bool { return !now.IsZero() && r.through.Time().After(now) }

// wrote notes that the rows are in the table.
func (p *progress) wrote(rows map[kafka.TopicPartition]progressRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, row := range rows {
		if entered, waits := p.dirty[s]; waits && entered.gone == row.gone && entered.through <= row.through {
			delete(p.dirty, s)
		}
		p.table[s] = row
	}
}

// A hold is the partition that the watermark waits for.
type hold struct {
	kafka.TopicPartition
	progressRow
	exists bool // in Kafka, as the brokers say
}

// holding is the partition that holds the watermark: the one with the earliest row.
func (p *progress) holding() (least hold) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	for s, row := range p.table {
		if row.gone || found && row.through >= least.through {
			continue
		}
		_, exists := p.epochs[s]
		least = hold{s, row, exists}
		found = true
	}
	return least
}
