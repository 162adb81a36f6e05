package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what the page should show.
const patience = 90 * time.Second

// stopChromium ends the browser, if there is one.
var stopChromium = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

// chromium starts the browser that all tests share. Each test has tabs of its own in it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil,
			errors.New("these tests need Chromium, and there is none on the PATH; on Debian: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("force-color-profile", "srgb"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	// Without this, chromedp logs every kind of event that is newer than itself.
	quiet := chromedp.WithErrorf(func(string, ...any) {})
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator, quiet)
	stopChromium = func() { cancel(); stop() }
	if err := chromedp.Run(ctx); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	return ctx, nil
})

// A tab is a page in a window of its own. It shares no cookies, cache or downloads with another
// tab. The test fails if the page's console reports an error, or if the page calls another origin.
type tab struct {
	*testing.T
	ctx       context.Context
	downloads string

	mu       sync.Mutex
	origin   string
	expected []string // errors in the console that the test provokes
}

func newTab(t *testing.T, origin, language string, width int64) *tab {
	t.Helper()
	p := &tab{T: t, downloads: t.TempDir(), origin: origin}
	p.ctx = newWindow(t, p.downloads)
	p.expect("401") // the answer that tells the page that there is no session
	chromedp.ListenTarget(p.ctx, p.watch)
	if err := chromedp.Run(p.ctx,
		network.Enable(), log.Enable(), runtime.Enable(),
		emulation.SetUserAgentOverride("test").WithAcceptLanguage(language),
		emulation.SetDeviceMetricsOverride(width, 900, 1, width < 600),
	); err != nil {
		t.Fatal(err)
	}
	return p
}

// newWindow opens a window with a profile of its own. The profile is removed with the test.
// Downloads are saved in the folder downloads.
func newWindow(t *testing.T, downloads string) context.Context {
	t.Helper()
	shared, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	browserItself := cdp.WithExecutor(shared, chromedp.FromContext(shared).Browser)
	profile, err := target.CreateBrowserContext().Do(browserItself)
	if err != nil {
		t.Fatal(err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browserItself)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(shared, chromedp.WithTargetID(window))
	t.Cleanup(func() {
		cancel()
		if err := target.DisposeBrowserContext(profile).Do(browserItself); err != nil {
			t.Error(err)
		}
	})
	allow := browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).
		WithDownloadPath(downloads).
		WithBrowserContextID(profile)
	if err := allow.Do(browserItself); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func (p *tab) watch(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		if !strings.HasPrefix(url, p.origin+"/") && !strings.HasPrefix(url, "blob:"+p.origin) &&
			!strings.HasPrefix(url, "data:") && url != "about:blank" {
			p.Errorf("the page asks another origin: %s", url)
		}
	case *runtime.EventExceptionThrown:
		p.complain(e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			p.complain(e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (p *tab) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.expected {
		if strings.Contains(text, known) {
			return
		}
	}
	p.Errorf("the page's console: %s", text)
}

func (p *tab) expect(complaint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, complaint)
}

func (p *tab) run(actions ...chromedp.Action) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.Fatalf("%v; the page shows:\n%s", err, p.text("body"))
	}
}

// eval gives the value of a JavaScript expression.
func eval[T any](p *tab, expression string) (value T) {
	p.Helper()
	p.run(chromedp.Evaluate(expression, &value))
	return value
}

// until polls an expression until it is true.
func (p *tab) until(expression string) {
	p.Helper()
	for deadline := time.Now().Add(patience); !eval[bool](p, "!!("+expression+")"); {
		if time.Now().After(deadline) {
			p.Fatalf("not within %s: %s; the page shows:\n%s", patience, expression, p.text("body"))
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// text is the text that an element shows, or "" if there is no such element.
func (p *tab) text(selector string) (text string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate("document.querySelector(`"+selector+"`)?.innerText ?? ''", &text))
	return text
}

func (p *tab) click(selector string) {
	p.Helper()
	p.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// set gives a field its value, as a user does who picks a date or an option.
func (p *tab) set(selector, value string) {
	p.Helper()
	p.run(chromedp.Evaluate("{const e = document.querySelector(`"+selector+"`); e.value = `"+value+
		"`; e.dispatchEvent(new Event('change', {bubbles: true})); 0}", nil))
}

// signIn opens the page, enters the key, and waits for the figures.
func (p *tab) signIn(key string) {
	p.Helper()
	p.run(chromedp.Navigate(p.origin+"/"), chromedp.SendKeys("#key", key+"\r", chromedp.ByQuery))
	p.settled()
}

// settled waits until the analytics are drawn.
func (p *tab) settled() {
	p.Helper()
	p.until("document.querySelector('.results')?.getAttribute('aria-busy') === 'false' && " +
		"document.getAnimations().length === 0")
}

// openDialog opens the export dialog and waits for its preview.
func (p *tab) openDialog() {
	p.Helper()
	p.click("#export")
	p.previewed()
}

func (p *tab) previewed() {
	p.Helper()
	p.until("document.querySelector('dialog[open] .preview')?.getAttribute('aria-busy') === 'false' && " +
		"document.getAnimations().length === 0")
}

// downloaded waits until the tab's folder has one whole file. It returns the file and removes it.
func (p *tab) downloaded() (name, content string) {
	p.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		files, err := os.ReadDir(p.downloads)
		if err != nil {
			p.Fatal(err)
		}
		if len(files) != 1 || strings.HasSuffix(files[0].Name(), ".crdownload") || strings.HasPrefix(files[0].Name(), ".") {
			continue
		}
		path := filepath.Join(p.downloads, files[0].Name())
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			p.Fatal(err)
		}
		return files[0].Name(), string(text)
	}
	p.Fatalf("no file was saved; the page shows:\n%s", p.text("body"))
	return "", ""
}
