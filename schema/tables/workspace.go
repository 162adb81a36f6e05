package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/schema"
)

// A Workspace is what its own entity events say about it now, and the state of all its entities.
type Workspace struct {
	Name     string
	Settings schema.Settings
	Entities EntityState
	Past     uint64 // entity events whose time is not in the future; in the tag, because time alone changes it
}

// ReadWorkspace reads the workspace as of now. Its settings are those of the last workspace event
// with settings; of two events at the same time, the one with the greater (source, id) counts.
func ReadWorkspace(ctx context.Context, conn driver.Conn, org string, now time.Time) (Workspace, error) {
	row := conn.QueryRow(ctx, `SELECT
	`+EntityStateSQL+`, countIf(time <= {now:DateTime64(3, 'UTC')}),
	argMaxIf(name, (time, source, id), described),
	countIf(described AND has_settings) > 0,
	argMaxIf(user_level_data, (time, source, id), described AND has_settings), argMaxIf(byok, (time, source, id), described AND has_settings),
	argMaxIf(workflows, (time, source, id), described AND has_settings), argMaxIf(pseudonymize, (time, source, id), described AND has_settings)
FROM (
	SELECT *, kind = 'workspace' AND entity_id = org_id AND NOT deleted AND bitAnd(version, 1) = 0 AND time <= {now:DateTime64(3, 'UTC')} AS described
	FROM entities FINAL WHERE org_id = {org:String}
)`, clickhouse.Named("org", org), clickhouse.DateNamed("now", now.UTC(), clickhouse.MilliSeconds))
	w := Workspace{Settings: schema.DefaultSettings}
	var has bool
	var s schema.Settings
	err := row.Scan(&w.Entities.Events, &w.Entities.Digest, &w.Past, &w.Name,
		&has, &s.UserLevelData, &s.BYOK, &s.Workflows, &s.Pseudonymize)
	if err != nil {
		return w, fmt.Errorf("read the workspace: %w", err)
	}
	if has {
		w.Settings = s
	}
	return w, nil
}
