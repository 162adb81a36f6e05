package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// An engineClock tells ClickHouse's time without asking for it each time. It is the one clock of
// the watermark and of the limits on an event's time, whichever host ingest runs on.
//
// What it tells is never ahead of ClickHouse's own clock: it counts from the moment at which the
// last answer had arrived, a thousandth slower than this host's monotonic clock, which stands while
// a virtual machine is suspended. A moment therefore has to be noted when it happens: a measurement
// that was made after a suspension would date it too late.
type engineClock struct {
	mu      sync.Mutex
	engine  time.Time // what ClickHouse said
	arrived time.Time // when that had arrived, on this host's monotonic clock
}

// set takes over a measurement.
func (c *engineClock) set(engine, arrived time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine = engine
	c.arrived = arrived
}

// now is ClickHouse's time, or a little before it. It is zero until the first measurement.
func (c *engineClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.engine.IsZero() {
		return time.Time{}
	}
	passed := time.Since(c.arrived)
	return c.engine.Add(passed - passed/1000)
}

// measure asks ClickHouse for its time.
func (c *engineClock) measure(ctx context.Context, conn driver.Conn) error {
	var engine time.Time
	if err := conn.QueryRow(ctx, "SELECT now64(3, 'UTC')").Scan(&engine); err != nil {
		return err
	}
	c.set(engine, time.Now())
	return nil
}
