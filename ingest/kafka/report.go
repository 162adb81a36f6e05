package kafka

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"

	kafkago "github.com/segmentio/kafka-go"

	"rollcall/schema/outage"
)

// Counters count what happens to partitions, for operators. The log names the reasons.
type Counters interface {
	// Retried counts a request that is repeated: it failed, or its response could not be used.
	Retried()
	// Missed counts records that will never be read.
	Missed(p TopicPartition, records int64)
	// WaitsAtCorrupt says whether the partition waits at a record batch that cannot be read.
	WaitsAtCorrupt(p TopicPartition, waits bool)
}

// A Report tells operators what happens to partitions.
type Report struct {
	Log      *slog.Logger
	Counters Counters
}

// A Gap is a range of records that will never be read. Reading continues behind them.
type Gap struct {
	From, To int64
	Records  int64 // at least this many. After a change of the log, not the difference of the offsets
	Why      string
}

// These are the reasons of gaps.
const (
	GapDeleted    = "records were deleted before they were read"
	GapRemade     = "the topic was made anew or cut back; what its old log held beyond the position is lost"
	gapPassedOver = "a record batch that cannot be read was passed over, as --kafka-pass-over asks"
	gapTruncated  = "a new leader's log lacks records that the old one's had; " +
		"what that held beyond the position is lost"
)

// Gap counts and logs records that will never be read.
func (r Report) Gap(p TopicPartition, g Gap) {
	r.Counters.Missed(p, g.Records)
	r.Log.Error("gap: "+g.Why, "partition", p, "position", g.From, "goes_on_at", g.To, "records", g.Records,
		"do", "ask the producers to send that time again with the same ids and times, which counts nothing twice")
}

// unread is told while a partition cannot be read for another reason than a corrupt record batch.
func (r Report) unread() *outage.Outage {
	return &outage.Outage{
		Log: r.Log, What: "partition not read", Over: "partition read again",
		Do: "look at the partition's leader; the other partitions go on, the watermark waits for this one",
	}
}

// corrupt is told while a partition waits at a record batch that cannot be read.
func (r Report) corrupt() *outage.Outage {
	return &outage.Outage{
		Log: r.Log, What: "record batch not read; fetching it again", Over: "record batch read, or passed over",
		Do: "have another replica lead the partition; a batch that is broken in all of them: " +
			"see 'A record batch that cannot be read' in OPERATIONS.md",
	}
}

// fetch is told while a broker answers no fetch.
func (r Report) fetch(broker int32) *outage.Outage {
	return &outage.Outage{
		Log: r.Log.With("broker", broker), What: "fetch failed; trying again",
		Over: "fetched again, or the broker leads no partition any more",
		Do:   "look at this broker and the network to it; its partitions wait until it answers or another broker leads them",
	}
}

// Reason names the kind of a failure of Kafka, for outages.
func Reason(err error) string {
	var refused kafkago.Error
	var network net.Error
	switch {
	case errors.As(err, &refused):
		return refused.Title()
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	}
	return "other"
}
