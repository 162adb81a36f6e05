package tables

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A cluster spreads one database over shards. Each node has two databases. `<name>_local` has the
// tables themselves; all replicas of a shard have the same rows there. `<name>` has a Distributed
// table over each of them, under the same name. So a statement that is written for one server runs
// unchanged in either database.
type cluster struct{ name, database string }

// localSuffix is the end of the name of a shard's own database.
const localSuffix = "_local"

func (c cluster) local() string { return c.database + localSuffix }
func (c cluster) on() string    { return " ON CLUSTER `" + c.name + "`" }

// sharding has, for each table, the expression that decides which shard a row belongs to. All rows
// of a workspace that one statement reads are on one shard, so identities, slices and ranks are
// complete there. The other tables are spread by their own keys, so that FINAL sees all copies of a
// row.
var sharding = withDailies(map[string]string{
	"events": byOrg, "entities": byOrg, "marks": byOrg, "slices": byOrg, "months": byOrg, "erasures": byOrg,
	"export_audit":   byOrg,
	"rejects":        "cityHash64(topic, partition, offset)",
	"progress":       "cityHash64(topic, partition)",
	"keys":           "cityHash64(key_id)",
	"ended_sessions": "cityHash64(session_id)",
	"service_secret": "cityHash64(fingerprint)",
})

// withDailies adds the rollup tables.
func withDailies(sharding map[string]string) map[string]string {
	for _, d := range Dailies() {
		sharding[d.Table] = byOrg
	}
	return sharding
}

const byOrg = "cityHash64(org_id)"

// clusterSettings are set with every statement to a cluster. They ensure what one server ensures by
// itself:
//
//   - An acknowledged insert is on every shard that it concerns (foreground) and on all replicas of
//     each (quorum), so the next statement finds it on whichever replica it asks. Marks are never
//     visible before their rows, nor manifests before theirs. A majority of replicas is not enough:
//     the other replica could have the mark and not the rows.
//   - No shard is left out of an answer, and no replica answers that is still catching up. The
//     first live replica answers, so all reads of one statement use the same one.
//   - A statement about one workspace goes to its shard only. Subqueries that need another table
//     are answered once, before it.
func clusterSettings(replicas int) clickhouse.Settings {
	quorum := replicas
	if quorum == 1 {
		quorum = 0 // for the engine, 0 is no quorum
	}
	return clickhouse.Settings{
		"distributed_foreground_insert": 1, "insert_quorum": quorum, "insert_quorum_parallel": 1,
		"insert_quorum_timeout": 30_000,
		// By default a server repeats an insert for minutes while the keeper is away, and says nothing.
		"insert_keeper_max_retries": 3,
		"skip_unavailable_shards":   0, "max_replica_delay_for_distributed_queries": maxReplicaDelay,
		"fallback_to_stale_replicas_for_distributed_queries": 0,
		"load_balancing": "in_order", "prefer_localhost_replica": 1,
		"optimize_skip_unused_shards": 1, "distributed_product_mode": "global",
		"distributed_ddl_output_mode": "throw",
	}
}

// WithoutQuorum is a context for inserts on which exactness does not rest: keys, the end of
// sessions, and the audit. They count as stored when one replica has them, which all reads ask
// first, too. With a replica away, a leaked key can be revoked, and exports go on.
//
// What one replica alone has is not seen while it is away. If it is lost for good, a key revoked in
// the second before is valid again, or a row of the audit is gone.
func WithoutQuorum(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_quorum": 0}))
}

// maxReplicaDelay is how many seconds a replica may be behind. With a quorum of all replicas, only
// a replica that was away or is new has older work in its queue.
const maxReplicaDelay = 10

// OnShard returns options for the tables of the shard that the URL's server belongs to. Commands
// that maintain a shard's rollups, or delete, work there. For one server the options are the same.
func (o Options) OnShard() Options {
	o.shard = o.Cluster != ""
	return o
}

// DeleteFrom is the beginning of a DELETE from a table. On a cluster it names the tables that hold
// the rows, because mutations do not pass through Distributed tables.
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

// databases are the statements that create both databases on all nodes.
func (c cluster) databases() []string {
	return []string{
		"CREATE DATABASE IF NOT EXISTS " + c.local() + c.on(), "CREATE DATABASE IF NOT EXISTS " + c.database + c.on(),
	}
}

// ledger are the statements that create the table of migrations, and what the cluster's layout is
// checked with. Every node of the cluster is a replica of the migrations, so each node has the
// record of all of them.
func (c cluster) ledger() []string {
	replicated := strings.Replace(c.qualify(ledger, "migrations"), "ReplacingMergeTree",
		"ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')", 1)
	return []string{replicated, c.over("migrations", "Merge('"+c.local()+"', '^migrations$')"), c.shardsTable()}
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

// statements turns one server's statement into a cluster's. It knows the forms that migrations
// have, and refuses all others rather than guess.
func (c cluster) statements(one string) ([]string, error) {
	if m := createTable.FindStringSubmatch(one); m != nil {
		table := m[1]
		key, known := sharding[table]
		engine := mergeTree.FindStringSubmatch(one)
		if !known || engine == nil {
			return nil, fmt.Errorf("the table %s has no sharding (cluster.go) or is no MergeTree", table)
		}
		return []string{c.replicated(one, table, engine), c.over(table, c.distributed(table, key))}, nil
	}
	if m := alterTable.FindStringSubmatch(one); m != nil {
		all := []string{c.qualify(one, m[1])}
		// A Distributed table has the columns only, so it needs no other change.
		if columnsOnly.MatchString(one) && !codecsOnly.MatchString(one) {
			all = append(all, strings.Replace(all[0], c.local()+".", c.database+".", 1))
		}
		return all, nil
	}
	// It reads from and writes into the Distributed tables, which send each row to its shard.
	if insertSelect.MatchString(one) {
		return []string{tableOf.ReplaceAllString(one, "$1 "+c.database+".$2")}, nil
	}
	return nil, fmt.Errorf(
		"a migration's statement is neither CREATE TABLE IF NOT EXISTS nor ALTER TABLE nor INSERT … SELECT: %.60s", one)
}

// qualify makes the statement one about the shard's own table, on all nodes.
func (c cluster) qualify(statement, table string) string {
	verb := "TABLE "
	if strings.HasPrefix(statement, "CREATE") {
		verb = "TABLE IF NOT EXISTS "
	}
	return strings.Replace(statement, verb+table, verb+c.local()+"."+table+c.on(), 1)
}

// replicated makes the table a Replicated one. Its path in the keeper consists of names only, so a
// node that joins later finds the other replicas by it.
func (c cluster) replicated(statement, table string, engine []string) string {
	with := "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
	if engine[2] != "" {
		with += ", " + engine[2]
	}
	return strings.Replace(c.qualify(statement, table), engine[0], "ENGINE = Replicated"+engine[1]+"("+with+")", 1)
}

func (c cluster) distributed(table, key string) string {
	return "Distributed('" + c.name + "', '" + c.local() + "', '" + table + "', " + key + ")"
}

// complete creates, on every node that lacks them, the tables that this node has: on a replica that
// joined later, and on nodes whose own tables were restored from a backup. Its statements are not
// those of the migrations, because a replica must be created with the columns that the others have
// now.
func (c cluster) complete(ctx context.Context, conn driver.Conn) error {
	var all []struct {
		Name   string `ch:"name"`
		Create string `ch:"create_table_query"`
	}
	err := conn.Select(ctx, &all,
		"SELECT name, create_table_query FROM system.tables WHERE database = {local:String} ORDER BY name",
		clickhouse.Named("local", c.local()))
	if err != nil {
		return fmt.Errorf("read this node's tables: %w", err)
	}
	for _, table := range all {
		key, known := sharding[table.Name]
		if !known {
			continue
		}
		for _, statement := range []string{
			strings.Replace(table.Create, "CREATE TABLE "+c.local()+"."+table.Name,
				"CREATE TABLE IF NOT EXISTS "+c.local()+"."+table.Name+c.on(), 1),
			c.over(table.Name, c.distributed(table.Name, key)),
		} {
			if err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("create the table %s on all nodes of cluster %s: %w", table.Name, c.name, err)
			}
		}
	}
	return nil
}

// over is the statement that creates, on all nodes, the table of the same name and columns through
// which all shards are read and written.
func (c cluster) over(table, engine string) string {
	return "CREATE TABLE IF NOT EXISTS " + c.database + "." + table + c.on() + " AS " + c.local() + "." + table +
		"\nENGINE = " + engine
}

// Statements returns the statements that Migrate runs on an empty server or cluster, in order,
// without those that record the migrations.
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

// on returns the migration's statements for one server (nil) or a cluster.
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

// A node is what one server reports about itself and its cluster.
type node struct {
	Engine    string `ch:"engine"`     // of the table events
	Quorum    uint64 `ch:"quorum"`     // of this connection; 0: none
	Clustered bool   `ch:"foreground"` // this connection has a cluster's settings
}

// describe has the columns of node, read together with the tables' names. getSetting returns the
// setting that this connection was opened with.
const describe = "engine, toUInt64OrZero(toString(getSetting('insert_quorum'))) AS quorum, toString(getSetting('distributed_foreground_insert')) IN ('1', 'true') AS foreground"

// check compares the connection's settings, and the cluster's layout, with those that the database
// was made for.
func (n node) check(ctx context.Context, conn Querier) error {
	distributed := n.Engine == "Distributed"
	switch clustered := distributed || strings.HasPrefix(n.Engine, "Replicated"); {
	case !clustered && n.Clustered:
		return fmt.Errorf("%w: it is one server's; leave --cluster out", ErrMisfit)
	case clustered && !n.Clustered:
		return fmt.Errorf("%w: it is a cluster's; give --cluster and --cluster-replicas", ErrMisfit)
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
			ErrMisfit, r.Total, r.Total)
	case r.Total > 0 && r.Total < n.Quorum: // without its keeper, a server counts none
		return fmt.Errorf("%w: this shard has replicas: %d; give --cluster-replicas %d, or no insert is ever acknowledged; "+
			"or, if there should be more, look for a replica whose macro `shard` is wrong", ErrSchema, r.Total, r.Total)
	case !distributed && r.ReadOnly:
		return fmt.Errorf("this replica is read-only: it has lost its keeper")
	case !distributed && r.Delay > maxReplicaDelay:
		return fmt.Errorf("this replica is %d s behind the others; waiting for it to catch up", r.Delay)
	}
	if err := checkLayout(ctx, conn); err != nil {
		return err
	}
	return checkShards(ctx, conn, distributed)
}

func shardTables() string {
	var names []string
	for table := range sharding {
		names = append(names, "'"+table+"'")
	}
	return strings.Join(names, ", ")
}

// layoutRow begins the name under which the ledger has the cluster's layout: "cluster prod". In
// place of a checksum the row has the weights of the shards.
const layoutRow = "cluster "

const layouts = `SELECT m.name AS name, m.checksum AS was, toString(c.weights) AS is
FROM (SELECT name, argMax(checksum, applied_at) AS checksum FROM migrations WHERE startsWith(name, '` + layoutRow +
	`') GROUP BY name) AS m
LEFT JOIN (SELECT concat('` + layoutRow + `', cluster) AS name, groupArray(weight) AS weights FROM
	(SELECT cluster, shard_num, any(shard_weight) AS weight FROM system.clusters GROUP BY cluster, shard_num ORDER BY cluster, shard_num) GROUP BY cluster) AS c ON c.name = m.name`

// checkLayout refuses a cluster whose shards or weights differ from those of the first migration:
// workspaces would be looked for on shards that do not have them.
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
			return fmt.Errorf("%w: %s had shards of weights %s and now has %s; "+
				"a workspace's events would be looked for on another shard", ErrSchema, r.Name, r.Was, r.Is)
		}
	}
	return nil
}

// keepLayout is the statement that records the cluster's layout with the first migration.
func (c cluster) keepLayout() string {
	return "INSERT INTO " + c.local() + `.migrations (name, checksum)
SELECT '` + layoutRow + c.name +
		`', toString(groupArray(weight)) FROM (SELECT shard_num, any(shard_weight) AS weight FROM system.clusters WHERE cluster = '` + c.name + `' GROUP BY shard_num ORDER BY shard_num)
HAVING (SELECT count() FROM ` + c.local() + `.migrations WHERE name = '` + layoutRow + c.name + `') = 0 AND count() > 0`
}
