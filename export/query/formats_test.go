package query

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollcall/schema"
)

// csvRow returns the only row of the export as the file has it, without the header.
func csvRow(t *testing.T, b *bed, r Request) string {
	t.Helper()
	_, row, found := strings.Cut(b.export(r), "\r\n")
	if !found || !strings.HasSuffix(row, "\r\n") {
		t.Fatalf("no row that ends with CRLF: %q", row)
	}
	return strings.TrimSuffix(row, "\r\n")
}

func TestCSVKeepsSpreadsheetsFromRunningTexts(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\ttab": "'\ttab", "\rreturn": "'\rreturn",
		"\nline": "'\nline", "\x00=1": "'\x00=1", "\x00\x00@a": "'\x00\x00@a", "\x1f\x01+1": "'\x1f\x01+1",
		"\x0b\ta": "'\x0b\ta", "\x00\x08\n": "'\x00\x08\n",
		"\x00a=1": "\x00a=1", "\x1f": "\x1f", "\x7f=1": "\x7f=1", "\u0085=1": "\u0085=1", "\u00a0=1": "\u00a0=1",
		"\ufeff=1": "\ufeff=1", "＝1": "＝1", "\x00 =1": "\x00 =1",
		"plain": "plain", " =1": " =1", "'=1": "'=1", "a=1": "a=1", `quo"te`: `quo""te`, `\N`: `\N`, "ünïcode": "ünïcode",
		"％": "％",
	} {
		if got := textCell(text); got != `"`+want+`"` {
			t.Errorf("%q as the id of a workspace: want %q in quotes, got %q", text, want, got)
		}
		b := newBed(t, token(text, "2026-10-05T00:00:00", "user_id", "u"))
		want := `2026-10-01,2026-10-31,"acme","` + want + `","",false,1`
		if got := csvRow(t, b, request(Models)); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
		r := request(Models)
		r.Format = NDJSON
		var row struct{ Name string }
		if err := json.Unmarshal([]byte(b.export(r)), &row); err != nil || row.Name != text {
			t.Errorf("ndjson: want %q as it is, got %q (%v)", text, row.Name, err)
		}
	}
}

// The cell of the workspace's id is not made by the engine, as the others are.
func TestCSVOfAWorkspaceWhoseIDIsAFormula(t *testing.T) {
	const org = "=\"1\"+\t\\2"
	b := newBed(t, token("m", "2026-10-05T00:00:00", "user_id", "u", "org_id", org))
	r := request(Models)
	r.Org = org
	if got, want := csvRow(t, b, r), `2026-10-01,2026-10-31,"'=""1""+`+"\t"+`\2","m","",false,1`; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestCSVMapsEscapeWhatJSONDemandsAndNothingElse(t *testing.T) {
	b := newBed(t)
	keys := map[string]string{
		"a/b": `a/b`, `q"q`: `q\"q`, `b\b`: `b\\b`, "l\nl": `l\nl`, "c\x01c": `c\u0001c`, "é😀": "é😀", "\u2028": "\u2028",
		"x\u2029": "x\u2029", `\u2028`: `\\u2028`, `\` + "\u2028": `\\` + "\u2028", "\x7f": "\x7f", "<&>": "<&>",
	}
	var events []fields
	var members []string
	for key, escaped := range keys {
		events = append(events, fields{"type": "action", "user_id": "u", "action": key, "time": "2026-10-05T00:00:00"})
		members = append(members, key+"\x00"+escaped)
	}
	slices.Sort(members) // by the key's bytes
	for i, m := range members {
		_, escaped, _ := strings.Cut(m, "\x00")
		members[i] = `"` + escaped + `":1`
	}
	b.add(events...)
	want := "{" + strings.Join(members, ",") + "}"
	row := csvRow(t, b, request(Users))
	got := strings.ReplaceAll(row[strings.LastIndex(row, `,"{`)+2:len(row)-1], `""`, `"`)
	if got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
}

func TestFormatsCarryTheSameColumnsWithTheirOwnTypes(t *testing.T) {
	b := newBed(t, fromFile(t, "testdata/october.ndjson")...)
	r := request(Users)
	r.Settings.BYOK = true
	r.WithoutInactive = true
	r.Format = NDJSON
	first, _, _ := strings.Cut(b.export(r), "\n")
	const golden = "testdata/golden/users-byok-active.ndjson"
	if *update {
		if err := os.WriteFile(golden, []byte(first+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || first+"\n" != string(want) {
		t.Errorf("ndjson: want\n%s\ngot\n%s\n(%v)", want, first, err)
	}
	r.Format = JSON
	var array []map[string]any
	if err := json.Unmarshal([]byte(b.export(r)), &array); err != nil || len(array) != 5 || array[1]["joined_at"] != nil {
		t.Errorf("json: %v, %v", err, array)
	}
	r.Period = mustPeriod("2026-06-01", "2026-06-01", "")
	if err := json.Unmarshal([]byte(b.export(r)), &array); err != nil || len(array) != 0 {
		t.Errorf("json of no rows: %v, %v", err, array)
	}
	r.Format = CSV
	r.Delimiter = ';'
	if header := b.export(r); !strings.HasPrefix(header, `period_start;period_end;`) ||
		strings.Count(header, "\r\n") != 1 {
		t.Errorf("csv of no rows is its header: %q", header)
	}
}

func TestParquetHasDatesDecimalsMapsAndNulls(t *testing.T) {
	want := map[string]string{
		"period_start": "Date32", "org_id": "String", "joined_at": "Nullable(Date32)", "messages_total": "UInt64",
		"messages_total_rank":    "UInt64",
		"assistants_to_messages": "Map(String, UInt64)", "total_cost_usd": "Decimal(38, 9)", "messages_per_user": "Float64",
		"model_to_cost_usd": "Map(String, Decimal(38, 9))",
	}
	b := newBed(t, fromFile(t, "testdata/october.ndjson")...)
	r := request(Users)
	r.Settings.BYOK = true
	r.Format = Parquet
	if file := b.export(r); !strings.HasPrefix(file, "PAR1") || !strings.HasSuffix(file, "PAR1") {
		t.Fatal("not a Parquet file")
	}
	// These are the types that the engine is asked to write. The suite reads the file with a
	// Parquet library.
	written := b.typesOf(r)
	r.Type = Assistants
	written["messages_per_user"] = b.typesOf(r)["messages_per_user"]
	for name, kind := range want {
		if written[name] != kind {
			t.Errorf("%s is a %q, not a %s", name, written[name], kind)
		}
	}
}

// typesOf returns the engine's types of the request's columns, by their names.
func (b *bed) typesOf(r Request) map[string]string {
	b.t.Helper()
	s, err := Build(r, b.plan(r))
	if err != nil {
		b.t.Fatal(err)
	}
	rows, err := b.conn.Query(s.Context(context.Background()), "DESCRIBE ("+s.SQL+")")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	types := map[string]string{}
	for rows.Next() {
		var name, kind, a, c, d, e, f string
		if err := rows.Scan(&name, &kind, &a, &c, &d, &e, &f); err != nil {
			b.t.Fatal(err)
		}
		types[name] = kind
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	return types
}

func TestNoTextOfAUserIsInTheSQL(t *testing.T) {
	const nasty = `o' OR 1=1 -- \' {x:String}`
	b := newBed(t, with(message("u", "2026-10-05T00:00:00"), []string{"org_id", nasty}))
	r := request(Users)
	r.Org = nasty
	r.Settings = schema.Settings{UserLevelData: true, Workflows: true, BYOK: true}
	for _, of := range Types() {
		r.Type = of
		r.Period = october.of(of)
		s, err := Build(r, b.plan(r))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.SQL, nasty) || strings.Contains(s.SQL, strconv.Itoa(year)) {
			t.Errorf("%s: %s", of, s.SQL)
		}
	}
	r.Type = Users
	if got := b.columns(r, "user_id", "messages_total"); !slices.Equal(got, []string{"u|1"}) {
		t.Errorf("got %v", got)
	}
}

// A limit on memory is passed to the engine. Without one, the engine's own setting applies.
func TestSpilling(t *testing.T) {
	for _, limit := range []uint64{0, 1 << 30} {
		r := request(Users)
		r.SpillBytes = limit
		_, settings := r.engineFormat()
		for _, name := range []string{"max_bytes_before_external_group_by", "max_bytes_before_external_sort"} {
			if got, said := settings[name]; said != (limit > 0) || said && got != limit {
				t.Errorf("with SpillBytes %d, %s is %v (said: %t)", limit, name, got, said)
			}
		}
	}
}
