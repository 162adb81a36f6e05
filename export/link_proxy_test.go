package export

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A workspace may have any id. Its links work whatever clients and proxies do to paths.
var oddOrgs = []string{
	"..", ".", "acme, inc", "acme/eu", "a?b#c%2Fd", "%2e%2e", "a&b=c;d+e", "ünï/../çode", "a//b", `back\slash`,
	"tab\tline\n", " ",
}

// rewriting is a proxy like nginx with `location /rollcall/ { proxy_pass http://up/; }`. It decodes
// the path, merges slashes, resolves dots and replaces the location's prefix. Then it encodes again
// the characters that a path must not have. The query stays as it is.
func rewriting(t *testing.T, up string) *httptest.Server {
	t.Helper()
	to, err := url.Parse(up)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		clean := path.Clean(strings.ReplaceAll(r.In.URL.Path, "//", "/"))
		r.Out.URL = &url.URL{
			Scheme: to.Scheme, Host: to.Host, Path: "/" + strings.TrimPrefix(clean, "/rollcall/"), RawQuery: r.In.URL.RawQuery,
		}
		r.Out.Host = to.Host
	}})
	t.Cleanup(proxy.Close)
	return proxy
}

var plainAddress = regexp.MustCompile(`^http://127\.0\.0\.1:\d+/rollcall/export/files/[A-Za-z0-9._~-]+\?request=[A-Za-z0-9_-]+&signature=[A-Za-z0-9_-]+$`)

func TestLinksPassAnyProxy(t *testing.T) {
	f := newFixture(t)
	proxy := rewriting(t, f.server.URL)

	f.service.cfg.PublicURL = proxy.URL + "/rollcall"
	for _, org := range oddOrgs {
		f.event(org, yesterday().Add(time.Hour), map[string]any{"user_id": "of " + org})
		_, key := f.key(org)
		link := f.makeLink(key, "users")
		if !plainAddress.MatchString(link) {
			t.Errorf("%q: the link has more than unreserved characters: %s", org, link)
		}
		direct := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
		resolved, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		for name, address := range map[string]string{
			"as it is": link, "as clients resolve it": resolved.ResolveReference(&url.URL{RawQuery: resolved.RawQuery}).String(),
		} {
			a := f.get(address, "")
			if a.StatusCode != 200 || a.body != direct.body {
				t.Errorf("%q %s: %d %s", org, name, a.StatusCode, a.body)
			}
			if a.Header.Get("Content-Disposition") != direct.Header.Get("Content-Disposition") {
				t.Errorf("%q: the file is called %s, by key %s", org, a.Header.Get("Content-Disposition"),
					direct.Header.Get("Content-Disposition"))
			}
		}
		if head := f.do(http.MethodHead, link, "", ""); head.StatusCode != 200 {
			t.Errorf("%q: HEAD %d", org, head.StatusCode)
		}
	}
}

// If a client reaches the surface under /api/public, its links are under /api/public, too, because
// a proxy may pass on nothing else. Such a link is valid under that path only.
func TestLinksOfADedicatedDeployment(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	a := f.want(f.do(http.MethodPost, "/api/public/export/users/csv", key, dropIn()), 200)
	var reply struct {
		Data struct{ DownloadURL string }
	}
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil {
		t.Fatal(err)
	}
	link := reply.Data.DownloadURL
	if !strings.HasPrefix(link, f.server.URL+"/api/public/export/files/users-usage-") {
		t.Errorf("the link is %s", link)
	}
	f.want(f.get(link, ""), 200)
	f.want(f.get(strings.Replace(link, "/api/public", "", 1), ""), 403)
	f.want(f.get(strings.Replace(f.makeLink(key, "users"), "/export/files", "/api/public/export/files", 1), ""), 403)
}
