// Package web holds the analytics page: embedded static files that call the export service which
// serves them. No file comes from another origin, no script is inline, and every address is
// relative. So the page works offline and under any path.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// policy allows the page to load files from its own origin only, and to call nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Page serves the page itself.
func Page() http.Handler { return file("index.html") }

// Assets serves the page's other files under app/.
func Assets() http.Handler {
	files := map[string]http.Handler{}
	_ = fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name = strings.TrimPrefix(name, "assets/")
			files[name] = file(name)
		}
		return err
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, name, _ := strings.Cut(r.URL.Path, "/app/")
		if h, known := files[path.Clean(name)]; known {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// file serves one embedded file. Browsers ask for it again each time, and get 304 while it is the
// same.
func file(name string) http.Handler {
	content, err := embedded.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the name is in this package
	}
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}
