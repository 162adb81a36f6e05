package tables

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Alive is a condition over day: the rows of the rollups are not about to expire. The engine's
// clock decides when they expire, and the caller's ({alive_at:DateTime}) which days may be
// exported. The later of the two clocks counts here, since the log keeps every day for a month
// longer. The TTL is that of 0003_rollups.sql. When it is over, the log still has the slice. On 29
// February this happens for a day that can still be exported.
const Alive = "toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY > greatest({alive_at:DateTime('UTC')}, now('UTC') + INTERVAL 1 HOUR)"

// expiryMargin is subtracted from the rollups' TTL: rows must not expire while a query that was
// planned with them runs, and clocks differ by minutes. Alive has the same margin for the engine's
// clock.
const expiryMargin = time.Hour

// AliveAt is the parameter of Alive.
func AliveAt(now time.Time) driver.NamedValue {
	return clickhouse.Named("alive_at", now.Add(expiryMargin).UTC().Truncate(time.Second))
}
