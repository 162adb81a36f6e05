package text

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A wall names the packages that a package must not import, neither itself nor through others. A
// name that ends in /... means the package and all packages below it.
type wall struct {
	around string
	bans   []string
}

var walls = []wall{
	// access knows no query, no format and no page.
	{"rollcall/export/access", []string{"rollcall/export", "rollcall/export/query", "rollcall/export/web"}},
	// kafka does not know where records are stored.
	{"rollcall/ingest/kafka", []string{
		"github.com/ClickHouse/...", "rollcall/schema/tables", "rollcall/ingest", "rollcall/ingest/rows",
	}},
	// recordbatch does not know it either, and knows no connection.
	{"rollcall/ingest/kafka/recordbatch", []string{
		"github.com/ClickHouse/...", "rollcall/schema/tables", "rollcall/ingest", "rollcall/ingest/rows",
		"rollcall/ingest/kafka", "github.com/twmb/...", "net",
	}},
	// rows knows no Kafka, and no connection to ClickHouse.
	{"rollcall/ingest/rows", []string{
		"github.com/segmentio/...", "github.com/twmb/...", "rollcall/ingest", "rollcall/ingest/kafka/...",
		"github.com/ClickHouse/...", "rollcall/schema/tables", "net/http",
	}},
}

func TestWalls(t *testing.T) {
	for _, w := range walls {
		t.Run(w.around, func(t *testing.T) {
			goList(t, w.ours()...) // fails if a banned package was moved or renamed: its ban would be void
			for importer, imports := range importsBelow(t, w.around) {
				if w.banned(importer) { // its own imports are not the fault
					continue
				}
				for _, imported := range imports {
					if w.banned(imported) {
						t.Errorf("%s must not depend on %s, and does: %s imports it", w.around, imported, importer)
					}
				}
			}
		})
	}
}

// ours returns the banned packages of this module.
func (w wall) ours() (names []string) {
	for _, ban := range w.bans {
		if strings.HasPrefix(ban, "rollcall/") {
			names = append(names, ban)
		}
	}
	return names
}

func (w wall) banned(name string) bool {
	return slices.ContainsFunc(w.bans, func(ban string) bool {
		if tree, ok := strings.CutSuffix(ban, "/..."); ok {
			return name == tree || strings.HasPrefix(name, tree+"/")
		}
		return name == ban
	})
}

// importsBelow returns the imports of a package and of all packages that it depends on. Tests'
// imports are not among them.
func importsBelow(t *testing.T, name string) map[string][]string {
	t.Helper()
	list := goList(t, "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, name)
	imports := map[string][]string{}
	for line := range strings.Lines(list) {
		names := strings.Fields(line)
		imports[names[0]] = names[1:]
		noteFolder(t, names[0])
	}
	if _, listed := imports[name]; !listed {
		t.Fatalf("go list does not list %s", name)
	}
	return imports
}

// noteFolder reads the folder of a package of this module. `go test` reuses a cached result unless
// something changed that the test itself read, and it does not see what `go list` reads.
func noteFolder(t *testing.T, name string) {
	t.Helper()
	folder, ours := strings.CutPrefix(name, "rollcall/")
	if !ours {
		return
	}
	if _, err := os.ReadDir(filepath.Join("..", "..", "..", folder)); err != nil {
		t.Fatal(err)
	}
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	var problems strings.Builder
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	return string(out)
}
