package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testName = regexp.MustCompile(`\bTest[A-Z]\w+`)

// testsThereAre returns the names of all tests of the module.
func testsThereAre(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(text),
			-1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil || len(found) < 100 {
		t.Fatalf("%d tests found, %v", len(found), err)
	}
	return found
}

// Pages name only tests that exist, and every row of the threat model names one.
func TestPagesNameTestsThatExist(t *testing.T) {
	found := testsThereAre(t)
	pages, err := filepath.Glob("../../deploy/*.md")
	if err != nil || len(pages) < 4 {
		t.Fatalf("%v, %v", pages, err)
	}
	documents, err := filepath.Glob("../../*.md")
	if err != nil || len(documents) < 5 {
		t.Fatalf("%v, %v", documents, err)
	}
	for _, page := range append(pages, documents...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range testName.FindAllString(string(text), -1) {
			if !found[name] {
				t.Errorf("%s names %s, which is no test", filepath.Base(page), name)
			}
		}
		if filepath.Base(page) != "THREATS.md" {
			continue
		}
		rows := 0
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(line, "|"); len(cells) == 6 && !strings.HasPrefix(line, "|---") &&
				!strings.HasPrefix(line, "| who ") {
				if rows++; !testName.MatchString(cells[4]) {
					t.Errorf("no test shows what stops%s", cells[1])
				}
			}
		}
		if rows < 12 {
			t.Errorf("the threat model has %d rows", rows)
		}
	}
}
