package query

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// goldens are the exports that testdata/golden has as files: name → how the request differs from
// the default.
var goldens = []struct {
	name string
	of   Type
	edit func(*Request)
}{
	{"users", Users, func(*Request) {}},
	{"users-byok", Users, func(r *Request) { r.Settings.BYOK = true }},
	{"users-model", Users, func(r *Request) {
		r.GroupBy = "model"
		r.Settings.BYOK = true
	}},
	{"users-pseudonyms", Users, func(r *Request) {
		r.Settings.Pseudonymize = true
		r.PseudonymKey = [32]byte{1, 2, 3}
	}},
	{"users-active", Users, func(r *Request) { r.WithoutInactive = true }},
	{"users-now", Users, func(r *Request) { r.AttributesNow = true }},
	{"users-berlin", Users, func(r *Request) { r.Period = mustPeriod("2026-10-01", "2026-10-31", "Europe/Berlin") }},
	{"assistants", Assistants, func(*Request) {}},
	{"assistants-byok", Assistants, func(r *Request) { r.Settings.BYOK = true }},
	{"assistants-model", Assistants, func(r *Request) { r.GroupBy = "model" }},
	{"assistants-private", Assistants, func(r *Request) { r.Settings.UserLevelData = false }},
	{"workflows", Workflows, func(*Request) {}},
	{"workflows-byok", Workflows, func(r *Request) { r.Settings.BYOK = true }},
	{"workflows-private", Workflows, func(r *Request) { r.Settings.UserLevelData = false }},
	{"projects", Projects, func(*Request) {}},
	{"projects-byok", Projects, func(r *Request) { r.Settings.BYOK = true }},
	{"projects-pseudonyms", Projects, func(r *Request) {
		r.Settings.Pseudonymize = true
		r.PseudonymKey = [32]byte{1, 2, 3}
	}},
	{"models", Models, func(*Request) {}},
	{"models-byok", Models, func(r *Request) { r.Settings.BYOK = true }},
	{"models-source", Models, func(r *Request) { r.GroupBy = "source" }},
	{"models-deployment", Models, func(r *Request) {
		r.GroupBy = "deployment"
		r.Settings.BYOK = true
	}},
	{"api-keys", APIKeys, func(*Request) {}},
	{"api-keys-byok", APIKeys, func(r *Request) { r.Settings.BYOK = true }},
	{"api-keys-model", APIKeys, func(r *Request) { r.GroupBy = "model" }},
	{"adoption", Adoption, func(*Request) {}},
	{"focus", Focus, func(r *Request) { r.Settings.BYOK = true }},
	{"focus-private", Focus, func(r *Request) {
		r.Settings.BYOK = true
		r.Settings.UserLevelData = false
	}},
}

// Every export equals its file in testdata/golden, byte for byte. It does so wherever its days are
// read from: the log, the rollups, or some from each.
func TestEveryExportIsItsGoldenFileWhereverItsDaysAreRead(t *testing.T) {
	b := newBed(t, fromFile(t, "testdata/october.ndjson")...)
	for _, stage := range []struct {
		name string
		roll []string
	}{
		{"all from the log", nil},
		{"half from the rollups", []string{"2026-10-01", "2026-10-11", "2026-10-13"}},
		{"all from the rollups", []string{
			"2026-09-30", "2026-10-10", "2026-10-12", "2026-10-14", "2026-10-31", "2026-11-01",
		}},
	} {
		b.rollUp(stage.roll...)
		for _, g := range goldens {
			r := request(g.of)
			g.edit(&r)
			file := filepath.Join("testdata/golden", g.name+".csv")
			got := b.export(r)
			if *update && stage.roll == nil {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s, %s: want\n%s\ngot\n%s", g.name, stage.name, want, got)
			}
		}
	}
}
