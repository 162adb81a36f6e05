package tables

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A cluster spreads one database over shards. Each node has two databases: `<name>_local` with the
// tables themselves, of which a shard's replicas hold the same rows, and `<name>` with a
// Distributed table over each, under the same names: what is written for one server runs unchanged
// in either.
type cluster struct{ name, database string }

// localSuffix makes the name of a shard's own database.
const localSuffix = "_local"

func (c cluster) local() string { return c.database + localSuffix }
func (c cluster) on() string    { return " ON CLUSTER `" + c.name + "`" }

// sharding says by which expression each table's rows find their shard. All that is read of a
// workspace in one statement lies on one shard: identities, slices and ranks are whole there. The
// others are spread by their own keys, so that FINAL meets all copies of a row.
var sharding = withDailies(map[string]string{
	"events": byOrg, "entities": byOrg, "marks": byOrg, "slices": byOrg, "months": byOrg, "erasures": byOrg,
	"export_audit": byOrg,
	"rejects":      "cityHash64(topic, partition, offset)", "progress": "cityHash64(topic, partition)",
	"keys": "cityHash64(key_id)", "ended_sessions": "cityHash64(session_id)", "service_secret": "cityHash64(fingerprint)",
})

// withDailies adds the rollup tables.
func withDailies(sharding map[string]string) map[string]string {
	for _, d := range Dailies() {
		sharding[d.Table] = byOrg
	}
	return sharding
}

const byOrg = "cityHash64(org_id)"

// clusterSettings go with every statement to a cluster, for what one server does by itself:
//
//   - an acknowledged insert is on every shard that it touches (foreground) and on all replicas of
//     it (quorum), so whichever replica is asked next has it: marks never arrive before their rows,
//     nor manifests before theirs. A majority would not do: the other replica could have the mark
//     and not the rows.
//   - no shard is left out of an answer, and no replica that is still catching up gives one. The
//     first live replica answers, so one statement's reads meet one.
//   - a statement about one workspace goes to its shard alone; subqueries that need another table
//     are answered once, before.
func clusterSettings(replicas int) clickhouse.Settings {
	quorum := replicas
	if quorum == 1 {
		quorum = 0 // the engine's way to say none
	}
	return clickhouse.Settings{
		"distributed_foreground_insert": 1, "insert_quorum": quorum, "insert_quorum_parallel": 1,
		"insert_quorum_timeout":   30_000,
		"skip_unavailable_shards": 0, "max_replica_delay_for_distributed_queries": maxReplicaDelay,
		"fallback_to_stale_replicas_for_distributed_queries": 0,
		"load_balancing": "in_order", "prefer_localhost_replica": 1,
		"optimize_skip_unused_shards": 1, "distributed_product_mode": "global",
		"distributed_ddl_output_mode": "throw",
	}
}

// maxReplicaDelay, in seconds: with a quorum of all, a replica with older work in its queue was
// away or is new.
const maxReplicaDelay = 10

// OnShard are options for the own tables of the shard that the URL's server belongs to: what keeps
// a shard's rollups, or deletes, works there. For one server they are the same.
func (o Options) OnShard() Options {
	o.shard = o.Cluster != ""
	return o
}

// DeleteFrom begins a DELETE from a table, where its rows are: mutations do not pass through
// Distributed tables.
func (o Options) DeleteFrom(table string) string {
	c, err := o.cluster()
	if err != nil || c == nil {
		return "DELETE FROM " + table
	}
	return "DELETE FROM " + c.local() + "." + table + c.on()
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// cluster is nil for one server.
func (o Options) cluster() (*cluster, error) {
	if o.Cluster == "" {
		return nil, nil
	}
	_, database, err := o.address()
	if err != nil {
		return nil, err
	}
	c := cluster{o.Cluster, database}
	if strings.HasSuffix(database, localSuffix) {
		return nil, fmt.Errorf("%s is a shard's own database; name the cluster's, %s", database,
			strings.TrimSuffix(database, localSuffix))
	}
	if !plainName.MatchString(c.name) || !plainName.MatchString(c.database) {
		return nil, fmt.Errorf("cluster %q and database %q must be plain names: letters, digits and _", c.name, c.database)
	}
	if o.Replicas < 1 {
		return nil, fmt.Errorf("the cluster %s needs the number of its replicas, at least 1", c.name)
	}
	return &c, nil
}

// databases creates both, everywhere.
func (c cluster) databases() []string {
	return []string{
		"CREATE DATABASE IF NOT EXISTS " + c.local() + c.on(), "CREATE DATABASE IF NOT EXISTS " + c.database + c.on(),
	}
}

// The ledger is one for all nodes: a node that has it has been told of every migration.
func (c cluster) ledger() []string {
	replicated := strings.Replace(c.qualify(ledger, "migrations"), "ReplacingMergeTree",
		"ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')", 1)
	return []string{replicated, c.over("migrations", "Merge('"+c.local()+"', '^migrations$')")}
}

var (
	createTable  = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS (\w+)\s`)
	alterTable   = regexp.MustCompile(`^ALTER TABLE (\w+)\s`)
	codecsOnly   = regexp.MustCompile(`^ALTER TABLE \w+\s+MODIFY COLUMN \w+ CODEC\(`)
	columnsOnly  = regexp.MustCompile(`^ALTER TABLE \w+\s+(ADD|DROP|MODIFY|COMMENT|RENAME) COLUMN\s`)
	insertSelect = regexp.MustCompile(`(?s)^INSERT INTO \w+ \(.+\)\s+SELECT\s.+\sFROM \w+`)
	tableOf      = regexp.MustCompile(`\b(INSERT INTO|FROM) (\w+)\b`)
	mergeTree    = regexp.MustCompile(`(?m)^ENGINE = ((?:Replacing)?MergeTree)(?:\(([^)]*)\))?$`)
)

// statements makes a cluster's statements of one server's. It knows the forms that migrations have,
// and refuses others rather than guess.
func (c cluster) statements(one string) ([]string, error) {
	if m := createTable.FindStringSubmatch(one); m != nil {
		table := m[1]
		key, known := sharding[table]
		engine := mergeTree.FindStringSubmatch(one)
		if !known || engine == nil {
			return nil, fmt.Errorf("the table %s has no sharding (cluster.go) or is no MergeTree", table)
		}
		return []string{
			c.replicated(one, table, engine), c.over(table, "Distributed('"+c.name+"', '"+c.local()+"', '"+table+"', "+key+")"),
		}, nil
	}
	if m := alterTable.FindStringSubmatch(one); m != nil {
		all := []string{c.qualify(one, m[1])}
		if columnsOnly.MatchString(one) && !codecsOnly.MatchString(one) { // the table over it has the columns alone
			all = append(all, strings.Replace(all[0], c.local()+".", c.database+".", 1))
		}
		return all, nil
	}
	if insertSelect.MatchString(one) { // from and into the tables over the shards, which send each row to its own
		return []string{tableOf.ReplaceAllString(one, "$1 "+c.database+".$2")}, nil
	}
	return nil,
		fmt.Errorf("a migration's statement is neither CREATE TABLE IF NOT EXISTS nor ALTER TABLE nor INSERT … SELECT: %.60s",
			one)
}

// qualify names the shard's own table, on all nodes.
func (c cluster) qualify(statement, table string) string {
	verb := "TABLE "
	if strings.HasPrefix(statement, "CREATE") {
		verb = "TABLE IF NOT EXISTS "
	}
	return strings.Replace(statement, verb+table, verb+c.local()+"."+table+c.on(), 1)
}

// replicated gives the table a path in the keeper that is made of names alone: a node that joins
// later finds the others by it.
func (c cluster) replicated(statement, table string, engine []string) string {
	with := "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
	if engine[2] != "" {
		with += ", " + engine[2]
	}
	return strings.Replace(c.qualify(statement, table), engine[0], "ENGINE = Replicated"+engine[1]+"("+with+")", 1)
}

// over is the table of the same name and columns that all nodes are asked through.
func (c cluster) over(table, engine string) string {
	return "CREATE TABLE IF NOT EXISTS " + c.database + "." + table + c.on() + " AS " + c.local() + "." + table +
		"\nENGINE = " + engine
}

// Statements are what Migrate runs on an empty server or cluster, in order, without its
// bookkeeping.
func Statements(o Options) (all []string, err error) {
	c, err := o.cluster()
	if err != nil {
		return nil, err
	}
	known, err := migrations()
	if err != nil {
		return nil, err
	}
	if c != nil {
		all = append(c.databases(), c.ledger()...)
	} else {
		all = []string{ledger}
	}
	for _, m := range known {
		more, err := m.on(c)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// on are the migration's statements for one server (nil) or a cluster.
func (m migration) on(c *cluster) ([]string, error) {
	if c == nil {
		return m.statements, nil
	}
	var all []string
	for _, one := range m.statements {
		statements, err := c.statements(one)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", m.name, err)
		}
		all = append(all, statements...)
	}
	return all, nil
}

// A node is what one node says of itself and of the cluster.
type node struct {
	Engine    string `ch:"engine"`     // of events
	Quorum    uint64 `ch:"quorum"`     // of this connection; 0: none
	Clustered bool   `ch:"foreground"` // this connection has a cluster's settings
}

// describe is read with the tables' names; getSetting tells what this connection was opened with.
const describe = "engine, toUInt64OrZero(toString(getSetting('insert_quorum'))) AS quorum, toString(getSetting('distributed_foreground_insert')) IN ('1', 'true') AS foreground"

// check holds the connection's settings, and the cluster's layout, against what the database was
// made for.
func (n node) check(ctx context.Context, conn Querier) error {
	distributed := n.Engine == "Distributed"
	switch clustered := distributed || strings.HasPrefix(n.Engine, "Replicated"); {
	case !clustered && n.Clustered:
		return fmt.Errorf("%w: it is one server's; leave --cluster out", ErrSchema)
	case clustered && !n.Clustered:
		return fmt.Errorf("%w: it is a cluster's; give --cluster and --cluster-replicas", ErrSchema)
	case !clustered:
		return nil
	}
	var replicas []struct {
		Total    uint64 `ch:"total"`
		Delay    uint64 `ch:"delay"`
		ReadOnly bool   `ch:"read_only"`
	}
	if err := conn.Select(ctx, &replicas,
		`SELECT toUInt64(max(total_replicas)) AS total, toUInt64(max(absolute_delay)) AS delay, max(is_readonly) > 0 AS read_only
FROM system.replicas WHERE database IN (currentDatabase(), concat(currentDatabase(), '`+localSuffix+
			`')) AND table IN (`+shardTables()+`)`); err != nil {
		return fmt.Errorf("read the replicas' state: %w", err)
	}
	switch r := replicas[0]; {
	case r.Total > max(n.Quorum, 1):
		return fmt.Errorf("%w: its shards have %d replicas; give --cluster-replicas %d, so that each insert waits for all",
			ErrSchema, r.Total, r.Total)
	case !distributed && r.ReadOnly:
		return fmt.Errorf("this replica is read-only: it has lost its keeper")
	case !distributed && r.Delay > maxReplicaDelay:
		return fmt.Errorf("this replica is %d s behind the others; waiting for it to catch up", r.Delay)
	}
	return checkLayout(ctx, conn)
}

func shardTables() string {
	var names []string
	for table := range sharding {
		names = append(names, "'"+table+"'")
	}
	return strings.Join(names, ", ")
}

// layoutRow is the ledger's name for the cluster's layout: "cluster prod", with the shards' weights
// in place of a checksum.
const layoutRow = "cluster "

const layouts = `SELECT m.name AS name, m.checksum AS was, toString(c.weights) AS is
FROM (SELECT name, argMax(checksum, applied_at) AS checksum FROM migrations WHERE startsWith(name, '` + layoutRow +
	`') GROUP BY name) AS m
LEFT JOIN (SELECT concat('` + layoutRow + `', cluster) AS name, groupArray(weight) AS weights FROM
	(SELECT cluster, shard_num, any(shard_weight) AS weight FROM system.clusters GROUP BY cluster, shard_num ORDER BY cluster, shard_num) GROUP BY cluster) AS c ON c.name = m.name`

// checkLayout refuses a cluster whose shards or weights are not those that the first migration met:
// workspaces would be looked for where they are not.
func checkLayout(ctx context.Context, conn Querier) error {
	var rows []struct {
		Name string `ch:"name"`
		Was  string `ch:"was"`
		Is   string `ch:"is"`
	}
	if err := conn.Select(ctx, &rows, layouts); err != nil {
		return fmt.Errorf("read the cluster's layout: %w", err)
	}
	for _, r := range rows {
		if r.Was != r.Is {
			return fmt.Errorf("%w: %s had shards of weights %s and now has %s; a workspace's events would be looked for on another shard", ErrSchema, r.Name, r.Was, r.Is)
		}
	}
	return nil
}

// keepLayout notes the cluster's layout with the first migration.
func (c cluster) keepLayout() string {
	return "INSERT INTO " + c.local() + `.migrations (name, checksum)
SELECT '` + layoutRow + c.name +
		`', toString(groupArray(weight)) FROM (SELECT shard_num, any(shard_weight) AS weight FROM system.clusters WHERE cluster = '` + c.name + `' GROUP BY shard_num ORDER BY shard_num)
HAVING (SELECT count() FROM ` + c.local() + `.migrations WHERE name = '` + layoutRow + c.name + `') = 0 AND count() > 0`
}
