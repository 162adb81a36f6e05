package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

// The statements of deploy/OPERATIONS.md move a database to another machine. There it gives the
// same exports, accepts the same keys, and its rollups agree with its log.
func TestBackupAndRestore(t *testing.T) {
	m := newMove(t, "../../OPERATIONS.md", "")
	server := m.server()
	db := open(t, optionsOf(server, "rollcall"))
	if _, err := tables.Migrate(t.Context(), db.options); err != nil {
		t.Fatal(err)
	}
	m.backUp(db, "BACKUP DATABASE rollcall TO File('/backups/2026-11-24/')")
	server.Stop()

	server = m.server()
	m.run(server, "RESTORE DATABASE rollcall FROM File('/backups/2026-11-24/')")
	db = open(t, optionsOf(server, "rollcall"))
	db.compare("restored, with the rollups that were in the backup", m.exports)
	m.run(server, "TRUNCATE TABLE rollcall.slices", "TRUNCATE TABLE rollcall.months")
	m.rollUpAnew(db)
}

// The statements of deploy/CLUSTER.md do so with a shard. Its tables are not replicated here,
// because the embedded engine cannot write to those.
func TestBackupAndRestoreOfAShard(t *testing.T) {
	m := newMove(t, "../../CLUSTER.md", enginetest.ClusterConfig)
	server := m.server()
	db := open(t, enginetest.ClusterOn(t, server))
	m.backUp(db, "BACKUP DATABASE rollcall_local TO File('/backups/2026-11-24/shard-1/')")
	server.Stop()

	server = m.server()
	m.run(server, "RESTORE DATABASE rollcall_local FROM File('/backups/2026-11-24/shard-1/')")
	m.run(server, "TRUNCATE TABLE rollcall_local.slices", "TRUNCATE TABLE rollcall_local.months")
	m.rollUpAnew(open(t, enginetest.ClusterOn(t, server)))
}

// A move brings a database from one engine to another by the statements of a page.
type move struct {
	*testing.T
	page    string
	backups string // directory
	config  string // file
	exports string
}

func newMove(t *testing.T, page, config string) *move {
	t.Helper()
	m := &move{T: t, backups: t.TempDir(), config: filepath.Join(t.TempDir(), "config.xml")}
	const allowed = "<clickhouse><backups><allowed_path>%s</allowed_path></backups>%s</clickhouse>"
	if err := os.WriteFile(m.config, fmt.Appendf(nil, allowed, m.backups, config), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	// The page restores shard 2, and shard 1 is backed up on it.
	m.page = strings.ReplaceAll(string(text), "/shard-2/", "/shard-1/")
	return m
}

func (m *move) server() *enginetest.Server {
	m.Helper()
	return enginetest.Start(m.T, enginetest.Options{Dir: m.TempDir(), Config: m.config})
}

func optionsOf(s *enginetest.Server, database string) tables.Options {
	return tables.Options{URL: strings.Replace(s.URL, "http://", "http://default@", 1) + "/" + database}
}

// run executes statements that the page has.
func (m *move) run(s *enginetest.Server, statements ...string) {
	m.Helper()
	for _, statement := range statements {
		if !strings.Contains(m.page, statement) {
			m.Fatalf("the page does not say %s", statement)
		}
		open(m.T, optionsOf(s, "default")).exec(strings.ReplaceAll(statement, "/backups/", m.backups+"/"))
	}
}

// backUp fills the database, notes its exports and backs it up. What comes later is not in the
// backup.
func (m *move) backUp(db *database, statement string) {
	m.Helper()
	db.write(data(m.T), "")
	m.exports = db.exports()
	if !strings.Contains(m.page, statement) {
		m.Fatalf("the page does not say %s", statement)
	}
	db.exec(strings.ReplaceAll(statement, "/backups/", m.backups+"/"))
	db.exec("INSERT INTO events (org_id, day, type, event_id, version, time) SELECT 'acme', '" + day +
		"', 'message', '0123456789abcdef', 2, now()")
}

// rollUpAnew compares the exports before and after the restored log is rolled up, then verifies.
func (m *move) rollUpAnew(db *database) {
	m.Helper()
	if err := tables.Check(m.Context(), db.conn); err != nil {
		m.Error(err)
	}
	db.compare("restored, from the log", m.exports)
	if n, err := db.worker().Once(m.Context()); err != nil || n != 2 {
		m.Errorf("%d slices rolled up, %v", n, err)
	}
	db.compare("rolled up anew", m.exports)
	differs := func(d rollup.Difference) { m.Errorf("%+v", d) }
	if n, err := db.worker().Verify(m.Context(), rollup.Filter{}, differs, nil); err != nil || n != 2 {
		m.Errorf("%d slices of 2 compared, %v", n, err)
	}
}
