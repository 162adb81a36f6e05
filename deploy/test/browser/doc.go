// Package browser checks the analytics page (export/web) in Chromium: what an admin does and sees
// on it, in English and German, its accessibility by axe-core, its looks, and that it says when
// something fails. The page is served by the real export service on the embedded engine.
//
// It is a module of its own, so that the product's go.mod stays free of chromedp. The root's `go
// test ./...` does not reach it: `make test-browser` runs it.
package browser
