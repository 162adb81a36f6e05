package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/test/sheets"
	"rollcall/export/query"
	"rollcall/schema"
)

var workbookSettings = schema.Settings{UserLevelData: true, BYOK: true, Workflows: true}

// workbookTexts are ids and names that a spreadsheet program could take for something else, or that
// XML cannot carry.
var workbookTexts = []string{
	"=1+1", "+1", "-7", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "007", "12345678901234567890", "1e5", "TRUE", "2026-01-02",
	"\x00=1", "c\x01c", "\x1f", "\x7f", "\u0085", "\ufffe", "\ufeff", "<&>\"'", "]]>", "a\r\nb", "  two  blanks  ",
	"_x0041_", "_x005F_x0041_", "_x005F_", "\u2028", `\u2028`, "ünïcode 😀", "'quoted'", "plain",
}

// A workbook has the values of the NDJSON of the same export, each with its type. Texts are texts,
// whatever they begin with.
func TestWorkbook(t *testing.T) {
	f := newFixture(t)
	f.service.books.dir = t.TempDir()
	at := yesterday()
	f.settings("acme", "Acme", at.AddDate(0, -1, 0), true, true, true, false)
	for i, text := range workbookTexts {
		columns := map[string]any{"name": text, "description": text, "owner_id": text}
		f.entity("acme", "assistant", text, at.AddDate(0, -1, 0), columns)
		if i > 0 { // the first one joined on no known day
			columns["joined_at"] = []string{"2026-01-05", "1900-03-01", "1900-02-28", "2299-12-31"}[i%4]
		}
		f.entity("acme", "user", text, at.AddDate(0, -1, 0), columns)
		f.event("acme", at, map[string]any{"user_id": text, "channel": "assistant", "assistant_id": text, "model": text})
		f.event("acme", at, map[string]any{
			"type": "token", "user_id": text, "model": text, "byok": true, "prompt_tokens": uint64(1)<<53 + uint64(i%2),
			"cost_usd": "123456.000000001",
		})
	}
	_, key := f.key("acme")
	for typ, rows := range map[query.Type]int{
		query.Users: len(workbookTexts), query.Assistants: len(workbookTexts), query.Models: len(workbookTexts),
		query.Projects: 0, // a file with its header
	} {
		path := "/v1/exports/" + string(typ) + "?" + lastDays() + "&format="
		a := f.want(f.get(path+"xlsx", key, "Accept-Encoding", "gzip, zstd"), 200)
		if a.Header.Get("Content-Encoding") != "" || a.Header.Get("Content-Length") != strconv.Itoa(len(a.body)) {
			t.Errorf("%d bytes: %v", len(a.body), a.Header)
		}
		sheet, err := sheets.Read([]byte(a.body))
		if err != nil {
			t.Fatal(err)
		}
		columns, err := query.Columns(query.Request{Org: "acme", Type: typ, Settings: workbookSettings})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(f.get(path+"ndjson", key).body, "\n"), "\n")
		if lines[0] == "" {
			lines = nil
		}
		if len(lines) != rows || len(sheet.Rows) != rows+1 || sheet.Name != string(typ) || sheet.Frozen != "A2" ||
			!strings.HasPrefix(sheet.Filter, "$A$1:$") || !strings.HasSuffix(sheet.Filter, fmt.Sprintf("$%d", rows+1)) {
			t.Errorf("%s: %d rows for %d, name %s, frozen %s, filter %s", typ, len(sheet.Rows), len(lines), sheet.Name,
				sheet.Frozen, sheet.Filter)
		}
		for i, c := range columns {
			if got := sheet.Rows[0][i]; got != (sheets.Cell{Kind: sheets.Text, Value: c.Name}) {
				t.Errorf("the header of %s is %+v", c.Name, got)
			}
		}
		for i, line := range lines {
			var values map[string]json.RawMessage
			if err := json.Unmarshal([]byte(line), &values); err != nil {
				t.Fatal(err)
			}
			row := append(sheet.Rows[i+1], make([]sheets.Cell, len(columns))...)
			for j, c := range columns {
				if want := wantedCell(t, c, values[c.Name]); row[j] != want {
					t.Errorf("%s, row %d, %s: want %+q, got %+q", typ, i+1, c.Name, want, row[j])
				}
			}
		}
		if row := f.auditOf("acme", "xlsx"); row.Outcome != "complete" || row.Rows == nil || int(*row.Rows) != rows ||
			int(row.Bytes) != len(a.body) {
			t.Errorf("%s: audit %+v", typ, row)
		}
		f.want(f.get(path+"xlsx", key, "If-None-Match", a.Header.Get("ETag")), 304)
		if again := f.get(path+"xlsx", key); again.body != a.body {
			t.Errorf("%s: the same data made another file", typ)
		}
	}
	f.leavesNothing()
}

// leavesNothing wants the directory of temporary files to be empty, and all turns to be free.
func (f *fixture) leavesNothing() {
	f.Helper()
	files, err := os.ReadDir(f.service.books.dir)
	if err != nil || len(files) > 0 {
		f.Errorf("left behind: %v, %v", files, err)
	}
	if n := len(f.service.books.turns); n > 0 {
		f.Errorf("%d turns are taken", n)
	}
}

// wantedCell is the cell for a value of the NDJSON.
func wantedCell(t *testing.T, c query.Column, value json.RawMessage) sheets.Cell {
	t.Helper()
	var text string
	switch c.Kind {
	case query.Text, query.Date:
		if err := json.Unmarshal(value, &text); err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case c.Kind == query.CountMap || c.Kind == query.CostMap:
		// the engine escapes two characters more than JSON asks for; here is no \\u2028 in a map
		text = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028").Replace(string(value))
		return sheets.Cell{Kind: sheets.Text, Value: sheets.TextOf(text)}
	case c.Kind == query.Bool:
		return sheets.Cell{Kind: sheets.Bool, Value: string(value)}
	case c.Kind == query.Date && text == "1900-02-28":
		return sheets.Cell{Kind: sheets.Text, Value: text}
	case c.Kind == query.Date && text != "":
		return sheets.Cell{Kind: sheets.Date, Value: text}
	case c.Kind == query.Text && text != "":
		return sheets.Cell{Kind: sheets.Text, Value: sheets.TextOf(text)}
	case c.Kind == query.Integer && string(value) == "9007199254740993":
		return sheets.Cell{Kind: sheets.Text, Value: string(value)}
	case c.Kind != query.Text && c.Kind != query.Date:
		return sheets.Cell{Kind: sheets.Number, Value: string(value)}
	}
	return sheets.Cell{}
}

// What a workbook cannot hold is refused before the first byte, with the format to take. HEAD makes
// no workbook.
func TestWorkbookRefusesWhatItCannotHold(t *testing.T) {
	f := newFixture(t)
	f.service.books.dir = t.TempDir()
	at := yesterday()
	const most = 130 // {"xx…x":1,…}: 252 characters each
	for i := range most + 1 {
		f.event("acme", at, map[string]any{"type": "action", "action": fmt.Sprintf("%0247d", i)})
	}
	f.event("acme", at, map[string]any{"user_id": "bob"})
	_, key := f.key("acme")
	path := "/v1/exports/users?format=xlsx&" + lastDays()
	a := f.want(f.get(path, key), 422)
	if !strings.Contains(a.body, "A cell holds 32767 characters, and the column action_to_messages has a longer text; "+
		"take format=csv,") || a.Header.Get("Content-Disposition") != "" || a.Header.Get("ETag") != "" {
		t.Errorf("%v %s", a.Header, a.body)
	}
	if row := f.auditOf("acme", "xlsx"); row.Outcome != "refused" || row.Status != 422 || row.Bytes != 0 {
		t.Errorf("audit %+v", row)
	}
	f.want(f.do(http.MethodHead, path, key, ""), 200)
	f.want(f.get(path+"&columns=user_id,action_messages", key), 200)
	f.service.books.maxRows = 1
	a = f.want(f.get(path+"&columns=user_id", key), 422)
	if !strings.Contains(a.body, "A sheet holds 1 rows, and this export has more; take format=csv,") {
		t.Errorf("%s", a.body)
	}
	f.leavesNothing()
	if newWorkbooks().maxRows != 1<<20-1 {
		t.Errorf("a sheet of %d rows", newWorkbooks().maxRows)
	}
}

// The longest text that a cell holds is taken. A character outside the basic plane counts twice.
func TestWorkbookCellLengths(t *testing.T) {
	column := query.Column{Name: "c", Kind: query.CountMap}
	s := &sheet{}
	for text, fits := range map[string]bool{
		strings.Repeat("é", 32_767): true, strings.Repeat("é", 32_768): false,
		strings.Repeat("😀", 16_383) + "x": true, strings.Repeat("😀", 16_384): false,
	} {
		cell, err := s.cell(column, json.RawMessage(text))
		if fits != (err == nil) || fits && cell != text {
			t.Errorf("%d bytes fit: %t, but %v", len(text), fits, err)
		}
	}
	_, err := newWorkbooks().make(t.Context(), []query.Column{column}, "users",
		strings.NewReader(`["`+strings.Repeat("x", maxRowBytes)+`"]`))
	if f := failureOf(err, ""); f.status != 422 || !strings.Contains(f.detail, "take format=csv") {
		t.Errorf("a row of %d bytes: %v", maxRowBytes, err)
	}
}

// Whatever ends the work on a workbook early: the client gets a whole refusal or nothing, and no
// file is left.
func TestWorkbookThatIsNotMade(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.FirstByteTimeout = 2 * time.Second })
	f.service.books.dir = t.TempDir()
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	path := "/v1/exports/users?format=xlsx&" + lastDays()
	conn := f.service.conn

	f.service.conn = failingEnd{conn, errors.New("the engine broke")}
	f.want(f.get(path, key), 500)
	f.leavesNothing()

	f.service.conn = lateEnd{conn}
	a := f.want(f.get(path, key), 503)
	if a.Header.Get("Retry-After") != "30" ||
		!strings.Contains(a.body, "The workbook was not made within 2s; take format=csv") {
		t.Errorf("%v %s", a.Header, a.body)
	}
	f.leavesNothing()

	ctx, leave := context.WithCancel(t.Context())
	f.service.conn = leavingClient{conn, leave}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Errorf("%v for a client that left", response.Status)
	}
	f.until("the client's leaving is noticed", func() bool { return f.auditOf("acme", "xlsx").Outcome == "aborted" })
	f.leavesNothing()

	f.service.conn = conn
	f.service.books.dir += "/missing"
	a = f.want(f.get(path, key), 500)
	if !strings.Contains(a.body, "take format=csv") || !strings.Contains(f.log.String(), "make the workbook: stat") {
		t.Errorf("the log does not say why: %s", f.log)
	}
	f.service.books.dir = t.TempDir()
	f.want(f.get(path, key), 200)
	f.leavesNothing()
}

// failingEnd is a connection whose rows fail where they should end.
type failingEnd struct {
	driver.Conn
	err error
}

func (c failingEnd) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := c.Conn.QueryFormat(ctx, format, query, args...)
	return endingRows{rows, func() error { return c.err }}, err
}

// leavingClient is a connection during whose rows the client leaves.
type leavingClient struct {
	driver.Conn
	leave func()
}

func (c leavingClient) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := c.Conn.QueryFormat(ctx, format, query, args...)
	return endingRows{rows, func() error {
		c.leave()
		<-ctx.Done()
		return ctx.Err()
	}}, err
}

type endingRows struct {
	io.ReadCloser
	end func() error
}

func (r endingRows) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		err = r.end()
	}
	return n, err
}

// A disk without room is a 503 that says what to take instead.
func TestWorkbookOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	s := &sheet{columns: []query.Column{{Name: "c", Kind: query.Text}}, name: "users", dir: t.TempDir(), maxRows: 1}
	defer s.close()
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	err = s.pack(t.Context(), full)
	f := failureOf(makingFailed(err), "")
	if !errors.Is(err, syscall.ENOSPC) || f.status != 503 || f.retryAfter == 0 ||
		!strings.Contains(f.detail, "format=csv") {
		t.Errorf("%v: %+v", err, f)
	}
}

// Further workbooks wait until one of those before them is made.
func TestWorkbooksTakeTurns(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.FirstByteTimeout = 5 * time.Second })
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	path := "/v1/exports/users?format=xlsx&" + lastDays()
	var ends []func()
	for range maxWorkbooks {
		end, err := f.service.books.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	a := f.want(f.get(path, key), 503)
	if !strings.Contains(a.body, "The workbook was not made within 5s") {
		t.Errorf("%s", a.body)
	}
	f.want(f.do(http.MethodHead, path, key, ""), 200)
	waits := make(chan int)
	go func() { waits <- f.get(path, key).StatusCode }()
	for _, end := range ends {
		end()
	}
	if status := <-waits; status != 200 {
		t.Errorf("status %d after a turn was free", status)
	}
}

// Rows are read as they are. What is no row with a value for each column is an error.
func TestWorkbookRows(t *testing.T) {
	for line, want := range map[string][]string{
		`[1,2]`: {"1", "2"}, `["a,b","]"]`: {`"a,b"`, `"]"`}, `["\\",","]`: {`"\\"`, `","`}, `["\"]",2]`: {`"\"]"`, "2"},
		`[{"a":[1,2]}, [3,4]]`: {`{"a":[1,2]}`, `[3,4]`}, `[{"]":1},null]`: {`{"]":1}`, "null"},
		"": nil, "1,2": nil, "[1]": nil, "[1,2,3]": nil, "[1,2": nil, "[1,2]]": nil, `["1,2]`: nil, "[1,2]x": nil, "[": nil,
	} {
		values := make([][]byte, 2)
		if split([]byte(line), values) != (want != nil) {
			t.Errorf("%s is a row: %t", line, want == nil)
			continue
		}
		for i := range want {
			if string(values[i]) != want[i] {
				t.Errorf("%s: value %d is %s, not %s", line, i, values[i], want[i])
			}
		}
	}
	for line, fails := range map[string]bool{`[1]`: false, `[-1]`: true, `["1"]`: true, `[1,1]`: true, `[null]`: true} {
		made, err := newWorkbooks().make(t.Context(), []query.Column{{Name: "c", Kind: query.Integer}}, "users",
			strings.NewReader(line))
		if fails != (err != nil) {
			t.Errorf("%s: %v", line, err)
		}
		if err == nil {
			made.Close()
		}
	}
}

// lines makes n lines, and calls end before the last.
type lines struct {
	n    int
	line func(int) string
	end  func()
	rest string
}

func (l *lines) Read(p []byte) (int, error) {
	if l.rest == "" {
		if l.n == 0 {
			return 0, io.EOF
		}
		if l.n--; l.n == 0 && l.end != nil {
			l.end()
		}
		l.rest = l.line(l.n) + "\n"
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// Cells that do not stay in memory are in a file without a name, so that nothing is left of them
// when the process is killed.
func TestWorkbookOnDiskHasNoName(t *testing.T) {
	w := newWorkbooks()
	w.dir = t.TempDir()
	text := `["` + strings.Repeat("x", 10_000) + `"]`
	looked := false
	rows := &lines{n: 3_000, line: func(int) string { return text }, end: func() {
		looked = true
		if files, err := os.ReadDir(w.dir); err != nil || len(files) > 0 {
			t.Errorf("%v, %v", files, err)
		}
	}}
	made, err := w.make(t.Context(), []query.Column{{Name: "c", Kind: query.Text}}, "users", rows)
	if err != nil || !looked {
		t.Fatal(err)
	}
	defer made.Close()
	file, err := io.ReadAll(made)
	if err != nil || int64(len(file)) != made.size || made.rows != 3_000 {
		t.Fatalf("%d bytes of %d, %d rows, %v", len(file), made.size, made.rows, err)
	}
	sheet, err := sheets.Read(file)
	if err != nil || len(sheet.Rows) != 3_001 || len(sheet.Rows[3_000][0].Value) != 10_000 {
		t.Error(err)
	}
}

// BenchmarkWorkbook makes a workbook of 1,000 users on each day of a year, and reports the most
// memory that the process had resident.
//
//	go test ./export -run '^$' -bench Workbook -benchtime 1x
func BenchmarkWorkbook(b *testing.B) {
	columns, err := query.Columns(query.Request{Org: "acme", Type: query.Users, Settings: workbookSettings})
	if err != nil {
		b.Fatal(err)
	}
	line := func(n int) string {
		var row strings.Builder
		for i, c := range columns {
			row.WriteByte("[,"[min(i, 1)])
			switch c.Kind {
			case query.Text:
				fmt.Fprintf(&row, `"text-of-user-%d"`, n%1000)
			case query.Date:
				row.WriteString(`"2026-11-03"`)
			case query.CountMap, query.CostMap:
				fmt.Fprintf(&row, `{"entity-1":%d,"entity-2":%d}`, n%17, n%23)
			case query.Cost:
				fmt.Fprintf(&row, `%d.123456789`, n%1000)
			default:
				row.WriteString(strconv.Itoa(n * i % 100_000))
			}
		}
		return row.String() + "]"
	}
	const users = 1_000 * 365
	for b.Loop() {
		made, err := newWorkbooks().make(b.Context(), columns, "users", &lines{n: users, line: line})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(made.size)/1e6, "MB/file")
		made.Close()
	}
	b.ReportMetric(float64(len(columns)), "columns")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	var kilobytes float64
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &kilobytes); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(kilobytes/1024, "MiB/resident")
}
