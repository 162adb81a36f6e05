package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/ingest"
	"rollcall/schema"
)

type rejectsCommand struct {
	List   rejectsListCommand   `cmd:"" help:"Print the rejected records, one JSON per line."`
	Replay rejectsReplayCommand `cmd:"" help:"Send them again to the topics they came from, each once: what is valid now counts once however often it is sent, what still breaks a rule is rejected again."`
}

type rejectFlags struct {
	Reason string `help:"Only with this reason: ${enum}." enum:",too_large,malformed_json,not_cloudevent,unknown_type,missing_field,invalid_value,too_old,in_future" default:""`
	Topic  string `help:"Only from this topic."`
	Org    string `help:"Only of this workspace, as far as it could be read."`
	Since  string `help:"Only rejected since then: a time in RFC 3339, a date, or how long ago, like 90m or 7d." placeholder:"WHEN"`
}

func (f rejectFlags) filter(now time.Time) (ingest.RejectFilter, error) {
	filter := ingest.RejectFilter{Reason: schema.Reason(f.Reason), Topic: f.Topic, Org: f.Org}
	if f.Since == "" {
		return filter, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, f.Since); err == nil {
			filter.Since = t
			return filter, nil
		}
	}
	ago, err := parseDays(f.Since)
	if err != nil {
		return filter, badSetting("--since: %q is neither a time like 2026-10-31T08:00:00Z, a date, nor a duration like 7d",
			f.Since)
	}
	filter.Since = now.Add(-ago)
	return filter, nil
}

type rejectsListCommand struct {
	clickhouseFlags `embed:""`
	rejectFlags     `embed:""`
}

// listed is a rejected record as the list prints it.
type listed struct {
	Topic      string     `json:"topic"`
	Partition  int32      `json:"partition"`
	Offset     int64      `json:"offset"`
	RejectedAt time.Time  `json:"rejected_at"`
	Reason     string     `json:"reason"`
	Detail     string     `json:"detail"`
	Org        string     `json:"org_id,omitempty"`
	Key        string     `json:"key,omitempty"`
	Headers    [][]string `json:"headers,omitempty"`
	Value      string     `json:"value"`
	Size       uint64     `json:"value_size"`
}

func (c *rejectsListCommand) Run(ctx context.Context, std streams) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	return c.connected(func(conn driver.Conn) error { return printRejects(std.out, ingest.List(ctx, conn, filter)) })
}

func printRejects(w io.Writer, rejects iter.Seq2[*ingest.Reject, error]) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for r, err := range rejects {
		if err != nil {
			return err
		}
		line := listed{r.Topic, r.Partition, r.Offset, r.At, r.Reason, r.Detail, r.Org, r.Key, r.Headers, r.Value, r.Size}
		text.Reset()
		if err := encoder.Encode(line); err != nil {
			return err
		}
		if _, err := w.Write(shownJSON(text.Bytes())); err != nil {
			return err
		}
	}
	return nil
}

type rejectsReplayCommand struct {
	clickhouseFlags `embed:""`
	kafkaFlags      `embed:""`
	rejectFlags     `embed:""`
}

func (c *rejectsReplayCommand) Run(ctx context.Context, std streams) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	return c.connected(func(conn driver.Conn) error { return replay(ctx, conn, config, filter, std) })
}

func replay(
	ctx context.Context, conn driver.Conn, config ingest.Config, filter ingest.RejectFilter, std streams,
) error {
	report := newProgress(std.err, "records read")
	n := 0
	done, err := ingest.Replay(ctx, conn, config, filter, func(*ingest.Reject) { n++; report.at(n, 0) })
	report.done()
	switch {
	case err != nil && done.Sent > 0:
		return fmt.Errorf("%d records were sent again, then: %w", done.Sent, err)
	case err != nil:
		return err
	}
	fmt.Fprintf(std.out, "%d records sent again, %d were kept only in part (too_large) and cannot be\n", done.Sent,
		done.Partial)
	return nil
}
