package tables_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

var update = flag.Bool("update", false, "write testdata/cluster.sql")

var onCluster = tables.Options{URL: "http://ch:8123/rollcall", Cluster: enginetest.ClusterName, Replicas: 2}

func clusterStatements(t *testing.T) (cluster, one []string) {
	t.Helper()
	cluster, err1 := tables.Statements(onCluster)
	one, err2 := tables.Statements(tables.Options{URL: onCluster.URL})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return cluster, one
}

// testdata/cluster.sql has all DDL of a cluster, for people to read.
func TestClusterStatements(t *testing.T) {
	cluster, _ := clusterStatements(t)
	got := "-- Made from the migrations by `make generate`.\n\n" + strings.Join(cluster, ";\n\n") + ";\n"
	const golden = "testdata/cluster.sql"
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || string(want) != got {
		t.Errorf("%s is not what the migrations make for a cluster; look at the difference after make generate (%v)",
			golden, err)
	}
}

// A shard's own tables differ from one server's only in their database, ON CLUSTER and replication:
// without these the statements are equal to the letter. Besides, a cluster has its databases, the
// table by which shards are asked for their names, and one table over each of the shard's tables,
// to which every change of columns is made, too.
func TestClusterDiffersOnlyWhereItMust(t *testing.T) {
	cluster, one := clusterStatements(t)
	over := regexp.MustCompile("^CREATE TABLE IF NOT EXISTS rollcall\\.(\\w+) ON CLUSTER `prod` AS rollcall_local\\.(\\w+)\nENGINE = (Distributed\\('prod', 'rollcall_local', '(\\w+)', cityHash64\\([\\w, ]+\\)\\)|Merge\\('rollcall_local', '\\^(\\w+)\\$'\\))$")
	var own []string
	created := 0
	seen := map[string]bool{}
	for i, s := range cluster {
		if strings.HasPrefix(s, "ALTER TABLE rollcall.") &&
			cluster[i-1] == strings.Replace(s, "rollcall.", "rollcall_local.", 1) {
			continue
		}
		if strings.HasPrefix(s, "CREATE DATABASE ") || strings.HasPrefix(s, "CREATE TABLE IF NOT EXISTS rollcall.shards ") {
			continue
		}
		if m := over.FindStringSubmatch(s); m != nil {
			if m[1] != m[2] || m[1] != m[4]+m[5] || seen[m[1]] {
				t.Errorf("not over the table of its name, or twice: %s", s)
			}
			seen[m[1]] = true
			continue
		}
		s = strings.Replace(enginetest.WithoutKeeper(s), "rollcall_local.", "", 1)
		if strings.HasPrefix(s, "INSERT") { // by way of the tables over the shards
			s = strings.ReplaceAll(s, "rollcall.", "")
		}
		if own = append(own, strings.Replace(s, "MergeTree()", "MergeTree", 1)); strings.HasPrefix(s, "CREATE TABLE") {
			created++
		}
	}
	if a, b := strings.Join(own, "\n\n"), strings.Join(one, "\n\n"); a != b {
		t.Errorf("a shard's tables without replication:\n%s\n\nare not one server's:\n%s", a, b)
	}
	if len(seen) != created {
		t.Errorf("%d tables over %d", len(seen), created)
	}
}

// keeperConfig configures a node with its own keeper, in memory. With it the engine creates
// replicated tables. It cannot fill them, because the embedded engine lacks the port for that.
const keeperConfig = `<clickhouse>
<tcp_port>19000</tcp_port>
<zookeeper><implementation>testkeeper</implementation></zookeeper>
<macros><shard>7</shard><replica>b</replica></macros>
<remote_servers><prod><shard><replica><host>127.0.0.1</host><port>19000</port></replica></shard></prod></remote_servers>
</clickhouse>`

// The engine parses every statement of a cluster, and runs it without ON CLUSTER. It creates
// replicated tables at the intended paths of the keeper.
func TestEngineTakesClusterStatements(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.xml")
	if err := os.WriteFile(config, []byte(keeperConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	engine := enginetest.Start(t, enginetest.Options{Dir: dir, Config: config})
	t.Cleanup(engine.Kill) // the library does not survive being closed with replicated tables
	conn, err := tables.Open(tables.Options{URL: engine.URL + "/default"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	db := &database{TB: t, Conn: conn, ctx: context.Background()}
	cluster, _ := clusterStatements(t)
	deletes := []string{
		onCluster.DeleteFrom("events") + " WHERE org_id = 'acme'", onCluster.DeleteFrom("rejects") + " WHERE offset = 1",
	}
	for i, s := range append(cluster, deletes...) {
		insert := strings.HasPrefix(s, "INSERT") // reaches every node by itself
		formatted := db.text("formatQuery({s:String})", clickhouse.Named("s", s))
		if !insert && !strings.Contains(formatted, "ON CLUSTER prod") {
			t.Errorf("%s\nis read as %s", s, formatted)
		}
		if i < len(cluster) && !insert && !strings.HasPrefix(s, "ALTER") {
			// Without a real keeper these tables are read-only, so ALTER and INSERT are not run
			// here. On one server's tables every test runs them.
			db.exec(strings.ReplaceAll(s, " ON CLUSTER `prod`", ""))
		}
	}
	paths := db.text("SELECT arrayStringConcat(arraySort(groupArray(concat(zookeeper_path, ' ', replica_name))), '\n') FROM system.replicas WHERE database = 'rollcall_local'")
	var want []string
	for _, table := range strings.Fields(db.text("SELECT arrayStringConcat(groupArray(name), ' ') FROM system.tables WHERE database = 'rollcall' AND engine = 'Distributed' AND name != 'shards'")) {
		want = append(want, "/clickhouse/tables/7/rollcall_local/"+table+" b")
	}
	want = append(want, "/clickhouse/tables/all/rollcall_local/migrations 7-b")
	slices.Sort(want)
	if paths != strings.Join(want, "\n") || len(want) < 14 {
		t.Errorf("replicated at\n%s\nwant\n%s", paths, strings.Join(want, "\n"))
	}
}

// A workspace's rows are on one shard, and only that shard is read. A read of the other shard of a
// test cluster would count the rows twice.
func TestClusterReadsOneShardOfAWorkspace(t *testing.T) {
	o := enginetest.Cluster(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := tables.Check(context.Background(), conn); err != nil {
		t.Errorf("check: %v", err)
	}
	db := &database{TB: t, Conn: conn, options: o, ctx: context.Background()}
	now := time.Now().UTC()
	day := schema.DayOf(now) - 2
	writer := uuid.New()
	for _, org := range []string{"acme", "globex", "initech", "hooli"} { // on both shards
		db.events(org, day, 0, 5, 2)
		db.events(org, day+1, 0, 3, 2)
		db.events(org, day+1, 0, 3, 2)
		db.mark(org, day, writer, 1)
		db.mark(org, day+1, writer, 1)
		db.manifest(org, day, manifest{covered: map[uuid.UUID]uint64{writer: 1}, version: 15, rows: 4})
	}
	if shards := db.text("SELECT uniqExact(cityHash64(org_id) % 2) FROM events"); shards != "2" {
		t.Fatalf("the workspaces are on %s shards", shards)
	}
	for _, org := range []string{"acme", "globex", "initech", "hooli"} {
		span := tables.Span{Org: org, From: day - 70, To: day + 2, MonthsFrom: day - 70, MonthsTo: day + 2}
		plan, err := tables.ReadPlan(db.ctx, db, span, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Generations) != 1 || len(plan.Live) != 1 || plan.Live[0] != day+1 ||
			plan.VersionOf(plan.Live...) != "9" || plan.Rows["message_daily"] != 4 {
			t.Errorf("the plan of %s: %+v", org, plan)
		}
		var messages uint64
		query := fmt.Sprintf("SELECT sum(messages) FROM (SELECT messages FROM (%s) UNION ALL SELECT messages FROM (%s)) WHERE (SELECT %s + %s) = 0",
			tables.Messages.Rolled(tables.RolledWhere), tables.Messages.FromLog(tables.LiveWhere), tables.Messages.Guard(),
			liveGuard(plan))
		ctx := clickhouse.Context(db.ctx, clickhouse.WithParameters(plan.Params()))
		if err := db.QueryRow(ctx, query).Scan(&messages); err != nil || messages != 7 {
			t.Errorf("%s has %d messages, want 4 rolled up and 3 of the log (%v)", org, messages, err)
		}
	}
	db.exec(o.DeleteFrom("events") + " WHERE org_id = 'hooli'")
	if left := db.text("SELECT groupUniqArray(org_id) FROM events WHERE org_id IN ('hooli', 'acme')"); left != "['acme']" {
		t.Errorf("after a deletion the log has %s", left)
	}
}

// A process that uses a cluster as one server, or one server as a cluster, is stopped. So is every
// process when the shards are no longer those of the first migration.
func TestCheckOfACluster(t *testing.T) {
	o := enginetest.Cluster(t)
	check := func(o tables.Options, says string) {
		t.Helper()
		conn, err := tables.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		err = tables.Check(context.Background(), conn)
		if says == "" && err != nil ||
			says != "" && (!errors.Is(err, tables.ErrSchema) || !strings.Contains(err.Error(), says)) {
			t.Errorf("check: %v, want %q", err, says)
		}
	}
	check(o, "")
	alone := o
	alone.Cluster = ""
	alone.Replicas = 0
	check(alone, "give --cluster and --cluster-replicas")
	single := newDatabase(t).options
	check(single, "")
	single.Cluster = enginetest.ClusterName
	single.Replicas = 2
	check(single, "leave --cluster out")
	if again, err := tables.Migrate(context.Background(), o); err != nil || len(again) != 0 {
		t.Errorf("a second migration: %v, %v", again, err)
	}
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	records := 0
	record := func(name, layout string) { // the newest record counts
		t.Helper()
		records++
		if err := conn.Exec(context.Background(), "INSERT INTO rollcall_local.migrations (name, checksum, applied_at) "+
			"SELECT {name:String}, {layout:String}, now64(3) + {n:UInt8}", clickhouse.Named("name", name),
			clickhouse.Named("layout", layout), clickhouse.Named("n", records)); err != nil {
			t.Fatal(err)
		}
	}
	record("cluster prod", "[1,1,1]")
	check(o, "cluster prod had shards of weights [1,1,1] and now has [1,1]")
	if _, err := tables.Migrate(context.Background(), o); !errors.Is(err, tables.ErrSchema) {
		t.Errorf("migrate: %v", err)
	}
	record("cluster prod", "[1,1]")
	check(o, "")
	for _, names := range []string{"['1','2']", "['1']", "['2','1']"} { // both shards are this engine, and say 1
		record("shards prod", names)
		check(o, `calls itself "1", but at the first migration the shards were [`)
		if _, err := tables.Migrate(context.Background(), o); !errors.Is(err, tables.ErrSchema) {
			t.Errorf("migrate with shards %s: %v", names, err)
		}
	}
	shard, err := tables.Open(o.OnShard())
	if err != nil {
		t.Fatal(err)
	}
	defer shard.Close()
	if err := tables.CheckShards(t.Context(), shard); err != nil {
		t.Errorf("a server that is one of the shards: %v", err)
	}
	record("shards prod", "['2','3']")
	if err := tables.CheckShards(t.Context(), shard); !errors.Is(err, tables.ErrSchema) ||
		!strings.Contains(err.Error(), `this server calls itself shard "1"`) {
		t.Errorf("a server that is none of the shards: %v", err)
	}
	if tables.EachNamed("1", "2", "10") != nil || tables.EachNamed("1", "2", "1") == nil {
		t.Error("two shards of one name are not told from shards of different names")
	}
	for _, bad := range []tables.Options{
		{URL: "http://ch/rollcall_local", Cluster: "prod", Replicas: 1},
		{URL: "http://ch/rollcall", Cluster: "pr`od", Replicas: 1},
		{URL: "http://ch/roll-call", Cluster: "prod", Replicas: 1},
		{URL: "http://ch/rollcall", Cluster: "prod"},
	} {
		if _, err := tables.Open(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
