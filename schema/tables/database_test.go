package tables_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A database belongs to one test.
type database struct {
	testing.TB
	driver.Conn
	options tables.Options
	ctx     context.Context
	today   schema.Day
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &database{TB: t, Conn: conn, options: o, ctx: context.Background(), today: schema.DayOf(time.Now().UTC())}
}

func (db *database) exec(query string, args ...any) {
	db.Helper()
	if err := db.Exec(db.ctx, query, args...); err != nil {
		db.Fatalf("%s: %v", query, err)
	}
}

func (db *database) text(query string, args ...any) (text string) {
	db.Helper()
	if err := db.QueryRow(db.ctx, "SELECT toString(("+query+"))", args...).Scan(&text); err != nil {
		db.Fatalf("%s: %v", query, err)
	}
	return text
}

// events puts n message events of a day into the log, numbered from first, all of this version.
func (db *database) events(org string, day schema.Day, first, n int, version uint64) {
	db.Helper()
	db.exec(`INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, conversation_id, model)
		SELECT {org:String}, {day:Date}, 'message', leftPad(toString({first:UInt64} + number), 16, '0'), {version:UInt64}, {day:Date}, 's', toString(number), 'u1', 'chat', 'c', 'm'
		FROM numbers({n:UInt64})`,
		clickhouse.Named("org", org), clickhouse.Named("day", day.String()), clickhouse.Named("first", first),
		clickhouse.Named("n", n), clickhouse.Named("version", version))
}

func (db *database) mark(org string, day schema.Day, writer uuid.UUID, seq int) {
	db.Helper()
	db.exec("INSERT INTO marks (org_id, day, writer, seq) SELECT {org:String}, {day:Date}, {writer:UUID}, {seq:UInt64}",
		clickhouse.Named("org", org), clickhouse.Named("day", day.String()), clickhouse.Named("writer", writer.String()),
		clickhouse.Named("seq", seq))
}

// A manifest as a test writes it. As many rows as it says are also put into message_daily.
type manifest struct {
	generation uuid.UUID
	covered    map[uuid.UUID]uint64
	version    uint64
	revision   int // default: the current one
	rows       int
	dead       int
}

func (db *database) manifest(org string, day schema.Day, m manifest) {
	db.Helper()
	if m.revision == 0 {
		m.revision = tables.Revision
	}
	if m.generation == uuid.Nil {
		m.generation = uuid.Must(uuid.NewV7())
	}
	db.exec(`INSERT INTO slices (org_id, day, generation, revision, covered, version, message_rows, dead)
		SELECT {org:String}, {day:Date}, {g:UUID}, {revision:UInt32}, {covered:Map(UUID, UInt64)}, {version:UInt64}, {rows:UInt64}, {dead:UInt8}`,
		clickhouse.Named("org", org), clickhouse.Named("day", day.String()), clickhouse.Named("g", m.generation.String()),
		clickhouse.Named("revision", m.revision),
		clickhouse.Named("covered", mapText(m.covered)), clickhouse.Named("version", m.version),
		clickhouse.Named("rows", m.rows), clickhouse.Named("dead", m.dead))
	db.exec(`INSERT INTO message_daily (org_id, day, generation, user_id, messages) SELECT {org:String}, {day:Date}, {g:UUID}, toString(number), 1 FROM numbers({rows:UInt64})`,
		clickhouse.Named("org", org), clickhouse.Named("day", day.String()), clickhouse.Named("g", m.generation.String()),
		clickhouse.Named("rows", m.rows))
}

func mapText(m map[uuid.UUID]uint64) string {
	text := "{"
	for w, seq := range m {
		if len(text) > 1 {
			text += ","
		}
		text += fmt.Sprintf("'%s':%d", w, seq)
	}
	return text + "}"
}

func (db *database) plan(org string, from, to schema.Day, now time.Time) tables.Plan {
	db.Helper()
	p, err := tables.ReadPlan(db.ctx, db, tables.Span{Org: org, From: from, To: to, MonthsFrom: from, MonthsTo: to}, now)
	if err != nil {
		db.Fatal(err)
	}
	return p
}

// follow reads the number of messages by a plan, under the guards.
func (db *database) follow(p tables.Plan, guards string) (n uint64, err error) {
	query := fmt.Sprintf("SELECT sum(messages) FROM (SELECT messages FROM (%s) UNION ALL SELECT messages FROM (%s)) WHERE %s",
		tables.Messages.Rolled(tables.RolledWhere), tables.Messages.FromLog(tables.LiveWhere), guards)
	err = db.QueryRow(clickhouse.Context(db.ctx, clickhouse.WithParameters(p.Params())), query).Scan(&n)
	return n, err
}

func named(name string, value any) driver.NamedValue { return clickhouse.Named(name, value) }
