//go:build spreadsheet

package export

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/sheets"
	"rollcall/export/query"
	"rollcall/schema"
)

// The settings of LibreOffice's import dialog for a file in UTF-8 with semicolons.
const (
	byDefault    = "CSV:59,34,76,1,,1033,false,false" // as after a double click
	quotedAsText = "CSV:59,34,76,1,,1033,true,true"   // "Format quoted field as text", "Detect special numbers"
	german       = "CSV:59,34,76,1,,1031,true,true"   // the same with German numbers
)

// oddTexts are names and ids that spreadsheets are known to change, or to run as formulas.
var oddTexts = []string{
	"=1+1", "+49 30 1", "-7", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "=HYPERLINK(\"http://x.test\";\"y\")", "007",
	"12345678901234567890", "1e5", "3-4", "TRUE", "2026-01-02", "1,5",
	"Müller; \"Anna\", GmbH", "two\nlines", "  two  blanks  ", "ünïcode 😀", "'quoted'", "_x0041_", "plain",
}

// A spreadsheet opens the file with semicolons and byte order mark, and a German one that of the
// preset excel-de. Every cell has the value and the type that the NDJSON of the same export has,
// and no cell is a formula.
func TestSpreadsheetReadsTheFile(t *testing.T) {
	f := newFixture(t)
	at := yesterday()
	f.settings("acme", "Acme", at.AddDate(0, -1, 0), true, true, true, false)
	for i, text := range oddTexts {
		f.entity("acme", "user", text, at.AddDate(0, -1, 0),
			map[string]any{"name": text, "email": fmt.Sprintf("%d@acme.test", i), "joined_at": "2026-01-05"})
		f.entity("acme", "assistant", text, at.AddDate(0, -1, 0),
			map[string]any{"name": text, "description": text, "owner_id": text})
		for range 1 + i%3 {
			f.event("acme", at, map[string]any{"user_id": text, "channel": "assistant", "assistant_id": text, "model": text})
		}
		f.event("acme", at, map[string]any{
			"type": "token", "user_id": "ada", "model": text, "provider": "p", "byok": true, "prompt_tokens": 1 << 31,
			"cost_usd": "0.000000001",
		})
	}
	_, key := f.key("acme")
	for _, typ := range []query.Type{query.Users, query.Assistants, query.Models} {
		t.Run(string(typ), func(t *testing.T) {
			path := "/v1/exports/" + string(typ) + "?" + lastDays()
			file := f.want(f.get(path+"&delimiter=semicolon&bom=true", key), 200).body
			var rows []map[string]json.RawMessage
			for line := range strings.Lines(f.want(f.get(path+"&format=ndjson", key), 200).body) {
				var row map[string]json.RawMessage
				if err := json.Unmarshal([]byte(line), &row); err != nil {
					t.Fatal(err)
				}
				rows = append(rows, row)
			}
			columns, err := query.Columns(query.Request{
				Org: "acme", Type: typ, Settings: schema.Settings{UserLevelData: true, BYOK: true, Workflows: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			sameCells(t, calc(t, file, quotedAsText), columns, rows, shown{"boolean", guarded})
			preset := f.want(f.get(path+"&preset=excel-de", key), 200).body
			// there, WAHR is a truth, and true a text
			sameCells(t, calc(t, preset, german), columns, rows, shown{"string", guarded})
			workbook := f.want(f.get(path+"&format=xlsx", key), 200).body
			for locale, date := range map[string]string{"en-US": "/", "de-DE": "."} {
				sheet := calcWorkbook(t, workbook, locale)
				for i, row := range sheet {
					for j, c := range row {
						if c.formula != "" && (j >= len(columns) || columns[j].Kind != query.Bool) {
							t.Errorf("row %d, column %d: a formula: %s", i, j, c.formula)
						}
					}
				}
				// LibreOffice reads the truths of a workbook as formulas: TRUE()
				sameCells(t, sheet, columns, rows, shown{"formula", sheets.TextOf})
				if day := sheet[1].at(0).text; strings.Count(day, date) != 2 {
					t.Errorf("in %s, a date shows as %s", locale, day)
				}
			}
			for _, row := range calc(t, file, byDefault) {
				for _, c := range row {
					if c.formula != "" {
						t.Errorf("a formula: %s", c.formula)
					}
				}
			}
		})
	}
}

// shown says how a file shows values: the kind of truths, and what becomes of a text.
type shown struct {
	truth string
	text  func(string) string
}

// sameCells wants the spreadsheet to have the values of the NDJSON.
func sameCells(
	t *testing.T, sheet []sheetRow, columns []query.Column, rows []map[string]json.RawMessage, as shown,
) {
	t.Helper()
	if len(sheet) != len(rows)+1 || len(rows) < len(oddTexts) || len(sheet[0]) != len(columns) {
		t.Fatalf("%d rows of %d cells instead of %d of %d", len(sheet), len(sheet[0]), len(rows)+1, len(columns))
	}
	for i, c := range columns {
		if sheet[0][i].text != c.Name {
			t.Errorf("column %d is called %q, not %q", i, sheet[0][i].text, c.Name)
		}
		for j, row := range rows {
			if err := sheet[j+1].at(i).is(c, row[c.Name], as); err != nil {
				t.Errorf("row %d, %s: %v", j+1, c.Name, err)
			}
		}
	}
}

// is returns nil if the spreadsheet's cell has the value of the NDJSON.
func (c sheetCell) is(column query.Column, want json.RawMessage, as shown) error {
	var text string
	var number float64
	switch column.Kind {
	case query.Text:
		if err := json.Unmarshal(want, &text); err != nil {
			return err
		}
		text = as.text(text)
		// A spreadsheet knows only one kind of line end within a cell.
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
		if c.kind != "string" && text != "" || lines.Replace(c.text) != lines.Replace(text) {
			return fmt.Errorf("text %q is %+v", text, c)
		}
	case query.CountMap, query.CostMap:
		if c.kind != "string" || c.text != string(want) {
			return fmt.Errorf("map %s is %+v", want, c)
		}
	case query.Date:
		if json.Unmarshal(want, &text); text == "" && c.kind == "" { // null
			return nil
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil || c.kind != "date" || c.value != text {
			return fmt.Errorf("date %s is %+v", want, c)
		}
	case query.Bool:
		if as.truth == "formula" {
			if c.formula != "of:="+strings.ToUpper(string(want))+"()" {
				return fmt.Errorf("%s is %+v", want, c)
			}
			return nil
		}
		got := map[string]string{"boolean": c.value, "string": c.text}[as.truth]
		if c.kind != as.truth || got != string(want) {
			return fmt.Errorf("%s is %+v", want, c)
		}
	default:
		if err := json.Unmarshal(want, &number); err != nil {
			return err
		}
		got, err := strconv.ParseFloat(c.value, 64)
		if err != nil || c.kind != "float" || math.Abs(got-number) > 1e-15*number {
			return fmt.Errorf("number %s is %+v", want, c)
		}
	}
	return nil
}

// calc opens a CSV file in LibreOffice and returns its cells.
func calc(t *testing.T, file, how string) []sheetRow {
	t.Helper()
	return opened(t, t.TempDir(), "export.csv", file, how)
}

// calcWorkbook opens a workbook in a LibreOffice whose user has the locale, and returns its cells.
func calcWorkbook(t *testing.T, file, locale string) []sheetRow {
	t.Helper()
	dir := t.TempDir()
	profile := filepath.Join(dir, "profile", "user")
	if err := os.MkdirAll(profile, 0o755); err != nil {
		t.Fatal(err)
	}
	settings := `<oor:items xmlns:oor="http://openoffice.org/2001/registry"><item oor:path="/org.openoffice.Setup/L10N">` +
		`<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>` + locale + `</value></prop></item></oor:items>`
	if err := os.WriteFile(filepath.Join(profile, "registrymodifications.xcu"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	return opened(t, dir, "export.xlsx", file, "Calc MS Excel 2007 XML")
}

// opened opens a file in LibreOffice and returns its cells.
func opened(t *testing.T, dir, name, file, how string) []sheetRow {
	t.Helper()
	soffice, err := exec.LookPath("soffice")
	if err != nil {
		t.Fatal("these tests need LibreOffice's soffice, and it is not on the PATH; " +
			"on Debian: apt-get install libreoffice-calc")
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	convert := exec.CommandContext(t.Context(), soffice, "-env:UserInstallation=file://"+filepath.Join(dir, "profile"),
		"--headless", "--convert-to", "fods", "--outdir", dir, "--infilter="+how, filepath.Join(dir, name))
	if output, err := convert.CombinedOutput(); err != nil {
		t.Fatalf("soffice: %v\n%s", err, output)
	}
	text, err := os.ReadFile(filepath.Join(dir, "export.fods"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readSheet(text)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	return rows
}
