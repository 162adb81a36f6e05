package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

const org = "acme"

// These tests write their days as days of 2026. dated moves a text to another year, undated moves
// it back. The year is the one whose October is in the rollups by the engine's clock, or will be,
// whatever the date of the test run.
var year = time.Now().UTC().AddDate(0, -9, 0).Year()

func dated(text string) string   { return strings.ReplaceAll(text, "2026-", fmt.Sprintf("%d-", year)) }
func undated(text string) string { return strings.ReplaceAll(text, fmt.Sprintf("%d-", year), "2026-") }

// now is the moment at which the tests ask for exports.
var now = time.Date(year, 11, 24, 12, 0, 0, 0, time.UTC)

// october is the period of most tests.
var october = mustPeriod("2026-10-01", "2026-10-31", "")

func mustPeriod(from, to, zone string) Period {
	p, err := ParsePeriod(PeriodRequest{From: dated(from), To: dated(to), Timezone: zone}, now)
	if err != nil {
		panic(err)
	}
	return p
}

// A fields is one event as the tables have it: type, time, and all columns that are not empty.
type fields map[string]any

// A bed is a database with events.
type bed struct {
	t       testing.TB
	options tables.Options
	conn    driver.Conn
	seq     uint64
}

func newBed(t testing.TB, events ...fields) *bed {
	t.Helper()
	options := enginetest.Database(t)
	conn, err := tables.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// The days of these tests must not expire, whatever the engine's clock says.
	if err := conn.Exec(t.Context(), "SYSTEM STOP TTL MERGES"); err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, options: options, conn: conn}
	b.add(events...)
	return b
}

// add stores usage and entity events (those with a kind) and marks their slices.
func (b *bed) add(events ...fields) {
	b.t.Helper()
	rows := map[string]*bytes.Buffer{"events": {}, "entities": {}, "marks": {}}
	for _, e := range events {
		b.seq++
		row := fields{"org_id": org, "source": "test", "id": fmt.Sprint(b.seq)}
		for k, v := range e {
			if text, ok := v.(string); ok {
				v = dated(text)
			}
			row[k] = v
		}
		moment, err := time.Parse("2006-01-02T15:04:05", row["time"].(string))
		if err != nil {
			b.t.Fatal(err)
		}
		row["day"], row["time"] = moment.Format(time.DateOnly), moment.Format("2006-01-02 15:04:05.000")
		id := sha256.Sum256([]byte(fmt.Sprint(row["type"], row["source"], row["id"])))
		row["event_id"] = fmt.Sprintf("%x", id[:8])
		text, err := json.Marshal(row)
		if err != nil {
			b.t.Fatal(err)
		}
		content := sha256.Sum256(text)
		if row["version"] == nil {
			row["version"] = binary.BigEndian.Uint64(content[:]) &^ 1
		}
		table := "events"
		if row["kind"] != nil {
			table = "entities"
			delete(row, "type")
		} else {
			writeRow(b.t, rows["marks"], fields{"org_id": row["org_id"], "day": row["day"], "writer": uuid.Nil, "seq": b.seq})
		}
		writeRow(b.t, rows[table], row)
	}
	for _, table := range []string{"events", "entities", "marks"} {
		if rows[table].Len() > 0 {
			if err := b.conn.InsertFormat(context.Background(), "JSONEachRow", "INSERT INTO "+table, rows[table]); err != nil {
				b.t.Fatalf("insert into %s: %v", table, err)
			}
		}
	}
}

func writeRow(t testing.TB, b *bytes.Buffer, row fields) {
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(append(text, '\n'))
}

// rollUp makes the slices of these days clean, as a recompute would.
func (b *bed) rollUp(days ...string) {
	b.t.Helper()
	for _, day := range days {
		day = dated(day)
		generation := uuid.Must(uuid.NewV7()).String()
		ctx := clickhouse.Context(context.Background(), clickhouse.WithParameters(clickhouse.Parameters{
			"orgs": "['" + org + "']", "days": "['" + day + "']", "generations": "['" + generation + "']",
			"org": org, "day": day, "generation": generation, "revision": fmt.Sprint(tables.Revision),
		}))
		const slice = "org_id = {org:String} AND day = {day:Date}"
		counts := ""
		for _, d := range tables.Dailies() {
			if err := b.conn.Exec(ctx, d.Insert(slice)); err != nil {
				b.t.Fatalf("roll %s up into %s: %v", day, d.Table, err)
			}
			counts += fmt.Sprintf(", (SELECT count() FROM %s WHERE %s AND generation = {generation:UUID})", d.Table, slice)
		}
		if err := b.conn.Exec(ctx,
			`INSERT INTO slices (org_id, day, generation, revision, covered, version, `+tables.RowCounts()+`, dead)
SELECT {org:String}, {day:Date}, {generation:UUID}, {revision:UInt32}, (SELECT CAST(groupArray((writer, seq)), 'Map(UUID, UInt64)') FROM marks FINAL WHERE `+slice+`),
	(SELECT `+tables.SliceVersion+` FROM events FINAL WHERE `+slice+`)`+counts+`, 0`); err != nil {
			b.t.Fatalf("write the manifest of %s: %v", day, err)
		}
	}
}

// request returns a request for an export of october as of now, with default settings.
func request(t Type) Request {
	settings := schema.DefaultSettings
	settings.Workflows = true
	return Request{Org: org, Type: t, Settings: settings, Period: october.of(t), AsOf: now}
}

// of is the period with the buckets that an export of the type has if the request names none.
func (p Period) of(t Type) Period {
	if t == Adoption {
		p.Granularity, p.Buckets = Daily, p.days()
		for i := range p.Buckets {
			p.Buckets[i].Ahead = false
		}
	}
	return p
}

func (b *bed) plan(r Request) tables.Plan {
	b.t.Helper()
	plan, err := tables.ReadPlan(context.Background(), b.conn, r.Span(), now)
	if err != nil {
		b.t.Fatal(err)
	}
	return plan
}

// export answers the request as the service does. Its days are moved back to 2026.
func (b *bed) export(r Request) string {
	b.t.Helper()
	text, err := b.run(r, b.plan(r))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *bed) run(r Request, plan tables.Plan) (string, error) {
	b.t.Helper()
	s, err := Build(r, plan)
	if err != nil {
		return "", err
	}
	return b.read(s)
}

// answer is what the engine answers to the statement.
func (b *bed) answer(s Statement) string {
	b.t.Helper()
	text, err := b.read(s)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *bed) read(s Statement) (string, error) {
	rows, err := b.conn.QueryFormat(s.Context(context.Background()), s.Format, s.SQL)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	text, err := io.ReadAll(rows)
	return undated(string(text)), err
}

// column returns the cells of the named columns: one string per row, joined by |.
func (b *bed) columns(r Request, names ...string) (rows []string) {
	b.t.Helper()
	r.Format = NDJSON
	for line := range strings.Lines(b.export(r)) {
		var row map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			b.t.Fatalf("%v in %s", err, line)
		}
		var cells []string
		for _, name := range names {
			cell, ok := row[name]
			if !ok {
				cell = json.RawMessage("absent")
			}
			cells = append(cells, strings.Trim(string(cell), `"`))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return rows
}

// fromFile reads events, one JSON object per line. Empty lines and lines that start with # are
// skipped.
func fromFile(t testing.TB, name string) (events []fields) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var e fields
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v in %s", name, err, line)
		}
		events = append(events, e)
	}
	return events
}
