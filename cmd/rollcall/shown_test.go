package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// nastyTexts are ids that would move, hide or fake what a terminal shows.
var nastyTexts = []string{
	"tab\there", "line\nbreak", "\r\x1b[2K\x1b[31mfake", "\x1b]0;title\x07", "nul\x00", "bell\x07", "del\x7f",
	"csi\u009b2J", "a\u202egpj.exe", "\u2066isolate\u2069",
	"zero\u200bwidth", "\ufeffbom", "nbsp\u00a0", "line\u2028separator", " led", "trailed ", "two  blanks", `"quoted"`,
	`back\slash`, "%s%n", "陽子の会社", "e\u0301e\u0301", "🙂🙂",
	strings.Repeat("long", 64), "plain", "with one blank", "tag\U000e0041",
}

// printed fails the test if the text has a character, except line ends, that a terminal does not
// show as a character.
func printed(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a terminal would not show this as it is: %q", line)
		}
	}
}

// The lists of keys, rejects, differences and duplicates print each id on one line, so that a
// terminal shows it and no two ids look the same.
func TestListsSurviveAnyID(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	day := time.Now().UTC().AddDate(0, 0, -1)
	dayBefore := day.AddDate(0, 0, -1)
	for i, org := range nastyTexts {
		if code, _, stderr := call(t, "", "keys", "create", "--clickhouse-url", o.URL, "--org="+org,
			"--name="+org); code != ok {
			t.Fatalf("%q: %s", org, stderr)
		}
		enginetest.Insert(t, conn, "rejects", map[string]any{
			"topic": org, "offset": i, "value_sha256": strings.Repeat("x", 32), "rejected_at": day.Format("2006-01-02 15:04:05"),
			"record_time": day.Format("2006-01-02 15:04:05"),
			"reason":      "invalid_value", "detail": org, "org_id": org, "key": org, "headers": [][]string{{org, org}},
			"value":      org,
			"value_size": len(org),
		})
		for _, at := range []time.Time{day, dayBefore} {
			enginetest.Insert(t, conn, "events", map[string]any{
				"org_id": org, "day": at.Format(time.DateOnly), "type": "message", "event_id": "0123456789abcdef", "version": 2,
				"time":   at.Format("2006-01-02 15:04:05"),
				"source": org, "id": org, "user_id": org, "channel": "chat",
			})
			enginetest.Insert(t, conn, "marks", map[string]any{
				"org_id": org, "day": at.Format(time.DateOnly), "writer": "01890000-0000-7000-8000-000000000000", "seq": 1,
			})
		}
	}
	list := func(want int, args ...string) []string {
		code, out, stderr := call(t, "", append(args, "--clickhouse-url", o.URL)...)
		if code != want {
			t.Fatalf("%q: exit code %d, %s", args, code, stderr)
		}
		printed(t, out)
		printed(t, stderr)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		different := map[string]bool{}
		for _, line := range lines {
			different[line] = true
		}
		if len(different) != len(lines) {
			t.Errorf("%q prints lines that are equal", args)
		}
		return lines
	}

	keys := list(ok, "keys", "list")
	if len(keys) != len(nastyTexts)+1 {
		t.Errorf("%d lines for %d keys", len(keys), len(nastyTexts))
	}
	state := regexp.MustCompile(`(valid|STATE) +(\d{4}-\d\d-\d\d|CREATED) +(never|EXPIRES)$`)
	for _, line := range keys {
		at := state.FindStringIndex(line)
		if at == nil || columns(line[:at[0]]) != columns(keys[0][:strings.Index(keys[0], "STATE")]) {
			t.Errorf("the columns are not aligned: %s", line)
		}
	}

	seen := map[string]bool{}
	for _, line := range list(ok, "rejects", "list") {
		var r listed
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Topic != r.Org || r.Detail != r.Org || r.Key != r.Org || r.Value != r.Org || r.Headers[0][0] != r.Org ||
			int(r.Size) != len(r.Org) {
			t.Errorf("%+v", r)
		}
		seen[r.Org] = true
	}
	for _, org := range nastyTexts {
		if !seen[org] {
			t.Errorf("the rejects of %q are not listed, or not as they are", org)
		}
	}

	if lines := list(ok, "verify", "--duplicates"); len(lines) != len(nastyTexts) {
		t.Errorf("%d lines for %d duplicates", len(lines), len(nastyTexts))
	}
	list(failed, "verify") // nothing is rolled up, so nothing is compared
	list(ok, "rebuild")
	list(ok, "verify")
	if err := conn.Exec(t.Context(), "ALTER TABLE message_daily DELETE WHERE day = {day:Date} SETTINGS mutations_sync = 2",
		clickhouse.Named("day", day.Format(time.DateOnly))); err != nil {
		t.Fatal(err)
	}
	if lines := list(failed, "verify"); len(lines) != len(nastyTexts) {
		t.Errorf("%d lines for %d differences", len(lines), len(nastyTexts))
	}
}

func TestValidateShowsWhatItRefuses(t *testing.T) {
	for _, text := range nastyTexts {
		event, err := json.Marshal(map[string]any{
			"specversion": text, "id": "1", "source": "s", "type": text, "time": text, "data": map[string]any{"org_id": text},
		})
		if err != nil {
			t.Fatal(err)
		}
		code, out, stderr := call(t, string(event)+"\n", "validate", "-")
		if code != failed || strings.Count(out, "\n") != 2 {
			t.Errorf("%q: exit code %d, %s", text, code, out)
		}
		printed(t, out)
		printed(t, stderr)
		if code, _, stderr := call(t, "", "validate", text); code != failed || strings.Count(stderr, "\n") != 1 {
			t.Errorf("a file %q: exit code %d, %q", text, code, stderr)
		} else {
			printed(t, stderr)
		}
	}
}

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", "with one blank": "with one blank", "ünïcode 陽子 🙂": "ünïcode 陽子 🙂",
		`back\slash`: `back\slash`, "it's": "it's", `a"b`: `a"b`,
		"a\tb": `"a\tb"`, "a\nb": `"a\nb"`, "\x1b[31m": `"\x1b[31m"`, "a\u202eb": `"a\u202eb"`, "\u009b": `"\u009b"`,
		`"a"`: `"\"a\""`, " a": `" a"`, "a  b": `"a  b"`,
		"\xff": `"\xff"`, "a\u00a0b": `"a\u00a0b"`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%q is shown as %s, not %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"one\ntwo\n": "one; two", "a\x1bb\tc": `a\x1bb\tc`, "\xff": "\ufffd", "陽 \"q\" \\": "陽 \"q\" \\",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q is on one line as %s, not %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"short": "short", strings.Repeat("x", 40): strings.Repeat("x", 40),
		strings.Repeat("x", 41): strings.Repeat("x", 39) + "…", strings.Repeat("陽", 21): strings.Repeat("陽", 19) + "…",
	} {
		if got := cut(text, maxColumn); got != want {
			t.Errorf("%s is cut to %s", text, got)
		}
	}
}

func TestTable(t *testing.T) {
	var table table
	table.row("ID", "NAME", "STATE")
	table.row("陽子", "e\u0301", "valid")
	table.row("a\tb", "", "valid")
	table.row("🙂", "plain", "")
	var b strings.Builder
	if err := table.print(&b); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"ID      NAME   STATE\n" +
		"陽子    e\u0301      valid\n" +
		"\"a\\tb\"         valid\n" +
		"🙂      plain\n"
	if b.String() != want {
		t.Errorf("want\n%sgot\n%s", want, b.String())
	}
}
