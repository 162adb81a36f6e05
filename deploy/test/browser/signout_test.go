package browser

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// offline cuts the tab off from every network, or connects it again.
func (p *tab) offline(cut bool) {
	p.Helper()
	conditions := []*network.Conditions{}
	if cut {
		conditions = append(conditions, &network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
	}
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := network.EmulateNetworkConditionsByRule(conditions).Do(ctx)
		return err
	}))
}

// withCookies returns a client that has a copy of the tab's cookies. ask returns the status of its
// request.
func (p *tab) withCookies() (ask func() int) {
	p.Helper()
	var cookies []*network.Cookie
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().Do(ctx)
		return err
	}))
	if len(cookies) != 1 {
		p.Fatalf("%d cookies", len(cookies))
	}
	return func() int {
		request, err := http.NewRequest(http.MethodGet, p.origin+"/v1/exports", nil)
		if err != nil {
			p.Fatal(err)
		}
		request.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: cookies[0].Value})
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			p.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
}

// If the service was not reached, or could not end the session, the page says so and goes on
// showing the workspace. If the page reports no failure, the session has ended, also for a copy of
// its cookie.
func TestSignOutSaysThatItFailed(t *testing.T) {
	for language, says := range map[string]struct{ failed, offline, unavailable string }{
		english: {"you are still signed in", "cannot be reached", "The database is away."},
		german:  {"Sie sind noch angemeldet", "nicht erreichbar", "antwortet gerade nicht"},
	} {
		t.Run(language, func(t *testing.T) {
			s, p, _ := signedIn(t, 5, language)
			copied := p.withCookies()
			shows := func(why string) {
				t.Helper()
				for _, text := range []string{says.failed, why} {
					p.until("document.querySelector('#sign-out-error')?.innerText.includes(`" + text + "`)")
				}
				stays := eval[bool](p, "!!document.querySelector('[data-figure]') && !document.querySelector('#key') && "+
					"!document.querySelector('#sign-out').disabled")
				if !stays {
					t.Errorf("the workspace went, or the sign-out cannot be tried again: %s", p.text("body"))
				}
				if got := copied(); got != 200 {
					t.Errorf("the session: %d", got)
				}
			}
			p.expect("ERR_INTERNET_DISCONNECTED")
			p.offline(true)
			p.click("#sign-out")
			shows(says.offline)
			p.shoot("sign-out-offline-"+language, false)
			p.accessible("sign-out failed")
			p.offline(false)
			p.expect("503")
			s.breaks("/app/session", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"detail":"The database is away."}`)
			})
			p.click("#sign-out")
			shows(says.unavailable)
			s.broken.Store(nil)
			p.click("#sign-out")
			p.run(chromedp.WaitVisible("#key", chromedp.ByQuery))
			if got := copied(); got != 401 {
				t.Errorf("a copy of the cookie after the sign-out: %d", got)
			}
			p.run(chromedp.Reload(), chromedp.WaitVisible("#key", chromedp.ByQuery))
		})
	}
}
