package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/ingest/kafka"
	"rollcall/schema/tables"
)

const (
	progressRows = "SELECT topic, partition, through, complete_through, end_offset, gone, topic_id FROM progress FINAL"
	progressInto = "INSERT INTO progress (topic, partition, through, complete_through, end_offset, gone, topic_id)"
)

// readProgress reads the table progress.
func readProgress(ctx context.Context, conn driver.Conn) (map[kafka.TopicPartition]progressRow, error) {
	var rows []struct {
		Topic     string    `ch:"topic"`
		Partition int32     `ch:"partition"`
		Version   time.Time `ch:"through"`
		Through   time.Time `ch:"complete_through"`
		End       int64     `ch:"end_offset"`
		Gone      uint8     `ch:"gone"`
		TopicID   uuid.UUID `ch:"topic_id"`
	}
	if err := conn.Select(ctx, &rows, progressRows); err != nil {
		return nil, err
	}
	table := map[kafka.TopicPartition]progressRow{}
	for _, r := range rows {
		table[kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = progressRow{
			millisOf(r.Version), millisOf(r.Through), r.End, r.Gone != 0, r.TopicID,
		}
	}
	return table, nil
}

// A publisher writes progress to its table, and shows the watermark over all members.
type publisher struct {
	conn     driver.Conn
	progress *progress
	clock    *engineClock
	topics   []string // the topics that this process reads
	metrics  *metrics
	waits    *waits
	began    time.Time
}

// load reads the table into progress.
func (p *publisher) load(ctx context.Context) error {
	rows, err := readProgress(ctx, p.conn)
	if err == nil {
		p.progress.load(rows)
	}
	return err
}

// publish writes what can be published by now, and shows the watermark over all members. A failure
// is harmless: the next call publishes more.
func (p *publisher) publish(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, idleTimeout)
	defer cancel()
	switch err := p.write(ctx); {
	case err == nil:
		p.waits.watermark.Passed()
	case parent.Err() == nil:
		_, name := tables.Classify(err)
		p.waits.watermark.Failed(name, err)
	}
}

// write reads the table again before it writes, because other members and `rollcall topics retire`
// write to it too.
func (p *publisher) write(ctx context.Context) error {
	if err := p.clock.measure(ctx, p.conn); err != nil {
		return err
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	now := p.clock.now()
	if rows := p.progress.due(now); len(rows) > 0 {
		if err := insertProgress(ctx, p.conn, rows); err != nil {
			return err
		}
		p.progress.wrote(rows)
	}
	through, err := tables.CompleteThrough(ctx, p.conn)
	if err != nil {
		return err
	}
	if !through.IsZero() {
		p.metrics.complete.Set(float64(through.UnixMilli()) / 1000)
	}
	p.tellHold(now, p.progress.holding())
	return nil
}

func insertProgress(ctx context.Context, conn driver.Conn, rows map[kafka.TopicPartition]progressRow) error {
	block, err := conn.PrepareBatch(ctx, progressInto)
	if err != nil {
		return err
	}
	defer block.Abort()
	for s, row := range rows {
		version := row.version.Time()
		through := row.through.Time()
		if err := block.Append(s.Topic, s.Partition, version, through, row.end, oneIf(row.gone), row.topicID); err != nil {
			return err
		}
	}
	return block.Send()
}

func oneIf(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// holdsAfter is how far the watermark may be behind, and how long a process may run without one,
// before the log names the partition that holds it.
const holdsAfter = time.Minute

// tellHold tells which partition the watermark waits for, and what to do if no process will ever
// read that partition.
func (p *publisher) tellHold(now time.Time, least hold) {
	switch {
	case least.Topic == "": // nothing was ever read, or no topic exists
		return
	case now.Sub(least.through.Time()) < holdsAfter:
		p.waits.hold.Passed()
		return
	case least.through == 0 && time.Since(p.began) < holdsAfter: // the first records are being read
		return
	}
	reason := "not stored"
	why := errors.New("its records are not stored yet")
	do := "see rollcall_ingest_lag_records; lines before this one say if ingest waits for ClickHouse or a broker"
	retire := "run: rollcall topics retire " + least.Topic
	switch {
	case !slices.Contains(p.topics, least.Topic):
		reason = "not read"
		why = errors.New("this process does not read the topic")
		do = "if no process does any more, " + retire
	case !least.exists:
		reason = "not there"
		why = errors.New("the brokers do not have it")
		do = "if the topic was deleted for good, " + retire
	}
	p.waits.hold.Failed(reason+" "+least.Topic, why,
		"partition", least.TopicPartition, "through", least.through.Time(), "do", do)
}
