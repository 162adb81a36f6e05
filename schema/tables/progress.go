package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// completeThrough counts no partitions while a row claims what cannot be known yet by ClickHouse's
// clock: somebody's clock was wrong, and ingest is about to replace the row. A partition that is
// gone says nothing.
const completeThrough = `SELECT if(countIf(complete_through > now64(3)) > 0, 0, count()), min(complete_through)
FROM progress FINAL WHERE NOT gone`

// CompleteThrough is the watermark: the time before which all events that were produced are in the
// exports, the smallest over all partitions. Zero: nothing is known.
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
