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

// formulaStarts begin formulas: those of SPEC.md §2.5, and the characters that look like them or
// are folded into them.
var formulaStarts = []string{
	"=1+1", "+1+1", "-1+1", "@SUM(1;1)", `=HYPERLINK("http://x.test";"y")`,
	"＝1+1", "＋1+1", "－1+1", "＠SUM(1;1)", // full-width, which Excel is reported to run in Japanese
	"﹦1+1", "﹢1+1", "﹣1+1", "﹫SUM(1;1)", "⁼1+1", "⁺1+1", "⁻1+1", "₌1+1", "−1+1", "‐1+1",
}

// hiddenTexts puts what is not seen before each start of a formula: every control, blank, separator
// and format character of Unicode, fillers and combining characters, and pairs of those that
// programs strip.
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

// A reading is one way to open a file: what separates its cells, and LibreOffice's number for the
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

// Whatever a person or a thing is called: opened with each delimiter, the file holds no formula,
// one row a person, and in each text cell what SPEC.md §2.5 says.
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

// holdsTexts compares the cells of the columns org_id, user_id and name, as a reader of RFC 4180
// sees them.
func holdsTexts(t *testing.T, file string, delimiter rune, ids []string) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff")))
	reader.Comma = delimiter
	rows, err := reader.ReadAll()
	if err != nil || len(rows) != len(ids)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, id := range ids {
		want := strings.ReplaceAll(guarded(id), "\r\n", "\n") // as the reader has it
		if row := rows[i+1]; row[2] != "'=acme" || row[3] != want || row[4] != want {
			t.Errorf("%+q, %+q, %+q instead of %+q", row[2], row[3], row[4], want)
		}
	}
}

// guarded is the text as SPEC.md §2.5 wants it in a cell: characters up to U+001F do not count, and
// TAB, CR and LF count as starts, so a text is guarded if what follows these begins with = + - @,
// or if one of the three is among them.
func guarded(text string) string {
	rest := strings.TrimLeftFunc(text, func(r rune) bool { return r < ' ' })
	hidden := text[:len(text)-len(rest)]
	if strings.ContainsAny(hidden, "\t\r\n") || rest != "" && strings.ContainsAny(rest[:1], "=+-@") {
		return "'" + text
	}
	return text
}

// Without the guard, the spreadsheet runs what follows any number of NULs and begins with =, in
// quotes or without. A spreadsheet that runs more than that needs a wider guard.
func TestSpreadsheetRunsWhatIsNotGuarded(t *testing.T) {
	texts := hiddenTexts()
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			var file strings.Builder
			file.WriteString("\ufeffquoted" + r.delimiter + "bare" + r.delimiter + "end\r\n")
			for _, text := range texts {
				bare := text
				if strings.ContainsAny(text, "\r\n\""+r.delimiter) {
					bare = "" // cannot stand without quotes
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
