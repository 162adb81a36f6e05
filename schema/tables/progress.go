package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// completeThrough has the number of partitions 0 while a row has a time that is still ahead of
// ClickHouse's clock: a host's clock was wrong, and ingest is about to replace the row. Partitions
// that no longer exist are left out.
const completeThrough = `SELECT if(countIf(complete_through > now64(3)) > 0, 0, count()), min(complete_through)
FROM progress FINAL WHERE NOT gone`

// CompleteThrough is the watermark: all events that were produced before this time are in the
// exports. It is the smallest time of all partitions. Zero means that it is not known.
func CompleteThrough(ctx context.Context, conn driver.Conn) (time.Time, error) {
	var partitions uint64
	var through time.Time
	if err := conn.QueryRow(ctx, completeThrough).Scan(&partitions, &through); err != nil {
		return time.Time{}, fmt.Errorf("read the watermark: %w", err)
	}
	if partitions == 0 {
		return time.Time{}, nil
	}
	return through.UTC(), nil
}
