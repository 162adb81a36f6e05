package upgrade

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

var (
	day       = time.Now().UTC().AddDate(0, 0, -2).Format(time.DateOnly)
	month     = time.Now().UTC().AddDate(0, 0, -40).Format(time.DateOnly)
	keySecret = strings.Repeat("s", 43)
	fill      = strings.NewReplacer("DAY", day, "MONTH", month, "WRITER", uuid.NewString(), "GENERATION",
		uuid.Must(uuid.NewV7()).String(), "SECRET", keySecret)
)

// A database is one of a test's own.
type database struct {
	*testing.T
	options tables.Options
	conn    driver.Conn
}

func newDatabase(t *testing.T) *database { return open(t, enginetest.Database(t)) }

func open(t *testing.T, o tables.Options) *database {
	t.Helper()
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &database{t, o, conn}
}

// A release is known by its last migration.
type release struct {
	Name     string `ch:"name"`
	Checksum string `ch:"checksum"`
}

func (db *database) migrations() (all []release) {
	db.Helper()
	err := db.conn.Select(db.Context(), &all, "SELECT name, checksum FROM migrations FINAL ORDER BY name")
	if err != nil || len(all) < 7 {
		db.Fatalf("%v, %v", all, err)
	}
	return all
}

// newDatabaseOf makes a database with only the first n migrations. While these are applied, the
// table of migrations says that the others were applied before.
func newDatabaseOf(t *testing.T, releases []release, n int) *database {
	t.Helper()
	db := newDatabase(t)
	name := db.options.URL[strings.LastIndex(db.options.URL, "/")+1:]
	admin := open(t, tables.Options{URL: strings.TrimSuffix(db.options.URL, name) + "default"})
	admin.exec("DROP DATABASE " + name + " SYNC")
	admin.exec("CREATE DATABASE " + name)
	db.exec("CREATE TABLE migrations (name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) ENGINE = ReplacingMergeTree ORDER BY name")
	for _, r := range releases[n:] {
		db.exec("INSERT INTO migrations (name, checksum) VALUES ({name:String}, {sum:String})",
			clickhouse.Named("name", r.Name), clickhouse.Named("sum", r.Checksum))
	}
	if applied, err := tables.Migrate(t.Context(), db.options); err != nil || len(applied) != n {
		t.Fatalf("%v, %v", applied, err)
	}
	db.exec("DELETE FROM migrations WHERE name >= {name:String}", clickhouse.Named("name", releases[n].Name))
	return db
}

func (db *database) exec(query string, args ...any) {
	db.Helper()
	if err := db.conn.Exec(context.Background(), query, args...); err != nil {
		db.Fatalf("%s: %v", query, err)
	}
}

// write runs statements until one names a table that does not exist. It returns how many it ran.
func (db *database) write(statements []string, as string) (n int) {
	db.Helper()
	known := db.known(statements)
	for _, s := range known {
		if err := db.conn.Exec(db.Context(), s); err != nil {
			db.Fatalf("%s: %s: %v", as, s, err)
		}
	}
	return len(known)
}

var tableNames = regexp.MustCompile(`(?:INTO|FROM) ([a-z_]+)\b`)

// known returns the first statements, up to the one that names a table that does not exist.
func (db *database) known(statements []string) []string {
	db.Helper()
	rows, err := db.conn.Query(db.Context(), "SELECT name FROM system.tables WHERE database = currentDatabase()")
	if err != nil {
		db.Fatal(err)
	}
	defer rows.Close()
	there := map[string]bool{"numbers": true}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			db.Fatal(err)
		}
		there[name] = true
	}
	for i, s := range statements {
		for _, m := range tableNames.FindAllStringSubmatch(s, -1) {
			if !there[m[1]] {
				return statements[:i]
			}
		}
	}
	return statements
}

func data(t *testing.T) []string { return read(t, "testdata/data.sql") }
func old(t *testing.T) []string  { return read(t, "testdata/old.sql") }

var comment = regexp.MustCompile(`(?m)^--.*$`)

func read(t *testing.T, file string) (statements []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strings.Split(comment.ReplaceAllString(string(text), ""), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			statements = append(statements, fill.Replace(s))
		}
	}
	return statements
}
