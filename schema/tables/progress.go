package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// completeThrough is the number of partitions, and their earliest time in ms. The number is 0 while
// a row has a time that is still ahead of ClickHouse's clock: a host's clock was wrong, and ingest
// is about to replace the row. Partitions that no longer exist are left out.
const completeThrough = `SELECT [if(countIf(complete_through > now64(3)) > 0, 0, count()), toUInt64(toUnixTimestamp64Milli(min(complete_through)))]
FROM progress FINAL WHERE NOT gone`

// CompleteThrough is the watermark: all events that were produced before this time are in the
// exports. It is the smallest time of all partitions. Zero means that it is not known.
func CompleteThrough(ctx context.Context, conn driver.Conn) (time.Time, error) {
	var numbers []uint64
	if err := conn.QueryRow(ctx, completeThrough).Scan(&numbers); err != nil {
		return time.Time{}, fmt.Errorf("read the watermark: %w", err)
	}
	return watermark(numbers), nil
}

// AskCompleteThrough asks for the watermark. It is read before anything that the questions behind
// this one read: the engine answers a scalar subquery while it analyses its part of the statement,
// and opens the tables of the parts behind it after that. The same holds on a cluster, where the
// engine asks the shards after it has analysed the whole statement.
func AskCompleteThrough(through *time.Time) Question {
	return Question{
		numbers: "(" + completeThrough + ")",
		take:    func(r answerRow) { *through = watermark(r.Numbers) },
	}
}

func watermark(numbers []uint64) time.Time {
	if numbers[0] == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(numbers[1])).UTC()
}
