//go:build zookeeper

package suite

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/deploy/test/processtest"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/schema/tables"
)

// A replica is one engine of the only shard. Both replicas have their tables' metadata on a real
// ZooKeeper. The embedded engine has no port from which another one could fetch parts, so its
// replicated tables stay read-only: this is the state in which a cluster is whose keeper is away.
type replica struct {
	name   string
	engine *enginetest.Server
	conn   driver.Conn // to the database default
}

// replicaConfig has a path for the sessions, because all embedded engines have the same id.
const replicaConfig = `<clickhouse>
<tcp_port>%[1]d</tcp_port>
<zookeeper><node><host>127.0.0.1</host><port>%[2]s</port></node>
<sessions_path>/clickhouse/sessions/%[3]s</sessions_path></zookeeper>
<macros><shard>1</shard><replica>%[3]s</replica></macros>
<default_replica_path>/clickhouse/tables/{shard}/{database}/{table}</default_replica_path>
<default_replica_name>{replica}</default_replica_name>
<remote_servers><prod><shard><internal_replication>true</internal_replication>
<replica><host>127.0.0.1</host><port>19000</port></replica>
<replica><host>127.0.0.1</host><port>19001</port></replica>
</shard></prod></remote_servers>
</clickhouse>`

func startReplica(t *testing.T, name, keeperPort string, port int) *replica {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.xml")
	if err := os.WriteFile(config, fmt.Appendf(nil, replicaConfig, port, keeperPort, name), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &replica{name: name, engine: enginetest.Start(t, enginetest.Options{Dir: dir, Config: config})}
	t.Cleanup(r.engine.Kill) // the library does not survive being closed with replicated tables
	var err error
	if r.conn, err = tables.Open(tables.Options{URL: r.engine.URL + "/default"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close() })
	return r
}

// startZooKeeper returns the port of a ZooKeeper.
func startZooKeeper(t *testing.T) (port string) {
	t.Helper()
	const jar = "/usr/share/java/zookeeper.jar"
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("this test needs Debian's packages zookeeper and default-jre-headless: %v", err)
	}
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(processtest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("tickTime=1000\nadmin.enableServer=false\ndataDir=%s\nclientPort=%s\nclientPortAddress=%s\n",
		dir, port, host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("java", "-cp", jar+":/usr/share/java/slf4j-simple.jar",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", config)
	server.Stdout = t.Output()
	server.Stderr = t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) { // between two looks
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			conn.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatalf("ZooKeeper does not answer: %v", err)
		}
	}
}

func (r *replica) exec(t *testing.T, statement string) {
	t.Helper()
	if err := r.conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("replica %s: %s: %v", r.name, statement, err)
	}
}

func (r *replica) texts(t *testing.T, query string) []string {
	t.Helper()
	var texts []string
	if err := r.conn.QueryRow(t.Context(), query).Scan(&texts); err != nil {
		t.Fatalf("replica %s: %s: %v", r.name, query, err)
	}
	return texts
}

// A shard has two replicas on a real ZooKeeper, and its tables become such that take no rows, one
// after the other. Inserts that wait for both replicas are refused with TOO_FEW_LIVE_REPLICAS,
// those that wait for none with TABLE_IS_READ_ONLY, and reads with ALL_REPLICAS_ARE_STALE. Every
// stage meets that while it works: nothing is committed, no export is answered, each failure says
// what it waits for. Afterwards everything goes on by itself and is exact.
func TestReplicasThatTakeNoRows(t *testing.T) {
	port := startZooKeeper(t)
	first := startReplica(t, "a", port, 19000)
	second := startReplica(t, "b", port, 19001)
	second.exec(t, "CREATE DATABASE rollcall_local")
	ch := enginetest.ClusterOn(t, first.engine)
	b := newBedOn(t, kafkatest.Open(t, topics...).Addr, ch, ch.OnShard())
	r := rand.New(rand.NewPCG(*seed, 7))
	b.send(traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: *events, Topics: topics}))
	b.ingest(nil)
	_, err := b.roll().Once(t.Context())
	b.must(err)
	b.compare(r, 0.2)

	first.replicate(t, second, "export_audit")
	b.exportsWait()

	written := []string{"events", "entities", "marks", "rejects"}
	first.replicate(t, second, written...)
	both := ch
	both.Replicas = 2
	b.replicasAreChecked(both)
	b.send(traffic.Make(traffic.Config{Seed: *seed + 1000, Now: b.now, Events: *events / 2, Topics: topics}))
	_, before, err := b.progress()
	b.must(err)
	stop := b.startIngest(ingest.Config{Brokers: []string{b.broker}, Topics: topics, Secret: secret}, both)
	b.eventually(func() error {
		if b.counter("rollcall_clickhouse_errors_total", "TOO_FEW_LIVE_REPLICAS") < 2 {
			return fmt.Errorf("ingest has not met TOO_FEW_LIVE_REPLICAS twice")
		}
		return nil
	})

	others := first.texts(t, `SELECT groupArray(name) FROM (SELECT name FROM system.tables
WHERE database = 'rollcall_local' AND name != 'migrations' AND NOT startsWith(engine, 'Replicated') ORDER BY name)`)
	first.replicate(t, second, others...)
	b.exportsWait()
	b.keysSayWhy()
	if _, after, err := b.progress(); err != nil || !maps.Equal(before, after) {
		t.Errorf("offsets were committed while no row could be stored: %v, before %v (%v)", after, before, err)
	}
	first.attach(t, "NOT REPLICATED", append(append(others, written...), "export_audit")...)
	b.eventually(b.committed)
	stop()
	b.compareLog()
	_, err = b.roll().Once(t.Context())
	b.must(err)
	b.compare(r, 0.2)
}

// attach makes tables of the shard replicated ones, or plain ones again, with their rows.
func (r *replica) attach(t *testing.T, as string, names ...string) {
	t.Helper()
	for _, name := range names {
		r.exec(t, "DETACH TABLE rollcall_local."+name+" SYNC") // once no statement uses it any more
		r.exec(t, "ATTACH TABLE rollcall_local."+name+" AS "+as)
	}
}

var engineOf = regexp.MustCompile(`(?m)^ENGINE = (Replicated.*)$`)

// replicate makes tables replicated ones with a second replica. ClickHouse compares the second's
// columns with what the first has in the keeper, and both must be where the statements of a cluster
// put them.
func (r *replica) replicate(t *testing.T, second *replica, names ...string) {
	t.Helper()
	statements, err := tables.Statements(tables.Options{URL: "http://ch/rollcall", Cluster: enginetest.ClusterName, Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	migrations := strings.Join(statements, "\n")
	r.attach(t, "REPLICATED", names...)
	for _, name := range names {
		r.exec(t, "SYSTEM RESTORE REPLICA rollcall_local."+name)
		var create string
		if err := r.conn.QueryRow(t.Context(), "SHOW CREATE TABLE rollcall_local."+name).Scan(&create); err != nil {
			t.Fatal(err)
		}
		engine := engineOf.FindStringSubmatch(create)
		if engine == nil || !strings.Contains(migrations, "ENGINE = "+engine[1]+"\n") {
			t.Errorf("the table %s is replicated as %v, which no statement of the migrations has", name, engine)
		}
		second.exec(t, create)
	}
	if total := second.texts(t, `SELECT groupArray(concat(table, ' ', toString(total_replicas))) FROM
(SELECT * FROM system.replicas WHERE database = 'rollcall_local' AND total_replicas != 2)`); len(total) > 0 {
		t.Errorf("tables without two replicas: %v", total)
	}
}

// replicasAreChecked tells each stage's look at the tables what it must say.
func (b *bed) replicasAreChecked(both tables.Options) {
	b.t.Helper()
	one := both
	one.Replicas = 1
	three := both
	three.Replicas = 3
	for _, c := range []struct {
		name    string
		options tables.Options
		says    string
	}{
		{"ingest and export", both, ""},
		{"one replica given", one, "give --cluster-replicas 2"},
		{"three replicas given", three, "give --cluster-replicas 2"},
		{"rollup", both.OnShard(), "this replica is read-only: it has lost its keeper"},
	} {
		conn, err := tables.Open(c.options)
		b.must(err)
		defer conn.Close()
		err = tables.Check(b.t.Context(), conn)
		if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			b.t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// exportsWait asks for an export, which must be refused for now: its audit cannot be written.
func (b *bed) exportsWait() {
	b.t.Helper()
	for org := range b.keys {
		request, err := http.NewRequestWithContext(b.t.Context(), "GET",
			b.server.URL+"/v1/exports/users?range=last_month", nil)
		b.must(err)
		request.Header.Set("Authorization", "Bearer "+b.keys[org])
		response, err := http.DefaultClient.Do(request)
		b.must(err)
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			b.t.Errorf("an export that cannot be audited: %s, Retry-After %q", response.Status,
				response.Header.Get("Retry-After"))
		}
		return
	}
}

// keysSayWhy wants a new key to be refused with ClickHouse's reason.
func (b *bed) keysSayWhy() {
	b.t.Helper()
	_, _, err := access.OpenKeys(b.conn).Create(b.t.Context(), "acme", "suite", 0)
	if _, name := tables.Classify(err); err == nil || name != "TABLE_IS_READ_ONLY" {
		b.t.Errorf("a key that cannot be stored: %v", err)
	}
}
