package access

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

// A workspace without a valid key cannot export any more, and notices only when its nightly job
// fails. So the operators are told before.
const (
	expiringWithin = 7 * 24 * time.Hour // of now
	expiredSince   = 24 * time.Hour     // a key that ended longer ago was meant to end
	expiringEvery  = time.Minute
	expiringAgain  = 5 * time.Second // after the database did not answer
)

// WatchExpiring counts, every minute until ctx is cancelled, the workspaces that are about to be
// without a key, and passes the number to show.
func (k *Keys) WatchExpiring(
	ctx context.Context, now func() time.Time, log *slog.Logger, show func(workspaces uint64),
) {
	reading := &outage.Outage{
		Log: log, What: "the keys' expiry was not read", Over: "the keys' expiry is read again",
		Do: "keys that end soon would not be told meanwhile; look whether ClickHouse answers",
	}
	for ctx.Err() == nil {
		wait := expiringEvery
		if n, err := k.expiring(ctx, now()); err == nil {
			show(n)
			reading.Passed()
		} else if ctx.Err() == nil {
			_, name := tables.Classify(err)
			reading.Failed(name, err)
			wait = expiringAgain
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// expiring counts the workspaces whose last key ends within expiringWithin, or ended within
// expiredSince. A workspace that already has a newer key does not count: that is a rotation.
func (k *Keys) expiring(ctx context.Context, now time.Time) (workspaces uint64, err error) {
	err = k.conn.QueryRow(ctx,
		`SELECT countIf(NOT forever AND last BETWEEN {from:DateTime64(3, 'UTC')} AND {to:DateTime64(3, 'UTC')})
FROM (SELECT org_id, max(expires_at) AS last, countIf(expires_at IS NULL) > 0 AS forever FROM (`+keysWhere("true")+
			`) WHERE revoked_at IS NULL GROUP BY org_id)`,
		clickhouse.DateNamed("from", now.Add(-expiredSince).UTC(), clickhouse.MilliSeconds),
		clickhouse.DateNamed("to", now.Add(expiringWithin).UTC(), clickhouse.MilliSeconds)).Scan(&workspaces)
	if err != nil {
		return 0, fmt.Errorf("read the keys' expiry: %w", err)
	}
	return workspaces, nil
}
