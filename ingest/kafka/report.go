package kafka

import (
	"context"
	"log/slog"
)

// Counters are what operators see of the partitions. The log names the reasons.
type Counters interface {
	Retried()                                    // a request failed, or its response could not be used: it is repeated
	Missed(p TopicPartition, records int64)      // so many records will never be read
	WaitsAtCorrupt(p TopicPartition, waits bool) // the partition waits at a record batch that cannot be read
}

// A Report tells operators what happens to partitions.
type Report struct {
	Log      *slog.Logger
	Counters Counters
}

// A Gap is records that will never be read: reading goes on behind them.
type Gap struct {
	From, To int64
	Records  int64 // at least; more than lie between the offsets where the log is another one
	Why      string
}

// Why records will never be read.
const (
	GapDeleted    = "records were deleted before they were read"
	GapRemade     = "the topic was made anew or cut back; what its old log held beyond the position is lost"
	gapPassedOver = "a record batch that cannot be read was passed over, as --kafka-pass-over asks"
	gapTruncated  = "a new leader's log lacks records that the old one's had; what that held beyond the position is lost"
)

// Gap counts and logs records that will never be read.
func (r Report) Gap(p TopicPartition, g Gap) {
	r.Counters.Missed(p, g.Records)
	r.Log.Error("gap: "+g.Why, "partition", p, "position", g.From, "goes_on_at", g.To, "records", g.Records)
}

// retried counts and logs what failed and is repeated.
func (r Report) retried(what string, attributes ...any) {
	r.Counters.Retried()
	r.Log.Log(context.Background(), slog.LevelWarn, what, attributes...)
}
