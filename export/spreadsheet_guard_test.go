//go:build spreadsheet

package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
)

// formulaStarts are texts that begin like formulas: with the characters of SPEC.md §2.5, and with
// characters that look like these or that programs convert to them.
var formulaStarts = []string{
	"=1+1", "+1+1", "-1+1", "@SUM(1;1)", `=HYPERLINK("http://x.test";"y")`,
	"＝1+1", "＋1+1", "－1+1", "＠SUM(1;1)", // full-width; Excel in Japanese is reported to run these
	"﹦1+1", "﹢1+1", "﹣1+1", "﹫SUM(1;1)", "⁼1+1", "⁺1+1", "⁻1+1", "₌1+1", "−1+1", "‐1+1",
}

// hiddenTexts returns formulas with invisible characters before them: every control, blank,
// separator and format character of Unicode, fillers and combining characters, and pairs of the
// characters that programs strip.
func hiddenTexts() (texts []string) {
	before := []string{""}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zs, unicode.Zl, unicode.Zp) {
			before = append(before, string(r))
		}
	}
	for _, r := range "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe00\ufe0f\uffa0\ufffd\u0301\U000e0100" {
		before = append(before, string(r))
	}
	for _, a := range "\x00\x01\t\n\v\f\r\x1b\x1f \x7f\u0085\u00a0\u200b\ufeff" {
		for _, b := range "\x00\x01\t\n\v\f\r\x1b\x1f \x7f\u0085\u00a0\u200b\ufeff" {
			before = append(before, string(a)+string(b))
		}
	}
	for _, b := range before {
		for _, start := range formulaStarts {
			texts = append(texts, b+start)
		}
	}
	return append(texts, "\x00\x00\x00=1+1", "\x01\x00\x02=1+1", "'=1+1", `"=1+1`, "==1+1", "{=1+1}", "plain")
}

// A reading is one way to open a file: the delimiter of its cells, and LibreOffice's number of the
// language.
type reading struct {
	name, delimiter, how string
}

var readings = []reading{
	{"comma", ",", "CSV:44,34,76,1,,1033,false,false"},
	{"semicolon", ";", "CSV:59,34,76,1,,1033,false,false"},
	{"semicolon in German", ";", "CSV:59,34,76,1,,1031,false,true"},
	{"tab", "\t", "CSV:9,34,76,1,,1033,false,false"},
}

// Whatever names persons and things have, and with each delimiter: the opened file has no formula,
// has one row per person, and has in each text cell what SPEC.md §2.5 says.
func TestSpreadsheetRunsNothing(t *testing.T) {
	f := newFixture(t)
	texts := hiddenTexts()
	at := yesterday()
	f.settings("=acme", "Acme", at.AddDate(0, -1, 0), true, true, true, false)
	var people, messages []map[string]any
	for i, text := range texts {
		row := map[string]any{
			"org_id": "=acme", "day": at.Format(time.DateOnly), "time": at.Format("2006-01-02 15:04:05.000"), "source": "test",
			"event_id": fmt.Sprintf("%016d", 1_000_000+i), "version": 2, "id": fmt.Sprint(1_000_000 + i),
		}
		people = append(people, merged(row, map[string]any{"kind": "user", "entity_id": text, "name": text}))
		messages = append(messages, merged(row,
			map[string]any{"type": "message", "user_id": text, "channel": "assistant", "assistant_id": text, "model": text}))
	}
	f.insert("entities", people...)
	f.insert("events", messages...)
	f.mark("=acme", at)
	_, key := f.key("=acme")

	var ids []string
	for line := range strings.Lines(f.want(f.get("/v1/exports/users?format=ndjson&"+lastDays(), key), 200).body) {
		var row struct {
			ID string `json:"user_id"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	if len(ids) != len(texts) {
		t.Fatalf("%d rows for %d texts", len(ids), len(texts))
	}
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			name, _, _ := strings.Cut(r.name, " ")
			file := f.want(f.get("/v1/exports/users?bom=true&delimiter="+name+"&"+lastDays(), key), 200).body
			holdsTexts(t, file, rune(r.delimiter[0]), ids)
			sheet := calc(t, file, r.how)
			if len(sheet) != len(ids)+1 {
				t.Errorf("%d rows for %d persons", len(sheet)-1, len(ids))
			}
			for i, row := range sheet {
				for j, cell := range row {
					if cell.formula != "" {
						t.Errorf("row %d, column %d, of %+q, is a formula: %s", i, j, ids[max(0, i-1)], cell.formula)
					}
				}
			}
		})
	}
}

func merged(rows ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, row := range rows {
		for name, value := range row {
			all[name] = value
		}
	}
	return all
}

// holdsTexts checks the cells of the columns org_id, user_id and name, as a reader of RFC 4180 sees
// them.
func holdsTexts(t *testing.T, file string, delimiter rune, ids []string) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff")))
	reader.Comma = delimiter
	rows, err := reader.ReadAll()
	if err != nil || len(rows) != len(ids)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, id := range ids {
		want := strings.ReplaceAll(guarded(id), "\r\n", "\n") // as csv.Reader returns it
		if row := rows[i+1]; row[2] != "'=acme" || row[3] != want || row[4] != want {
			t.Errorf("%+q, %+q, %+q instead of %+q", row[2], row[3], row[4], want)
		}
	}
}

// guarded returns the text that SPEC.md §2.5 wants in a cell. Characters up to U+001F do not count,
// except that TAB, CR and LF count as starts of formulas. So a text is guarded if = + - or @
// follows these characters, or if TAB, CR or LF is among them.
func guarded(text string) string {
	rest := strings.TrimLeftFunc(text, func(r rune) bool { return r < ' ' })
	hidden := text[:len(text)-len(rest)]
	if strings.ContainsAny(hidden, "\t\r\n") || rest != "" && strings.ContainsAny(rest[:1], "=+-@") {
		return "'" + text
	}
	return text
}

// Without the guard, the spreadsheet runs a text that begins with = after any number of NULs, in
// quotes or without, and nothing else. A spreadsheet that runs more needs a wider guard.
func TestSpreadsheetRunsWhatIsNotGuarded(t *testing.T) {
	texts := hiddenTexts()
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			var file strings.Builder
			file.WriteString("\ufeffquoted" + r.delimiter + "bare" + r.delimiter + "end\r\n")
			for _, text := range texts {
				bare := text
				if strings.ContainsAny(text, "\r\n\""+r.delimiter) {
					bare = "" // this text needs quotes
				}
				file.WriteString(`"` + strings.ReplaceAll(text, `"`, `""`) + `"` + r.delimiter + bare + r.delimiter + "end\r\n")
			}
			sheet := calc(t, file.String(), r.how)
			if len(sheet) != len(texts)+1 {
				t.Fatalf("%d rows for %d texts", len(sheet)-1, len(texts))
			}
			ran := 0
			for i, text := range texts {
				runs := strings.HasPrefix(strings.TrimLeft(text, "\x00"), "=")
				for j, bare := range []bool{false, strings.ContainsAny(text, "\r\n\""+r.delimiter)} {
					cell := sheet[i+1].at(j)
					if (cell.formula != "") != (runs && !bare) {
						t.Errorf("%+q, column %d: formula %q, value %q", text, j, cell.formula, cell.value)
					}
					if cell.formula != "" {
						ran++
					}
				}
			}
			if ran < 6 {
				t.Errorf("only %d cells were run: the test does not show what it says", ran)
			}
		})
	}
}
