package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/schema/tables"
)

// A template is a database that was migrated once and backed up. A test's own database is restored
// from it, which takes one statement instead of the forty of the migrations.
type template struct {
	once sync.Once
	err  error
	dir  string      // of the engine; its process may write below it
	conn driver.Conn // to the engine's default database
}

// withTemplate allows the engine to keep backups in its directory.
func withTemplate(o Options) (Options, error) {
	o.Config = filepath.Join(o.Dir, "config.xml")
	return o, os.WriteFile(o.Config,
		fmt.Appendf(nil, "<clickhouse><backups><allowed_path>%s</allowed_path></backups></clickhouse>", o.Dir), 0o600)
}

func (s *Server) copyTemplate(name string) error {
	t := &s.template
	ctx := context.Background()
	place := fmt.Sprintf("File('%s/')", filepath.Join(t.dir, "template"))
	t.once.Do(func() {
		if _, t.err = tables.Migrate(ctx, s.options("template")); t.err != nil {
			return
		}
		if t.conn, t.err = tables.Open(s.options("default")); t.err == nil {
			t.err = t.conn.Exec(ctx, "BACKUP DATABASE template TO "+place)
		}
	})
	if t.err != nil {
		return t.err
	}
	return t.conn.Exec(ctx, "RESTORE DATABASE template AS "+name+" FROM "+place)
}
