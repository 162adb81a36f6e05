package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func TestPageLoadsOnlyFilesThatExist(t *testing.T) {
	page := get(t, Page(), "/").Body.String()
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Fatalf("the page names %d files", len(links))
	}
	for _, link := range links {
		if w := get(t, Assets(), "/"+link[1]); w.Code != http.StatusOK {
			t.Errorf("%s: %d", link[1], w.Code)
		}
	}
	if strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("the page has inline script or style, which its own policy forbids")
	}
}

func TestUnknownFilesAndParentsAreNotFound(t *testing.T) {
	for _, target := range []string{"/app/nothing.js", "/app/../web.go", "/app/"} {
		if w := get(t, Assets(), target); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestVendoredFilesAreUnchanged(t *testing.T) {
	sums, err := embedded.ReadFile("assets/vendor/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := embedded.ReadFile("assets/vendor/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != want {
			t.Errorf("%s was changed", name)
		}
	}
}

// The page is small: everything that it loads, compressed, is under 200 kB.
func TestPageIsSmall(t *testing.T) {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_ = fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			content, _ := embedded.ReadFile(name)
			w.Write(content)
		}
		return err
	})
	w.Close()
	if compressed.Len() > 200_000 {
		t.Errorf("the page has %d bytes compressed", compressed.Len())
	}
	t.Logf("%d bytes compressed", compressed.Len())
}

// Every text of the page exists in every language.
func TestLanguagesHaveTheSameWords(t *testing.T) {
	source, err := embedded.ReadFile("assets/words.js")
	if err != nil {
		t.Fatal(err)
	}
	_, words, _ := strings.Cut(string(source), "\nconst words = {")
	english, rest, found := strings.Cut(words, "\n  de: {")
	if !found {
		t.Fatal("words.js has no German")
	}
	german, _, _ := strings.Cut(rest, "\n};")
	names := func(text string) map[string]bool {
		all := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)(?:^\s+|, )([a-zA-Z_]+): (?:"|\(|\{)`).FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
		return all
	}
	en := names(english)
	de := names(german)
	delete(en, "en")
	if len(en) < 60 {
		t.Fatalf("found only %d words", len(en))
	}
	for name := range en {
		if !de[name] {
			t.Errorf("%q has no German", name)
		}
	}
	for name := range de {
		if !en[name] {
			t.Errorf("%q has no English", name)
		}
	}
}
