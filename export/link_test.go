package export

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/export/access"
)

// makeLink asks for a link as a client does.
func (f *fixture) makeLink(key, typ string) string {
	f.Helper()
	a := f.want(f.do(http.MethodPost, "/export/"+typ+"/csv", key, dropIn()), 200)
	var reply struct {
		Data struct{ DownloadURL string }
	}
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil {
		f.Fatal(err)
	}
	return reply.Data.DownloadURL
}

func TestLink(t *testing.T) {
	var ahead time.Duration
	f := newFixture(t, func(c *Config) { c.Now = func() time.Time { return testNow().Add(ahead) } })
	org := "acme/ü 100%" // an id that an address has to escape
	f.event(org, yesterday().Add(time.Hour), nil)
	id, key := f.key(org)
	link := f.makeLink(key, "users")
	if !strings.HasPrefix(link, f.server.URL+"/export/files/users-usage-20") {
		t.Fatalf("the link is %s", link)
	}
	direct := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	linked := f.want(f.get(link, ""), 200)
	if linked.body != direct.body || linked.Header.Get("Content-Disposition") != direct.Header.Get("Content-Disposition") {
		t.Errorf("the link gives\n%s\nthe key\n%s", linked.body, direct.body)
	}
	row := f.auditOf(org, "csv")
	if row.Credential != "link" || row.KeyID != id || strings.Contains(row.Request, "signature") {
		t.Errorf("audit %+v", row)
	}
	ahead = access.LinkLife - time.Second*30
	f.want(f.get(link, ""), 200)
	ahead = access.LinkLife + time.Second
	if a := f.want(f.get(link, ""), 403); !strings.Contains(a.body, "expired") {
		t.Errorf("expired: %s", a.body)
	}
	ahead = 0
	if err := f.service.keys.Revoke(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if a := f.want(f.get(link, ""), 403); !strings.Contains(a.body, "API key") {
		t.Errorf("the key was revoked: %s", a.body)
	}
}

// A link with any character changed, removed or added answers 403, and never another export.
func TestLinkChanged(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.PublicURL = "https://usage.example.com" })
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	link := strings.TrimPrefix(f.makeLink(key, "users"), "https://usage.example.com")
	handler := f.service.Handler()
	status := func(target string) int {
		request, err := http.NewRequest(http.MethodGet, f.server.URL+target, nil)
		if err != nil {
			return 0 // the text is not an address
		}
		w := newRecorder()
		handler.ServeHTTP(w, request)
		return w.status
	}
	if got := status(link); got != 200 {
		t.Fatalf("the link itself: %d", got)
	}
	check := func(target string) {
		t.Helper()
		got := status(target)
		inside := strings.HasPrefix(target, "/export/files/")
		if got != 0 && got != 403 && (inside || got != 404 && got != 405 && got != 400 && got != 401) {
			t.Errorf("changed to %s: %d", target, got)
		}
	}
	for i := 1; i < len(link); i++ {
		for _, with := range []string{"", "A", "a", "%41", "&", "/", "="} {
			if changed := link[:i] + with + link[i+1:]; changed != link {
				check(changed)
			}
		}
	}
	for _, add := range []string{"&x=1", "&", "=", "A", "%00", "&signature=", "&request=e30"} {
		check(link + add)
	}
	path, query, _ := strings.Cut(link, "?")
	for _, changed := range []string{
		path, path + "?", path + "?x=1&" + query, strings.Replace(link, "files/users", "files/other/users", 1),
		strings.Replace(link, "/users", "/%75sers", 1),
		strings.Replace(link, "users-usage-2", "models-usage-2", 1), strings.Replace(link, "/users", "//users", 1),
		strings.Replace(link, "/users", "/./users", 1),
	} {
		check(changed)
	}
	// The signature of one link is not valid for another.
	other := strings.TrimPrefix(f.makeLink(key, "models"), "https://usage.example.com")
	_, signature, _ := strings.Cut(other, "&signature=")
	check(link[:strings.Index(link, "&signature=")] + "&signature=" + signature)
}

// A link that was signed with another secret, such as that of another installation, is refused.
func TestLinkOfAnotherSecret(t *testing.T) {
	f := newFixture(t)
	id, _ := f.key("acme")
	j := job{}
	j.request.Type = "users"
	forged := f.linkOf("another secret of tests",
		newLink(j, access.Grant{Org: "acme", KeyID: id, Expires: testNow().Add(time.Minute).Unix()}))
	// expired
	f.want(f.get(f.linkOf("a secret for tests only", newLink(j, access.Grant{Org: "acme", KeyID: id})), ""), 403)
	f.want(f.get(forged, ""), 403)
}

// linkOf signs a link with a secret.
func (f *fixture) linkOf(secret string, l link) string {
	f.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		f.Fatal(err)
	}
	gate := access.New(access.Config{Secret: []byte(secret), Now: testNow}, f.conn, f.service.keys)
	return gate.SignLink(l.path(), text)
}

// recorder is a ResponseWriter that keeps the status.
type recorder struct {
	header http.Header
	status int
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return len(p), nil
}
