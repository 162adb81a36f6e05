package browser

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axe is the script of axe-core. npm fetches it once, in the version of package-lock.json.
var axe = sync.OnceValues(func() (string, error) {
	const path = "testdata/axe/node_modules/axe-core/axe.min.js"
	if _, err := os.Stat(path); err != nil {
		install := exec.Command("npm", "ci")
		install.Dir = "testdata/axe"
		install.Stderr = os.Stderr
		if err := install.Run(); err != nil {
			return "", err
		}
	}
	text, err := os.ReadFile(path)
	return string(text), err
})

type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// accessible fails the test for every rule of WCAG 2.2 A and AA that the page breaks in its present
// state.
func (p *tab) accessible(view string) {
	p.Helper()
	script, err := axe()
	if err != nil {
		p.Fatalf("axe-core is not there, and `npm ci` in deploy/test/browser/testdata/axe does not fetch it: %v", err)
	}
	var found []violation
	const judge = `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then(r => r.violations)`
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	p.run(chromedp.Evaluate(script+"\n;0", nil), chromedp.Evaluate(judge, &found, await))
	for _, v := range found {
		for _, n := range v.Nodes {
			p.Errorf("%s: %s: %s\n%s\n%s", view, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// fits fails the test if the page is wider than its window.
func (p *tab) fits(view string) {
	p.Helper()
	wide := eval[int](p, "Math.max(document.documentElement.scrollWidth, "+
		"document.querySelector('dialog[open]')?.scrollWidth ?? 0) - innerWidth")
	if wide <= 0 {
		return
	}
	outside := eval[string](p, "[...document.querySelectorAll('body *')]"+
		".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll'))"+
		".slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join('\\n')")
	p.Errorf("%s: the page is %d px wider than its window: %s", view, wide, outside)
}

func (p *tab) scheme(name string) {
	p.Helper()
	p.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name},
	}))
}

func TestAccessible(t *testing.T) {
	s := newService(t)
	s.workspace("acme", "Acme", 20, everything)
	_, key := s.key("acme")
	for _, width := range []int64{desk, phone} {
		p := newTab(t, s.server.URL, english, width)
		for _, scheme := range []string{"light", "dark"} {
			p.scheme(scheme)
			p.run(chromedp.Navigate(p.origin+"/"), chromedp.WaitVisible("#key", chromedp.ByQuery))
			p.accessible("sign-in, " + scheme)
			p.fits("sign-in")
			p.run(chromedp.SendKeys("#key", "wrong\r", chromedp.ByQuery))
			p.until("document.querySelector('#key-error').innerText !== ''")
			p.accessible("wrong key, " + scheme)
			p.signIn(key)
			p.accessible("analytics, " + scheme)
			p.fits("analytics")
			p.openDialog()
			p.run(chromedp.Evaluate("document.querySelectorAll('dialog details').forEach(d => { d.open = true })", nil))
			p.click("input[name=dialog-range][value=custom]")
			p.previewed()
			p.accessible("dialog, " + scheme)
			p.fits("dialog")
			p.run(chromedp.Evaluate("document.querySelector('dialog').close()", nil))
			p.click("#sign-out")
			p.run(chromedp.WaitVisible("#key", chromedp.ByQuery))
		}
	}
}

var screenshots = flag.String("screenshots", "",
	"the folder where TestScreenshots leaves its pictures; none are kept without it")

// shoot saves a picture of what the window shows, or of the whole page.
func (p *tab) shoot(name string, whole bool) {
	p.Helper()
	dir := *screenshots
	if dir == "" {
		dir = p.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	var png []byte
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(whole).Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.Fatal(err)
	}
	if len(png) < 4000 || !strings.HasPrefix(string(png), "\x89PNG") {
		p.Errorf("%s: not a picture", name)
	}
}

// TestScreenshots makes pictures for people to look at.
func TestScreenshots(t *testing.T) {
	s := newService(t)
	s.workspace("acme", "Acme Ltd", 75, everything)
	s.workspace("private", "Private", 40, row{"user_level_data": false})
	_, key := s.key("acme")
	_, private := s.key("private")
	_, void := s.key("void")
	for _, look := range []struct {
		name, language, scheme, key string
		width                       int64
	}{
		{"desk-light", english, "light", key, 1280},
		{"desk-dark", german, "dark", key, 1280},
		{"phone-light", german, "light", key, phone},
		{"wide-light", english, "light", key, 2560},
		{"private-light", english, "light", private, 1280},
		{"empty-light", english, "light", void, 1280},
	} {
		p := newTab(t, s.server.URL, look.language, look.width)
		p.scheme(look.scheme)
		p.run(chromedp.Navigate(p.origin+"/"), chromedp.WaitVisible("#key", chromedp.ByQuery))
		p.shoot(look.name+"-sign-in", false)
		p.signIn(look.key)
		p.until("!!document.querySelector('.plot canvas, .empty')")
		p.shoot(look.name+"-analytics", true)
		p.openDialog()
		p.shoot(look.name+"-dialog", false)
	}
}

// The page while it loads, after a failure, after a download that was cut, and after a whole one:
// it is accessible and fits its window.
func TestStatesBetween(t *testing.T) {
	s := newService(t)
	s.workspace("acme", "Acme Ltd", 20, everything)
	_, key := s.key("acme")
	for name, look := range map[string]struct {
		language, scheme string
		width            int64
	}{"desk-light": {english, "light", desk}, "phone-dark": {german, "dark", phone}} {
		p := newTab(t, s.server.URL, look.language, look.width)
		p.expect("503")
		p.expect("ERR_INCOMPLETE_CHUNKED_ENCODING")
		p.scheme(look.scheme)
		show := func(state string) {
			t.Helper()
			p.accessible(name + ", " + state)
			p.fits(name + ", " + state)
			p.shoot(name+"-"+state, false)
		}
		p.signIn(key)
		release := make(chan struct{})
		s.breaks("/app/summary", func(w http.ResponseWriter, r *http.Request) {
			<-release
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"detail":"The service's database does not answer at the moment; try again in a few seconds."}`)
		})
		p.run(chromedp.Reload())
		p.until("document.querySelector('.skeleton')")
		show("loading")
		close(release)
		p.until("document.querySelector('.results .error')")
		p.settled() // while the page fades in, its contrast is too low
		show("failed")
		if text := p.text(".results .error"); strings.Contains(text, "database") != (look.language == english) {
			t.Errorf("%s: the failure is told as %q", name, text)
		}
		s.broken.Store(nil)
		p.click(".results button")
		p.until("document.querySelector('[data-figure]')")
		p.openDialog()
		p.run(chromedp.Evaluate("document.querySelectorAll('dialog details').forEach(d => { d.open = true })", nil))
		s.breaks("/v1/exports/", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "period_start,period_end,org_id")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		p.click("#generate")
		p.until("document.querySelector('.status.error')")
		show("cut")
		s.broken.Store(nil)
		p.click("#generate")
		p.downloaded()
		p.until("document.querySelector('.status:not(.error)').innerText !== '' && " +
			"document.querySelector('#recent tbody tr')")
		p.run(chromedp.Evaluate("document.querySelector('dialog').scrollTo(0, 10_000)", nil))
		show("done")
	}
}
