package export

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rollcall/deploy/test/sheets"
	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

func TestExport(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	f.event("acme", yesterday().Add(2*time.Hour), map[string]any{"user_id": "bob"})
	f.event("acme", yesterday().Add(3*time.Hour), map[string]any{"user_id": "bob"})
	_, key := f.key("acme")
	a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(records) != 3 || records[0][3] != "user_id" || records[1][3] != "bob" || records[2][3] != "ada" {
		t.Fatalf("rows %q, %v", records, err)
	}
	columns, err := query.Columns(query.Request{Org: "acme", Type: query.Users, Settings: schema.DefaultSettings})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range columns {
		if records[0][i] != c.Name {
			t.Errorf("column %d is %s, want %s", i, records[0][i], c.Name)
		}
	}
	for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		packed := f.want(f.get("/v1/exports/users?"+lastDays(), key, "Accept-Encoding", encoding), 200)
		if got := packed.Header.Get("Content-Encoding"); got != encoding {
			t.Errorf("Content-Encoding %q, want %q", got, encoding)
		}
		r, err := open(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != a.body {
			t.Errorf("%s: another body than without: %v", encoding, err)
		}
		if packed.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("%s: another ETag", encoding)
		}
	}
	bom := f.want(f.get("/v1/exports/users?bom=true&"+lastDays(), key), 200)
	if bom.body != "\ufeff"+a.body {
		t.Error("bom=true does not add exactly the mark")
	}
}

// Every type in every format is answered, also if it has no row.
func TestEveryTypeAndFormat(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.settings("void", "Void", yesterday(), true, true, true, false)
	for _, typ := range []string{"message", "action", "token", "workflow_run"} {
		f.event("acme", yesterday().Add(time.Hour), map[string]any{
			"type": typ, "assistant_id": "a1", "project_id": "p1", "workflow_id": "w1",
			"channel": map[bool]string{true: "assistant"}[typ == "message"],
			"action":  map[bool]string{true: "web_search"}[typ == "action"], "api_key_id": "k1",
			"status": map[bool]string{true: "succeeded"}[typ == "workflow_run"],
		})
	}
	for org, rows := range map[string]int{"acme": 1, "void": 0} {
		_, key := f.key(org)
		for _, typ := range query.Types() {
			rows := rows
			if typ == query.Adoption { // a row for each of the days, with or without usage
				rows = 2
			}
			formats := []query.Format{query.CSV, query.NDJSON, query.JSON, query.Parquet, query.XLSX}
			if typ != query.Users { // the formats are the same for all types
				formats = formats[:1]
			}
			for _, format := range formats {
				a := f.get("/v1/exports/"+string(typ)+"?format="+string(format)+"&"+lastDays(), key)
				if a.StatusCode != 200 {
					t.Errorf("%s %s %s: %d %s\n%s", org, typ, format, a.StatusCode, a.body, f.log)
					continue
				}
				switch format {
				case query.CSV:
					if records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll(); err != nil || len(records) != rows+1 {
						t.Errorf("%s %s %s: %q, %v", org, typ, format, a.body, err)
					}
				case query.NDJSON:
					if strings.Count(a.body, "\n") != rows || rows == 1 && !json.Valid([]byte(a.body)) {
						t.Errorf("%s %s %s: %q", org, typ, format, a.body)
					}
				case query.JSON:
					var all []map[string]any
					if err := json.Unmarshal([]byte(a.body), &all); err != nil || len(all) != rows {
						t.Errorf("%s %s %s: %q, %v", org, typ, format, a.body, err)
					}
				case query.Parquet:
					if !strings.HasPrefix(a.body, "PAR1") || !strings.HasSuffix(a.body, "PAR1") {
						t.Errorf("%s %s %s: not parquet", org, typ, format)
					}
				case query.XLSX:
					if sheet, err := sheets.Read([]byte(a.body)); err != nil || len(sheet.Rows) != rows+1 {
						t.Errorf("%s %s %s: %v, %v", org, typ, format, sheet, err)
					}
				}
			}
		}
	}
}

// The audit has the number of rows that were sent, for the formats in which rows can be counted.
func TestAuditRowCounts(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), map[string]any{"user_id": "a \"quoted\"\nuser"})
	f.event("acme", yesterday().Add(time.Hour), map[string]any{"user_id": "{\"}"})
	_, key := f.key("acme")
	for _, format := range []string{"csv", "ndjson", "json", "xlsx"} {
		f.want(f.get("/v1/exports/users?format="+format+"&"+lastDays(), key), 200)
		if row := f.auditOf("acme", format); row.Outcome != "complete" || row.Rows == nil || *row.Rows != 2 {
			t.Errorf("%s: audit %+v", format, row)
		}
	}
	f.want(f.get("/v1/exports/users?format=parquet&"+lastDays(), key), 200)
	if row := f.auditOf("acme", "parquet"); row.Outcome != "complete" || row.Rows != nil {
		t.Errorf("parquet: audit %+v", row)
	}
}

type auditRecord struct {
	Outcome    string    `ch:"outcome"`
	Status     uint16    `ch:"status"`
	Bytes      uint64    `ch:"bytes"`
	Rows       *uint64   `ch:"rows"`
	Credential string    `ch:"credential"`
	KeyID      string    `ch:"key_id"`
	KeyName    string    `ch:"key_name"`
	DataType   string    `ch:"data_type"`
	Request    string    `ch:"request"`
	Start      time.Time `ch:"period_start"`
	End        time.Time `ch:"period_end"`
}

// auditOf waits for the last audit row of the workspace in a format, and returns it.
func (f *fixture) auditOf(org, format string) auditRecord {
	f.Helper()
	var rows []auditRecord
	f.until("an audit row that has ended", func() bool {
		rows = nil
		err := f.conn.Select(context.Background(), &rows,
			`SELECT outcome, status, bytes, rows, toString(credential) AS credential, key_id, key_name, data_type, request, period_start, period_end
FROM export_audit FINAL WHERE org_id = $1 AND format = $2 ORDER BY started_at DESC LIMIT 1`, org, format)
		if err != nil {
			f.Fatal(err)
		}
		return len(rows) == 1 && rows[0].Outcome != "started"
	})
	return rows[0]
}

// On every address, HEAD answers with the status and every header of GET, in every encoding, and
// without a body.
func TestHead(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	link := f.makeLink(key, "users")
	paths := []string{
		"/v1/exports", "/v1/exports?timezone=Mars", "/v1/exports/users", "/v1/exports/teams", "/openapi.yaml", "/healthz",
		"/readyz", "/",
		"/app/main.js", "/app/nothing.js", "/app/history", "/app/summary?range=this_month",
		"/app/preview/users?range=this_month",
		"/nothing", "/export/users", "/api/public/export/nothing/here", link, link + "x",
	}
	for _, format := range []string{"csv", "ndjson", "json", "parquet", "xlsx"} {
		paths = append(paths, "/v1/exports/users?format="+format+"&"+lastDays())
	}
	for _, path := range paths {
		for _, accept := range []string{"identity", "gzip", "zstd, gzip;q=0.5"} {
			key := key
			if strings.HasPrefix(path, link) {
				key = ""
			}
			get := f.get(path, key, "Accept-Encoding", accept)
			head := f.do(http.MethodHead, path, key, "", "Accept-Encoding", accept)
			if head.body != "" || head.StatusCode != get.StatusCode {
				t.Errorf("%s: HEAD is %d with %d bytes, GET %d", path, head.StatusCode, len(head.body), get.StatusCode)
			}
			for _, same := range []*http.Header{&get.Header, &head.Header} {
				same.Del("Date")
				same.Del("Rollcall-Request-Id")
			}
			// HEAD may leave the length out (RFC 9110, 9.3.2), but must not give a different one.
			if length := head.Header.Get("Content-Length"); length == "" || get.Header.Get("Content-Length") == "" {
				get.Header.Del("Content-Length")
				head.Header.Del("Content-Length")
			}
			if !maps.EqualFunc(get.Header, head.Header, slices.Equal) {
				t.Errorf("%s, Accept-Encoding %s: HEAD has\n%v\nGET\n%v", path, accept, head.Header, get.Header)
			}
		}
	}
	tag := f.get("/v1/exports/users?"+lastDays(), key).Header.Get("ETag")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := f.want(f.do(method, "/v1/exports/users?"+lastDays(), key, "", "If-None-Match", tag, "Accept-Encoding", "gzip"),
			304)
		if a.Header.Get("ETag") != tag || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the answer to the tag %s has %v", method, tag, a.Header)
		}
	}
}

func TestCompleteThrough(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	path := "/v1/exports/users?" + lastDays()
	if got := f.want(f.get(path, key), 200).Header.Get("Rollcall-Complete-Through"); got != "" {
		t.Errorf("before anything was stored: %q", got)
	}
	f.insert("progress",
		map[string]any{"topic": "t", "partition": 0, "through": "2026-11-01 10:00:00.500", "end_offset": 5, "gone": 0},
		map[string]any{"topic": "t", "partition": 1, "through": "2026-11-01 10:00:01.000", "end_offset": 5, "gone": 0},
		map[string]any{"topic": "t", "partition": 2, "through": "2025-01-01 00:00:00.000", "end_offset": 5, "gone": 1})
	if got := f.want(f.get(path, key), 200).Header.Get("Rollcall-Complete-Through"); got != "2026-11-01T10:00:00.500Z" {
		t.Errorf("Rollcall-Complete-Through %q: not the smallest of the partitions that are there", got)
	}
}

// A publication may have a time that lies ahead of ClickHouse's clock, if a host's clock was wrong
// when it wrote the row. Such a row is not shown, and the service does not wait for its time: the
// next publication counts, although its time is earlier.
func TestCompleteThroughOfAClockThatWasAhead(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	path := "/v1/exports/users?" + lastDays()
	const layout = "2006-01-02 15:04:05.000"
	ahead := time.Now().UTC().Add(time.Hour)
	now := time.Now().UTC().Add(-time.Second).Truncate(time.Millisecond)
	f.insert("progress",
		map[string]any{"topic": "t", "partition": 0, "through": ahead.Format(layout), "end_offset": 5, "gone": 0},
		map[string]any{"topic": "t", "partition": 1, "through": now.Format(layout), "end_offset": 5, "gone": 0})
	if got := f.want(f.get(path, key), 200).Header.Get("Rollcall-Complete-Through"); got != "" {
		t.Errorf("an hour ahead: %q", got)
	}
	f.insert("progress", map[string]any{"topic": "t", "partition": 0,
		"through": ahead.Add(time.Millisecond).Format(layout), "complete_through": now.Format(layout),
		"end_offset": 5, "gone": 0})
	corrected := f.want(f.get(path, key), 200)
	if got := corrected.Header.Get("Rollcall-Complete-Through"); got != now.Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("corrected to %s: %q", now, got)
	}
}

// lateEvent is a connection on which an event arrives just after the plan was read. A read of the
// watermark waits for that event, but at most 1 s, because a correct service reads the watermark
// before the plan.
type lateEvent struct {
	driver.Conn
	comes   func()
	planned chan struct{}
}

func (c lateEvent) Select(ctx context.Context, dest any, query string, args ...any) error {
	err := c.Conn.Select(ctx, dest, query, args...)
	if strings.Contains(query, "marks FINAL") {
		c.comes()
		close(c.planned)
	}
	return err
}

func (c lateEvent) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	if strings.Contains(query, "FROM progress") {
		select {
		case <-c.planned:
		case <-time.After(time.Second):
		}
	}
	return c.Conn.QueryRow(ctx, query, args...)
}

// The answer may lack events that came after the plan, so the watermark must not be later than the
// plan.
func TestCompleteThroughIsNoLaterThanThePlan(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	progress := map[string]any{
		"topic": "t", "partition": 0, "through": yesterday().Format(time.DateOnly) + " 00:00:00.000", "end_offset": 5,
		"gone": 0,
	}
	f.insert("progress", progress)
	f.mark("acme", yesterday())
	f.insert("slices", map[string]any{ // a clean day without events
		"org_id": "acme", "day": yesterday().Format(time.DateOnly), "generation": uuid.Must(uuid.NewV7()),
		"revision": tables.Revision, "covered": map[string]int{writer: f.marks},
	})
	f.service.conn = lateEvent{f.conn, func() {
		f.event("acme", yesterday(), nil)
		progress["through"] = time.Now().UTC().Format("2006-01-02 15:04:05.000")
		f.insert("progress", progress)
	}, make(chan struct{})}
	a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	through, err := time.Parse(time.RFC3339, a.Header.Get("Rollcall-Complete-Through"))
	if err != nil || through.After(yesterday()) && !strings.Contains(a.body, "ada") {
		t.Errorf("complete through %s, %v, without the event of %s: %s", through, err, yesterday(), a.body)
	}
}
