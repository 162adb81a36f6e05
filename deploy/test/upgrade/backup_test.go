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
	backups := t.TempDir()
	config := filepath.Join(t.TempDir(), "config.xml")
	const allowed = "<clickhouse><backups><allowed_path>%s</allowed_path></backups></clickhouse>"
	if err := os.WriteFile(config, fmt.Appendf(nil, allowed, backups), 0o600); err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	statement := func(text string) string {
		t.Helper()
		if !strings.Contains(string(manual), text) {
			t.Fatalf("OPERATIONS.md does not say %s", text)
		}
		return strings.ReplaceAll(text, "/backups/", backups+"/")
	}

	server := enginetest.Start(t, enginetest.Options{Dir: t.TempDir(), Config: config})
	of := func(s *enginetest.Server, database string) *database {
		return open(t, tables.Options{URL: strings.Replace(s.URL, "http://", "http://default@", 1) + "/" + database})
	}
	db := of(server, "rollcall")
	if _, err := tables.Migrate(t.Context(), db.options); err != nil {
		t.Fatal(err)
	}
	db.write(data(t), "")
	want := db.exports()
	db.exec(statement("BACKUP DATABASE rollcall TO File('/backups/2026-11-24/')"))
	// This comes after the backup.
	db.exec("INSERT INTO events (org_id, day, type, event_id, version, time) SELECT 'acme', '" + day +
		"', 'message', '0123456789abcdef', 2, now()")
	server.Stop()

	server = enginetest.Start(t, enginetest.Options{Dir: t.TempDir(), Config: config})
	of(server, "default").exec(statement("RESTORE DATABASE rollcall FROM File('/backups/2026-11-24/')"))
	db = of(server, "rollcall")
	db.compare("restored, with the rollups that were in the backup", want)
	db.exec(statement("TRUNCATE TABLE rollcall.slices"))
	db.exec(statement("TRUNCATE TABLE rollcall.months"))
	if err := tables.Check(t.Context(), db.conn); err != nil {
		t.Error(err)
	}
	db.compare("restored, from the log", want)
	if n, err := db.worker().Once(t.Context()); err != nil || n != 2 {
		t.Errorf("%d slices rolled up, %v", n, err)
	}
	db.compare("rolled up anew", want)
	differs := func(d rollup.Difference) { t.Errorf("%+v", d) }
	if n, err := db.worker().Verify(t.Context(), rollup.Filter{}, differs, nil); err != nil || n != 2 {
		t.Errorf("%d slices of 2 compared, %v", n, err)
	}
}
