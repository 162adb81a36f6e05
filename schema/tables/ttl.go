package tables

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Alive is a condition over day: the rows of the rollups are not about to expire. The engine's
// clock decides when they do, and the caller's ({alive_at:DateTime}) what may be exported; the one
// that is ahead counts here, since the log keeps every day for a month longer. The TTL is the one
// of 0003_rollups.sql; where it is over, which on 29 February is so for a day that can be exported,
// the log still has the slice.
const Alive = "toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY > greatest({alive_at:DateTime('UTC')}, now('UTC') + INTERVAL 1 HOUR)"

// expiryMargin is subtracted from the rollups' TTL: rows must not expire while a query that was
// planned with them runs, and clocks differ by minutes. Alive has it too.
const expiryMargin = time.Hour

// AliveAt is the parameter of Alive.
func AliveAt(now time.Time) driver.NamedValue {
	return clickhouse.Named("alive_at", now.Add(expiryMargin).UTC().Truncate(time.Second))
}
