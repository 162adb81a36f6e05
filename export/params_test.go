package export

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rollcall/export/query"
)

// No query causes a panic. A refusal is a *query.BadRequest with a sentence. An accepted query
// means only what its parameters say.
func FuzzExportParams(f *testing.F) {
	for _, seed := range []string{
		"", "range=this_month", "from=2026-10-01&to=2026-10-31&timezone=Europe/Berlin",
		"range=this_week&week_start=monday&format=csv&delimiter=tab&bom=true",
		"range=this_month&range=this_month", "range=%zz", "a;b",
		"group_by=model&include_inactive=false&attributes=now&format=parquet", "range=this_month&format=xlsx", "timezone=%00",
		"from=0000-00-00&to=9999-99-99",
		"range=this_month&%e2%80%ae=1", "format=%ff", "range=this_month&preset=excel-de",
		"range=this_month&delimiter=semicolon&decimal=comma", "range=this_month&columns=default,,%ff",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, rawQuery string) {
		p, err := parseExportParams(rawQuery)
		var j job
		if err == nil {
			j, err = p.job(query.Users, "acme", now)
		}
		var bad *query.BadRequest
		if err != nil {
			if !errors.As(err, &bad) || !strings.HasSuffix(strings.TrimSpace(bad.Message), ".") ||
				!utf8.ValidString(bad.Message) || len(bad.Message) > 1000 {
				t.Fatalf("%q: %#v", rawQuery, err)
			}
			return
		}
		values, err := url.ParseQuery(rawQuery)
		if err != nil {
			t.Fatalf("%q was taken: %v", rawQuery, err)
		}
		said := map[string]bool{
			"format":           string(p.format) == values.Get("format") || !values.Has("format") && p.format == query.CSV,
			"group_by":         p.groupBy == values.Get("group_by"),
			"include_inactive": p.withoutInactive == (values.Get("include_inactive") == "false"),
			"attributes":       p.attributesNow == (values.Get("attributes") == "now"),
			"bom":              p.bom == (values.Get("bom") == "true" || values.Has("preset")),
			"columns":          strings.Join(p.columns, ",") == values.Get("columns"),
			"decimal":          p.decimalComma == (values.Get("decimal") == "comma" || values.Has("preset")),
			"delimiter":        !values.Has("preset") || p.delimiter == ';',
		}
		for name, ok := range said {
			if !ok {
				t.Errorf("%q: %s was understood as %+v", rawQuery, name, p)
			}
		}
		if from, to := j.request.Period.From, j.request.Period.To; from >= to || to-from > 740*86_400_000 {
			t.Errorf("%q: period %d to %d", rawQuery, from, to)
		}
		if j.request.Org != "acme" {
			t.Errorf("%q reaches the workspace %q", rawQuery, j.request.Org)
		}
	})
}

func FuzzDropInBody(f *testing.F) {
	for _, seed := range []string{
		`{"from":{"date":"2026-10-01","timezone":"UTC"},"to":{"date":"2026-10-31T12:00:00.5Z","timezone":"Asia/Kolkata"},"group_by":"model"}`,
		`{}`, `null`, `[]`, `{"from":null}`, `{"from":{"date":"","timezone":""},"to":{}}`, "\xff",
		`{"from":{"date":"9999-99-99","timezone":"../.."},"to":{}}`,
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseDropIn(strings.NewReader(text))
		if err == nil {
			_, err = query.WallClockPeriod(b.From.clock(), b.To.clock(), now)
		}
		if err != nil {
			if f := failureOf(err, "id"); f.status != http.StatusBadRequest || len(f.detail) < 10 {
				t.Fatalf("%q: %+v", text, f)
			}
		}
	})
}

// The longest query is accepted, and the longest text is shown whole in a refusal.
func TestLongQueries(t *testing.T) {
	long := "range=" + strings.Repeat("x", maxQueryBytes-len("range="))
	if _, err := strictQuery(long, exportParamNames); err != nil {
		t.Errorf("a query of %d bytes: %v", len(long), err)
	}
	if _, err := strictQuery(long+"x", exportParamNames); err == nil {
		t.Errorf("a query of %d bytes was read", len(long)+1)
	}
	whole := strings.Repeat("é", 64)
	if got := clip(whole); got != whole {
		t.Errorf("64 characters are shown as %q", got)
	}
	if got := clip(whole + "é"); got != whole+"…" {
		t.Errorf("65 characters are shown as %q", got)
	}
	_, err := choice(url.Values{"c": {"x"}}, "c", "one", "two", "three")
	var bad *query.BadRequest
	if !errors.As(err, &bad) || bad.Message != `c must be one, two or three, not "x".` {
		t.Errorf("a wrong choice: %v", err)
	}
}

func TestAcceptedEncoding(t *testing.T) {
	for header, want := range map[string]string{
		"":                              "",
		"identity":                      "",
		"gzip":                          "gzip",
		"gzip, deflate, br":             "gzip",
		"gzip, deflate, br, zstd":       "zstd",
		"zstd;q=0.5, gzip;q=0.8":        "gzip",
		"gzip;q=0":                      "",
		"gzip; q=0.001":                 "gzip",
		"*":                             "zstd",
		"*;q=0":                         "",
		"zstd;q=0, *":                   "gzip",
		"identity;q=1, gzip;q=0.5":      "",
		"GZIP":                          "gzip",
		"br":                            "",
		"gzip;q=abc":                    "",
		"identity;q=0.5, gzip;q=0.5, x": "gzip",
	} {
		if got := acceptedEncoding(http.Header{"Accept-Encoding": {header}}); got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", header, got, want)
		}
	}
}
