package tables

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A shard's name is the macro `shard` of its servers. It stands in the paths of the shard's tables
// in the keeper, so it says which data a server has. The order of the shards in remote_servers says
// where a workspace is looked for. The first migration records the names in that order, and
// checkShards compares.

// shardsTable is the statement that creates the table by which the shards are asked.
func (c cluster) shardsTable() string {
	return "CREATE TABLE IF NOT EXISTS " + c.database + ".shards" + c.on() +
		" (dummy UInt8)\nENGINE = Distributed('" + c.name + "', 'system', 'one')"
}

// shardSays is what one server of a shard answers.
type shardSays struct {
	Number uint32 `ch:"number"` // of the shard in remote_servers, from 1; 0: that is not known
	Name   string `ch:"name"`
}

// askShards asks one server of each shard.
const askShards = "SELECT shardNum() AS number, any(getMacro('shard')) AS name FROM shards GROUP BY number ORDER BY number"

// askItself asks this server alone.
const askItself = "SELECT toUInt32(0) AS number, getMacro('shard') AS name"

// shardsRow begins the name under which the ledger has the shards' names, as "shards prod".
const shardsRow = "shards "

const keptShards = "SELECT CAST(argMax(checksum, applied_at), 'Array(String)') AS names FROM migrations " +
	"WHERE startsWith(name, '" + shardsRow + "') GROUP BY name"

// nameShards records the names of the shards, if no migration has done so before. All shards must
// answer.
func (c cluster) nameShards(ctx context.Context, conn driver.Conn) error {
	names, err := readShards(ctx, conn)
	if err != nil || len(names) > 0 {
		return err
	}
	var shards []shardSays
	if err := conn.Select(ctx, &shards, askShards); err != nil {
		return fmt.Errorf("ask the shards of cluster %s for their macro `shard`: %w", c.name, err)
	}
	for _, s := range shards {
		names = append(names, s.Name)
	}
	var replicated uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.replicas WHERE database = {local:String}",
		clickhouse.Named("local", c.local())).Scan(&replicated); err != nil {
		return fmt.Errorf("look for replicated tables: %w", err)
	}
	if replicated > 0 {
		if err := c.eachNamed(names); err != nil {
			return err
		}
	}
	if err := conn.Exec(ctx, "INSERT INTO "+c.local()+".migrations (name, checksum) SELECT {name:String}, toString({names:Array(String)})",
		clickhouse.Named("name", shardsRow+c.name), clickhouse.Named("names", names)); err != nil {
		return fmt.Errorf("record the names of the shards: %w", err)
	}
	return nil
}

// eachNamed refuses two shards of one name: replicated tables of one path have the same rows.
func (c cluster) eachNamed(names []string) error {
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) < len(names) {
		return fmt.Errorf("the shards of cluster %s call themselves %q: two of one name would share their rows; "+
			"give each shard a macro `shard` of its own", c.name, names)
	}
	return nil
}

// readShards returns the recorded names. There are none if an older binary has migrated.
func readShards(ctx context.Context, conn Querier) ([]string, error) {
	var kept []struct {
		Names []string `ch:"names"`
	}
	if err := conn.Select(ctx, &kept, keptShards); err != nil {
		return nil, fmt.Errorf("read the names of the shards: %w", err)
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept[0].Names, nil
}

// shardTime limits how long checkShards waits. A shard that does not answer in time says nothing
// about its name.
const shardTime = time.Second

// checkShards refuses a cluster whose configuration has the shards in another order than at the
// first migration, or in which a server says that it is another shard: workspaces would be looked
// for on a shard that does not have them. In a shard's own database only this server is asked.
func checkShards(ctx context.Context, conn Querier, distributed bool) error {
	names, err := readShards(ctx, conn)
	if err != nil || len(names) == 0 {
		return err
	}
	ask := askItself
	if distributed {
		ask = askShards + " SETTINGS skip_unavailable_shards = 1"
	}
	limited, cancel := context.WithTimeout(ctx, shardTime)
	defer cancel()
	var shards []shardSays
	if err := conn.Select(limited, &shards, ask); err != nil {
		if class, _ := Classify(err); class == Passing {
			return ctx.Err()
		}
		return fmt.Errorf("ask the shards for their macro `shard`: %w", err)
	}
	for _, s := range shards {
		switch n := int(s.Number); {
		case n == 0 && !slices.Contains(names, s.Name):
			return fmt.Errorf("%w: this server calls itself shard %q, but at the first migration the shards were %q; "+
				"correct its macro `shard`", ErrSchema, s.Name, names)
		case n > len(names) || n > 0 && names[n-1] != s.Name:
			return fmt.Errorf("%w: shard %d calls itself %q, but at the first migration the shards were %q, in this order; "+
				"correct remote_servers or the macro `shard`", ErrSchema, n, s.Name, names)
		}
	}
	return nil
}
