package main

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fencedCode = regexp.MustCompile("(?ms)^```.*?^```")
	codeSpan   = regexp.MustCompile("`[^`]+`")
	pageLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// sourceFolder matches the beginning of a path in the repository. Other words with a slash are
// addresses, or names of other things.
var sourceFolder = regexp.MustCompile(`^(\./)?(cmd|deploy|export|ingest|rollup|schema|\.ci|\.github)/`)

// filesMissing returns the files that the page names and the repository does not have. A page names
// files as targets of links, relative to the page, and as paths in backticks, relative to the root.
func filesMissing(root, page, text string) (missing []string) {
	prose := fencedCode.ReplaceAllString(text, "")
	for _, link := range pageLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(prose, ""), -1) {
		target, err := url.Parse(link[1])
		if err == nil && (target.Scheme != "" || target.Path == "") {
			continue // elsewhere, or on this page
		}
		if err != nil || !exists(filepath.Join(root, filepath.Dir(page), target.Path)) {
			missing = append(missing, link[1])
		}
	}
	for _, span := range codeSpan.FindAllString(prose, -1) {
		for _, word := range strings.Fields(strings.Trim(span, "`")) {
			if sourceFolder.MatchString(word) && !exists(filepath.Join(root, strings.TrimSuffix(word, "..."))) {
				missing = append(missing, word)
			}
		}
	}
	return missing
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Documents link to and name files that exist. So a change that moves a file must change what names
// it, too.
func TestPagesNameFilesThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	pages := 0
	for _, pattern := range []string{"*.md", "deploy/*.md", "deploy/*/*.md", "deploy/*/*/*.md", "schema/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			pages++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			page, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range filesMissing(root, page, string(text)) {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
	}
	if pages < 10 {
		t.Errorf("only %d pages were found", pages)
	}
}

func TestMissingFilesAreFound(t *testing.T) {
	root := filepath.Join("..", "..")
	for text, want := range map[string]string{
		"[here](README.md) and `cmd/rollcall/main.go`": "",
		"[gone](GONE.md)": "GONE.md",
		"[part](README.md#layout), [web](https://a.b/c.d)": "",
		"a path: `ingest/gone.go`":                         "ingest/gone.go",
		"run `go test ./gone/x ./export/gone`":             "./export/gone",
		"over\nlines `go vet\n./ingest/...`":               "",
		"an address: `/export/users`, `GET /v1/exports`":   "",
		"```sh\ncat ingest/gone.go\n```\n":                 "",
		"code is no link: `a[i](x)`":                       "",
	} {
		if got := strings.Join(filesMissing(root, "PAGE.md", text), " "); got != want {
			t.Errorf("%q: %q is missing, want %q", text, got, want)
		}
	}
}

// sectionName matches a section as comments and pages name it.
var sectionName = regexp.MustCompile(`\b(SPEC|DESIGN)(\.md)?(\]\([^)]*\))? §([0-9.]*[0-9])`)

// sectionsOf returns the numbers of a document's headings.
func sectionsOf(t *testing.T, document string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ ([0-9]+(\.[0-9]+)?)\.? `).FindAllStringSubmatch(string(text), -1) {
		found[heading[1]] = true
	}
	return found
}

// Comments and pages name sections of SPEC.md and DESIGN.md by the name of the file, and only
// sections that exist.
func TestNamedSectionsExist(t *testing.T) {
	sections := map[string]map[string]bool{"SPEC": sectionsOf(t, "SPEC.md"), "DESIGN": sectionsOf(t, "DESIGN.md")}
	named := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if kind := filepath.Ext(path); d.IsDir() || kind != ".go" && kind != ".md" && kind != ".sql" && kind != ".yaml" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range sectionName.FindAllStringSubmatch(string(text), -1) {
			named++
			if m[2] == "" || !sections[m[1]][m[4]] {
				t.Errorf("%s names %q: write %s.md and the number of a section", path, m[0], m[1])
			}
		}
		return err
	})
	if err != nil || named < 20 {
		t.Errorf("%d sections are named, %v", named, err)
	}
}
