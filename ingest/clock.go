package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// An engineClock tells ClickHouse's time without asking ClickHouse each time. The watermark and the
// limits on an event's time use this clock alone, whichever host ingest runs on.
//
// It is never ahead of ClickHouse's own clock. It counts from the arrival of the last measurement,
// a thousandth slower than this host's monotonic clock. The monotonic clock stands still while a
// virtual machine is suspended, so a moment has to be noted when it happens: dated by a measurement
// after the suspension, it would be too late.
type engineClock struct {
	mu      sync.Mutex
	engine  time.Time // ClickHouse's time at the last measurement
	arrived time.Time // when the measurement arrived, on this host's monotonic clock
}

// set stores a measurement.
func (c *engineClock) set(engine, arrived time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine = engine
	c.arrived = arrived
}

// now is ClickHouse's time, or a little earlier. It is zero before the first measurement.
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
