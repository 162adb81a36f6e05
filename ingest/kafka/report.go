package kafka

import (
	"context"
	"log/slog"
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
	r.Log.Error("gap: "+g.Why, "partition", p, "position", g.From, "goes_on_at", g.To, "records", g.Records)
}

// retried counts and logs a failure after which something is tried again.
func (r Report) retried(what string, attributes ...any) {
	r.Counters.Retried()
	r.Log.Log(context.Background(), slog.LevelWarn, what, attributes...)
}
