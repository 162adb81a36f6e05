package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/ingest"
)

type topicsCommand struct {
	List   topicsListCommand   `cmd:"" help:"List the topics that the watermark waits for or has waited for."`
	Retire topicsRetireCommand `cmd:"" help:"Let go a topic that ingest does not read any more; what was stored stays."`
}

// topicFlags are the flags of both commands.
type topicFlags struct {
	clickhouseFlags `embed:""`
	kafkaFlags      `embed:""`
	KafkaGroup      string `help:"Ingest's consumer group." default:"${kafka_group}"`
}

func (f topicFlags) group() (ingest.Config, error) {
	config, err := f.config()
	config.Group = f.KafkaGroup
	return config, err
}

// reach calls do with what both commands need: the group's settings with the brokers, and a
// connection to the tables.
func (f topicFlags) reach(do func(ingest.Config, driver.Conn) error) error {
	config, err := f.group()
	if err != nil {
		return err
	}
	return f.connected(func(conn driver.Conn) error { return do(config, conn) })
}

type topicsListCommand struct {
	topicFlags `embed:""`
}

func (c *topicsListCommand) Run(ctx context.Context, std streams) error {
	return c.reach(func(config ingest.Config, conn driver.Conn) error {
		topics, err := ingest.ListTopics(ctx, config, conn)
		if err != nil {
			return err
		}
		return printTopics(std.out, topics)
	})
}

func printTopics(w io.Writer, topics []ingest.Topic) error {
	var lines table
	lines.row("TOPIC", "PARTITIONS", "COMPLETE THROUGH", "UNREAD", "STATE")
	for _, t := range topics {
		unread := "?"
		if t.Unread >= 0 {
			unread = fmt.Sprint(t.Unread)
		}
		lines.row(t.Name, fmt.Sprint(t.Partitions), t.Through.UTC().Format(time.RFC3339), unread, topicState(t))
	}
	return lines.print(w)
}

// topicState says in words what becomes of a topic, and so whether somebody has to act.
func topicState(t ingest.Topic) string {
	switch {
	case t.Retired:
		return "retired"
	case !t.Exists:
		return "not in Kafka: the watermark waits for it"
	case len(t.Readers) == 0:
		return "read by nobody: the watermark waits for it"
	default:
		return "read on " + strings.Join(t.Readers, ", ")
	}
}

type topicsRetireCommand struct {
	topicFlags  `embed:""`
	Topic       string `arg:"" help:"The topic's name."`
	LeaveUnread bool   `help:"Retire it with records that were never stored: they are printed and left out."`
}

func (c *topicsRetireCommand) Run(ctx context.Context, std streams) error {
	return c.reach(func(config ingest.Config, conn driver.Conn) error {
		left, err := ingest.Retire(ctx, config, conn, c.Topic, c.LeaveUnread)
		for _, partition := range left {
			fmt.Fprintf(std.out, "never stored: %s\n", shown(partition))
		}
		if err == nil {
			fmt.Fprintf(std.err, "retired %s\n", shown(c.Topic))
		}
		return err
	})
}
