package export

import (
	"mime"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rollcall/export/query"
)

func TestFileName(t *testing.T) {
	for org, want := range map[string]string{
		"acme": "acme", "acme, inc": "acme, inc", "acme/eu": "acme_eu", `a\b:c*d?e"f<g>h|i`: "a_b_c_d_e_f_g_h_i", "..": "_.",
		".hidden":         "_hidden",
		" led by a blank": "_led by a blank", "../../etc": "_._.._etc", "a\x00b\tc\r\nd\x7f": "a_b_c__d_",
		"ünïcode 陽子": "ünïcode 陽子", "100%": "100%",
		"a\u202egpj.exe": "a_gpj.exe", "a\u00a0b\u200bc\ufeffd": "a_b_c_d", "e\u0301": "e\u0301", "-rf": "-rf",
		"it's": "it's", "🙂": "🙂",
		strings.Repeat("x", 200): strings.Repeat("x", 128), strings.Repeat("é", 128): strings.Repeat("é", 64),
		"a" + strings.Repeat("é", 100): "a" + strings.Repeat("é", 63),
	} {
		j := job{
			request: query.Request{
				Org: org, Type: query.APIKeys, Format: query.NDJSON, Period: query.Period{Start: "2026-10-01", End: "2026-10-31"},
			},
		}
		want += "-api-keys-usage-2026-10-01-2026-10-31"
		if got := j.fileName(); got != want+".ndjson" {
			t.Errorf("%+q: %+q, want %+q", org, got, want+".ndjson")
		}
		j.request.GroupBy = "model"
		header := attachment(j.fileName())
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || params["filename"] != want+"-by-model.ndjson" {
			t.Errorf("%+q: a client reads %q as %q, %+q, %v", org, header, kind, params["filename"], err)
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) || len(j.fileName()) > 255 {
			t.Errorf("%+q: the header is %q", org, header)
		}
		path := j.filePath("api_keys")
		if !utf8.ValidString(path) || strings.Count(path, "/") != 2 || strings.Contains(path, "/.") {
			t.Errorf("%+q: the file's path is %+q", org, path)
		}
	}
}

// Equal requests have equal paths, and every other request has another path.
func TestFilePath(t *testing.T) {
	july := query.Period{From: 1, To: 2, Start: "2026-07-01", End: "2026-07-31"}
	path := func(org, asked, groupBy string, p query.Period) string {
		return job{request: query.Request{Org: org, GroupBy: groupBy, Period: p, AsOf: time.Now()}}.filePath(asked)
	}
	seen := map[string]bool{}
	for _, got := range []string{
		path("acme", "agents", "", july), path("acme", "assistants", "", july), path("acme", "agents", "model", july),
		path("acm", "eagents", "", july),
		path("a/b", "agents", "", july), path("a_b", "agents", "", july),
		path("acme", "agents", "", query.Period{From: 1, To: 3, Start: july.Start, End: july.End}),
		path("acme", "agents", "", query.Period{From: 0, To: 2, Start: july.Start, End: july.End}),
	} {
		if seen[got] {
			t.Errorf("%s is the path of two requests", got)
		}
		seen[got] = true
		if !regexp.MustCompile(`^([a-z]+)-usage/[a-z_]+/[a-z]+-usage-2026-07-01-2026-07-31-[0-9a-f]{8}\.csv$`).MatchString(got) {
			t.Errorf("a path is %s", got)
		}
	}
	if first := path("acme", "agents", "", july); path("acme", "agents", "", july) != first {
		t.Error("a request has two paths")
	}
}

// The name of the file says what was asked for, over HTTP and by a link.
func TestContentDisposition(t *testing.T) {
	f := newFixture(t)
	org := `Müller & "Söhne"/eu`
	f.event(org, yesterday().Add(time.Hour), nil)
	_, key := f.key(org)
	for _, a := range []answer{f.get("/v1/exports/users?"+lastDays(), key), f.get(f.makeLink(key, "users"), "")} {
		day := yesterday()
		name := "Müller & _Söhne__eu-users-usage-" + day.Format(time.DateOnly) + "-" +
			day.AddDate(0, 0, 1).Format(time.DateOnly) + ".csv"
		_, params, err := mime.ParseMediaType(f.want(a, http.StatusOK).Header.Get("Content-Disposition"))
		if err != nil || params["filename"] != name {
			t.Errorf("%q, %v", a.Header.Get("Content-Disposition"), err)
		}
	}
}
