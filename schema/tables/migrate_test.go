package tables_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"rollcall/schema/tables"
)

func TestMigrateTwiceChangesNothing(t *testing.T) {
	db := newDatabase(t)
	const everything = "SELECT groupArray((name, create_table_query)) FROM (SELECT * FROM system.tables WHERE database = currentDatabase() ORDER BY name)"
	before := db.text(everything)
	db.events("acme", db.today, 0, 3, 2)
	applied, err := tables.Migrate(db.ctx, db.options)
	if err != nil || len(applied) != 0 {
		t.Errorf("the second time: %v, %v", applied, err)
	}
	if after := db.text(everything); after != before {
		t.Errorf("the tables changed from %s to %s", before, after)
	}
	if n := db.text("SELECT count() FROM events"); n != "3" {
		t.Errorf("%s events left of 3", n)
	}
	if err := tables.Check(db.ctx, db); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestMigrateGoesOnWhereItWasKilled(t *testing.T) {
	db := newDatabase(t)
	// Killed after two statements of 0003, before it was recorded.
	for _, table := range []string{"token_daily", "workflow_daily"} {
		db.exec("DROP TABLE " + table + " SYNC")
	}
	db.exec("DELETE FROM migrations WHERE name >= '0003'")
	db.events("acme", db.today, 0, 3, 2)
	if err := tables.Check(db.ctx, db); !errors.Is(err, tables.ErrSchema) ||
		!strings.Contains(err.Error(), "0003_rollups is missing; run `rollcall migrate`") {
		t.Errorf("check: %v", err)
	}
	applied, err := tables.Migrate(db.ctx, db.options)
	if err != nil || len(applied) < 4 || applied[0] != "0003_rollups" || !slices.IsSorted(applied) {
		t.Errorf("applied %v, %v", applied, err)
	}
	if err := tables.Check(db.ctx, db); err != nil {
		t.Errorf("check: %v", err)
	}
	if n := db.text("SELECT count() FROM events, token_daily"); n != "0" {
		t.Errorf("token_daily: %s", n)
	}
}

func TestCheckNamesWhatIsNotThisBinarys(t *testing.T) {
	db := newDatabase(t)
	db.exec("INSERT INTO migrations (name, checksum) VALUES ('9999_future', 'f')")
	if err := tables.Check(db.ctx, db); err != nil {
		t.Errorf("a newer binary has been here: %v", err)
	}
	db.exec("INSERT INTO migrations (name, checksum, applied_at) SELECT '0002_slices', 'edited', now64(3) + 1")
	for what, err := range map[string]error{
		"check": tables.Check(db.ctx, db), "migrate": second(tables.Migrate(db.ctx, db.options)),
	} {
		if !errors.Is(err, tables.ErrSchema) || !strings.Contains(err.Error(), "0002_slices was applied with another text") {
			t.Errorf("%s of an edited migration: %v", what, err)
		}
	}
	db.exec("DROP TABLE migrations SYNC")
	if err := tables.Check(db.ctx, db); !errors.Is(err, tables.ErrSchema) ||
		!strings.Contains(err.Error(), "no tables yet") {
		t.Errorf("check of an empty database: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestOpenRefusesOtherAddresses(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8123/rollcall", "clickhouse://127.0.0.1:9000/rollcall",
		"http://127.0.0.1:8123", "http://127.0.0.1:8123/", "http:///rollcall",
		"http://127.0.0.1:8123/a/b", "http://127.0.0.1:8123/rollcall?user=x", "http://[::1/rollcall"} {
		if _, err := tables.Open(tables.Options{URL: url}); err == nil ||
			!strings.Contains(err.Error(), "http://user@host:8123/rollcall") {
			t.Errorf("%q: %v", url, err)
		}
	}
	conn, err := tables.Open(tables.Options{URL: "http://127.0.0.1:1/rollcall"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Ping(context.Background()); err == nil {
		t.Error("nobody listens there")
	}
}
