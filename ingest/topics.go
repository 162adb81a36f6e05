package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/ingest/backoff"
	"rollcall/ingest/kafka"
)

// ErrNotRetired says that a topic was not retired. The error's text says what to do first.
var ErrNotRetired = errors.New("the topic is not retired")

// A Topic says how far a topic is stored, and which members read it.
type Topic struct {
	Name       string
	Partitions int
	Through    time.Time // the smallest over its partitions, on ClickHouse's clock
	Unread     int64     // offsets beyond the committed ones; there may be fewer records. −1: unknown
	Exists     bool      // in Kafka
	Readers    []string  // hosts of the group's members that subscribe to it
	Retired    bool      // the watermark does not wait for it
}

// A topicDesk answers questions about topics, and retires them.
type topicDesk struct {
	cfg     Config
	conn    driver.Conn
	cluster *kafka.Cluster
}

// openTopics makes a topicDesk for some topics. Of cfg it needs what reaches the brokers, and the
// group.
func openTopics(cfg Config, conn driver.Conn, topics []string) (*topicDesk, error) {
	cfg.Topics = topics
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &topicDesk{cfg, conn, kafka.NewCluster(cfg.clusterConfig(time.Now))}, nil
}

// ListTopics lists every topic that any ingest has ever read or waited for.
func ListTopics(ctx context.Context, cfg Config, conn driver.Conn) ([]Topic, error) {
	rows, err := readProgress(ctx, conn)
	if err != nil {
		return nil, err
	}
	byTopic := map[string]map[kafka.TopicPartition]progressRow{}
	for s, row := range rows {
		if byTopic[s.Topic] == nil {
			byTopic[s.Topic] = map[kafka.TopicPartition]progressRow{}
		}
		byTopic[s.Topic][s] = row
	}
	var topics []Topic
	for name, rows := range byTopic {
		d, err := openTopics(cfg, conn, []string{name})
		if err != nil {
			return nil, err
		}
		of, err := d.look(ctx, name, rows)
		d.cluster.Close()
		if err != nil {
			return nil, err
		}
		topics = append(topics, of.Topic)
	}
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics, nil
}

// A look is a Topic, and the facts that it was made from.
type look struct {
	Topic
	layout *kafka.Layout
	unread []string // a line for each partition with unread records
}

// look asks Kafka about a topic.
func (d *topicDesk) look(
	ctx context.Context, name string, rows map[kafka.TopicPartition]progressRow,
) (of look, err error) {
	if of.layout, err = d.cluster.Layout(ctx); err != nil {
		return of, err
	}
	of.Topic = Topic{Name: name, Partitions: len(rows), Retired: true, Exists: len(of.layout.Leaders) > 0, Unread: -1}
	for _, row := range rows {
		of.Retired = of.Retired && row.gone
		if through := row.through.Time(); of.Through.IsZero() || through.Before(of.Through) {
			of.Through = through
		}
	}
	if of.Readers, err = d.readers(ctx, name); err != nil || !of.Exists {
		return of, err
	}
	of.Unread, of.unread, err = d.unread(ctx, of.layout, rows)
	return of, err
}

// readers returns the hosts of the group's members that subscribe to a topic. While the members
// rebalance, nobody can say what they subscribe to.
func (d *topicDesk) readers(ctx context.Context, name string) (hosts []string, err error) {
	hosts, err = d.cluster.Readers(ctx, d.cfg.Group, name)
	switch {
	case errors.Is(err, kafka.ErrRebalancing):
		return nil, fmt.Errorf("%w: the members of the group %s are rebalancing; try again in a minute",
			ErrNotRetired, d.cfg.Group)
	case err != nil:
		return nil, fmt.Errorf("ask for the members of the group %s: %w", d.cfg.Group, err)
	}
	return hosts, nil
}

// unread counts the records that Kafka holds beyond the committed offsets. words has a line for
// each partition.
func (d *topicDesk) unread(
	ctx context.Context, l *kafka.Layout, rows map[kafka.TopicPartition]progressRow,
) (sum int64, words []string, err error) {
	partitions := map[string][]int32{}
	for s := range l.Leaders {
		partitions[s.Topic] = append(partitions[s.Topic], s.Partition)
	}
	committed, err := d.cluster.Committed(ctx, d.cfg.Group, partitions)
	if err != nil {
		return 0, nil, err
	}
	for s := range l.Leaders {
		first, end, err := d.cluster.Bounds(ctx, s)
		if err != nil {
			return 0, nil, err
		}
		from := first
		if at, has := committed[s]; has {
			from = max(from, at.Offset)
		} else if row := rows[s]; row.topicID == l.TopicIDs[s.Topic] {
			from = max(from, row.end)
		}
		if end > from {
			sum += end - from
			words = append(words, fmt.Sprintf("%s: offsets %d to %d", s, from, end-1))
		}
	}
	slices.Sort(words)
	return sum, words, nil
}

// Retire releases the watermark from a topic that nobody reads any more. What was stored of the
// topic stays.
//
// Retire refuses while a member of the group subscribes to the topic. Unless leaveUnread is true,
// it also refuses while Kafka holds records of the topic that were never stored; `left` describes
// these records. If ingest reads the topic again later, the watermark waits for it again, from
// where it was left. Retire reads the table again before it reports success.
func Retire(
	ctx context.Context, cfg Config, conn driver.Conn, name string, leaveUnread bool,
) (left []string, err error) {
	d, err := openTopics(cfg, conn, []string{name})
	if err != nil {
		return nil, err
	}
	defer d.cluster.Close()
	rows, err := d.rows(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, fmt.Errorf("%w: no ingest has ever read or waited for a topic %q; "+
			"`rollcall topics list` shows those there are", ErrNotRetired, name)
	}
	of, err := d.look(ctx, name, rows)
	if err != nil {
		return nil, err
	}
	switch {
	case len(of.layout.Unclear) > 0 || of.layout.Partial:
		return nil, fmt.Errorf("%w: the brokers do not agree on it; try again in a minute", ErrNotRetired)
	case len(of.Readers) > 0 && of.Exists:
		return nil, fmt.Errorf("%w: members of the group %s read it (on %s); take it out of their --kafka-topics first",
			ErrNotRetired, d.cfg.Group, strings.Join(of.Readers, ", "))
	case of.Unread > 0 && !leaveUnread:
		return of.unread, fmt.Errorf("%w: Kafka holds up to %d records of it that were never stored; "+
			"have ingest read them, or leave them out with --leave-unread", ErrNotRetired, of.Unread)
	}
	return of.unread, d.retire(ctx, name, rows)
}

// rows returns a topic's rows of the table progress.
func (d *topicDesk) rows(ctx context.Context, name string) (map[kafka.TopicPartition]progressRow, error) {
	rows, err := readProgress(ctx, d.conn)
	for s := range rows {
		if s.Topic != name {
			delete(rows, s)
		}
	}
	return rows, err
}

// retire marks the partitions as gone, and then checks that the mark stays. It refuses if the rows
// change before that: an ingest of another group reads the partitions and publishes how far.
func (d *topicDesk) retire(ctx context.Context, name string, rows map[kafka.TopicPartition]progressRow) error {
	quiet := func(before, now progressRow) bool { return now.version == before.version }
	if err := d.watch(ctx, name, rows, quiet); err != nil {
		return err
	}
	for s, row := range rows {
		row.gone = true
		row.version++
		rows[s] = row
	}
	if err := insertProgress(ctx, d.conn, rows); err != nil {
		return err
	}
	return d.watch(ctx, name, rows, func(_, now progressRow) bool { return now.gone })
}

// watch checks that the rows stay as they are, for longer than an ingest that reads them would be
// silent.
func (d *topicDesk) watch(
	ctx context.Context, name string, before map[kafka.TopicPartition]progressRow,
	stays func(before, now progressRow) bool,
) error {
	for range 2 {
		if err := backoff.Sleep(ctx, d.cfg.ProgressEvery+d.cfg.FetchWait); err != nil {
			return err
		}
		now, err := d.rows(ctx, name)
		if err != nil {
			return err
		}
		for s, row := range now {
			if !stays(before[s], row) {
				return fmt.Errorf("%w: an ingest of another group reads %s; take it out of its --kafka-topics first",
					ErrNotRetired, s)
			}
		}
	}
	return nil
}
