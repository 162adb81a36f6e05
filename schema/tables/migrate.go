package tables

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ledger records which migrations a database has.
const ledger = `CREATE TABLE IF NOT EXISTS migrations
(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
ENGINE = ReplacingMergeTree ORDER BY name`

type migration struct {
	name       string
	checksum   string
	statements []string
}

// Migrate creates the database and its tables, or brings them to this binary's schema. It returns
// the names of the migrations that it applied. Each statement may be run twice, so a migration that
// was killed half way is simply run again. A second call changes nothing, but that nodes of a
// cluster that lack tables get them.
func Migrate(ctx context.Context, o Options) (applied []string, err error) {
	c, err := o.cluster()
	if err != nil {
		return nil, err
	}
	if err := createDatabase(ctx, o, c); err != nil {
		return nil, err
	}
	conn, err := Open(o)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := createLedger(ctx, conn, c); err != nil {
		return nil, err
	}
	pending, err := Pending(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, m := range pending {
		statements, err := m.on(c)
		if err != nil {
			return applied, err
		}
		for _, statement := range statements {
			if err := conn.Exec(ctx, statement); err != nil {
				return applied, fmt.Errorf("migration %s: %w", m.name, err)
			}
		}
		if err := conn.Exec(ctx, "INSERT INTO "+ledgerName(c)+" (name, checksum) VALUES ({name:String}, {sum:String})",
			clickhouse.Named("name", m.name), clickhouse.Named("sum", m.checksum)); err != nil {
			return applied, fmt.Errorf("record migration %s: %w", m.name, err)
		}
		applied = append(applied, m.name)
	}
	if c != nil {
		return applied, c.complete(ctx, conn)
	}
	return applied, nil
}

// createLedger creates the table of migrations. It refuses a cluster whose layout has changed since
// the first migration.
func createLedger(ctx context.Context, conn driver.Conn, c *cluster) error {
	statements := []string{ledger}
	if c != nil {
		statements = append(c.ledger(), c.keepLayout())
	}
	for _, statement := range statements {
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("create the migrations table: %w", err)
		}
	}
	if c == nil {
		return nil
	}
	if err := checkLayout(ctx, conn); err != nil {
		return err
	}
	if err := c.nameShards(ctx, conn); err != nil {
		return err
	}
	return checkShards(ctx, conn, true)
}

// ledgerName is the table in which migrations are recorded.
func ledgerName(c *cluster) string {
	if c != nil {
		return c.local() + ".migrations"
	}
	return "migrations"
}

// A Querier is the part of a connection that Pending needs.
type Querier interface {
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// ErrSchema says that the database does not have the schema that this binary was built for.
var ErrSchema = errors.New("the database's schema is not this binary's")

// ErrMisfit is an ErrSchema that no `rollcall migrate` mends: this process has other settings of
// the cluster, or another text of a migration, than the database was made with.
var ErrMisfit = fmt.Errorf("%w", ErrSchema)

// Check returns nil if the database has all migrations of this binary. Otherwise the error wraps
// ErrSchema and says what to do.
func Check(ctx context.Context, conn Querier) error {
	var tables []struct {
		Name string `ch:"name"`
		node
	}
	query := "SELECT name, " + describe + " FROM system.tables " +
		"WHERE database = currentDatabase() AND name IN ('migrations', 'events') ORDER BY name"
	if err := conn.Select(ctx, &tables, query); err != nil {
		return fmt.Errorf("look for the migrations table: %w", err)
	}
	if len(tables) == 0 || tables[len(tables)-1].Name != "migrations" {
		return fmt.Errorf("%w: it has no tables yet; run `rollcall migrate`", ErrSchema)
	}
	pending, err := Pending(ctx, conn)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%w: %s is missing; run `rollcall migrate`", ErrSchema, pending[0].name)
	}
	return tables[0].node.check(ctx, conn) // the row of the table events, which the migrations created
}

// Pending lists the migrations that the database does not have yet. A migration that was applied
// with another text is an error: the file was edited after its release. A migration that this
// binary does not know is accepted: a newer binary has been here, and migrations only add names, so
// old and new binaries may run side by side.
func Pending(ctx context.Context, conn Querier) ([]migration, error) {
	known, err := migrations()
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Name     string `ch:"name"`
		Checksum string `ch:"checksum"`
	}
	if err := conn.Select(ctx, &rows, "SELECT name, checksum FROM migrations FINAL"); err != nil {
		return nil, fmt.Errorf("read the migrations table: %w", err)
	}
	applied := map[string]string{}
	for _, r := range rows {
		applied[r.Name] = r.Checksum
	}
	var pending []migration
	for _, m := range known {
		switch sum, ok := applied[m.name]; {
		case !ok:
			pending = append(pending, m)
		case sum != m.checksum:
			return nil, fmt.Errorf("%w: migration %s was applied with another text; restore the released file", ErrMisfit,
				m.name)
		}
	}
	return pending, nil
}

// SchemaVersion is the name of this binary's last migration.
func SchemaVersion() (string, error) {
	all, err := migrations()
	if err != nil {
		return "", err
	}
	return all[len(all)-1].name, nil
}

func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names { // Glob sorts, and the names start with their number
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{
			name:       strings.TrimSuffix(strings.TrimPrefix(name, "migrations/"), ".sql"),
			checksum:   hex.EncodeToString(sum[:8]),
			statements: statements(string(text)),
		})
	}
	return all, nil
}

var comment = regexp.MustCompile(`(?m)^\s*--.*$`)

// statements splits a migration at the semicolons that end a line.
func statements(text string) (all []string) {
	for _, s := range strings.Split(comment.ReplaceAllString(text, ""), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// createDatabase creates the database itself, through a connection to the server's default one.
func createDatabase(ctx context.Context, o Options, c *cluster) error {
	opt, err := o.client()
	if err != nil {
		return err
	}
	name := opt.Auth.Database
	opt.Auth.Database = "default"
	conn, err := connect(opt, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if c != nil {
		for _, statement := range c.databases() {
			if err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("create the databases of cluster %s: %w", c.name, err)
			}
		}
		return nil
	}
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS {name:Identifier}",
		clickhouse.Named("name", name)); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
