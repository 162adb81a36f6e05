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

// ReadWorkspace reads the workspace as of now.
func ReadWorkspace(ctx context.Context, conn driver.Conn, org string, now time.Time) (w Workspace, err error) {
	if err := ask(ctx, conn, AskWorkspace(&w, org, now)); err != nil {
		return w, fmt.Errorf("read the workspace: %w", err)
	}
	return w, nil
}

// AskWorkspace asks for the workspace as of now. Its settings are those of the last workspace event
// with settings; of two events at the same time, the one with the greater (source, id) counts. The
// settings are one number: 1 if there are any, and a bit for each.
func AskWorkspace(w *Workspace, org string, now time.Time) Question {
	return Question{
		numbers: `[` + EntityStateSQL + `, countIf(time <= {now:DateTime64(3, 'UTC')}),
	argMaxIf(1 + 2 * user_level_data + 4 * byok + 8 * workflows + 16 * pseudonymize, (time, source, id), described AND has_settings)]`,
		text: `argMaxIf(name, (time, source, id), kind = 'workspace' AND entity_id = org_id AND NOT deleted
	AND bitAnd(version, 1) = 0 AND time <= {now:DateTime64(3, 'UTC')} AS described)`,
		from: "FROM entities FINAL WHERE org_id = {org:String}",
		args: []any{clickhouse.Named("org", org), clickhouse.DateNamed("now", now.UTC(), clickhouse.MilliSeconds)},
		take: func(r answerRow) {
			*w = Workspace{
				Name: r.Text, Settings: schema.DefaultSettings, Past: r.Numbers[2],
				Entities: EntityState{Events: r.Numbers[0], Digest: r.Numbers[1]},
			}
			if bits := r.Numbers[3]; bits != 0 {
				w.Settings = schema.Settings{
					UserLevelData: bits&2 != 0, BYOK: bits&4 != 0, Workflows: bits&8 != 0, Pseudonymize: bits&16 != 0,
				}
			}
		},
	}
}
