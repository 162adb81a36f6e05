package export

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/export/query"
)

// A key reaches only its own workspace, whatever the request says. No answer shows anything of
// another workspace.
func TestIsolation(t *testing.T) {
	f := newFixture(t)
	const secret = "b-only" // in every id and name of b
	at := yesterday().Add(time.Hour)
	f.settings("b", secret+" name", at, true, true, true, false)
	f.settings("a", "A", at, true, true, true, false)
	f.entity("b", "user", secret+"-user", at, map[string]any{"name": secret, "email": secret})
	for _, org := range []string{"a", "b"} {
		prefix := map[string]string{"a": "mine", "b": secret}[org]
		for _, typ := range []string{"message", "action", "token", "workflow_run"} {
			f.event(org, at, map[string]any{
				"type": typ, "user_id": prefix + "-user", "assistant_id": prefix + "-a", "project_id": prefix + "-p",
				"workflow_id": prefix + "-w", "channel": "assistant",
				"action": prefix + "-action", "model": prefix + "-model", "api_key_id": prefix + "-k", "status": "succeeded",
			})
		}
	}
	_, key := f.key("a")
	injections := []string{
		"", "&org_id=b", "&org=b", "&workspace=b", "&timezone=" + url.QueryEscape("UTC' OR org_id='b"),
		"&group_by=" + url.QueryEscape("model) OR 1=1 --"), "&param_org=b", "&filter_user_id=b",
	}
	for _, dataType := range query.Types() {
		typ := string(dataType)
		for _, injection := range injections {
			a := f.get("/v1/exports/"+typ+"?"+lastDays()+injection, key, "X-Org-Id", "b", "X-ClickHouse-Database", "system",
				"Rollcall-Org", "b")
			if injection != "" && a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s%s: status %d", typ, injection, a.StatusCode)
			}
			shown := `"a","mine`
			switch dataType {
			case query.Departments, query.Groups: // which nobody of a belongs to
				shown = `"a",""`
			case query.Adoption:
				shown = `"a",1,`
			case query.Focus:
				shown = `"mine-user"`
			}
			if injection == "" && (a.StatusCode != 200 || !strings.Contains(a.body, shown)) {
				t.Errorf("%s: %d %s", typ, a.StatusCode, a.body)
			}
			if strings.Contains(a.body, secret) || strings.Contains(fmt.Sprint(a.Header), secret) {
				t.Errorf("%s%s shows b's data: %s", typ, injection, a.body)
			}
		}
	}
	dropped := f.want(f.do(http.MethodPost, "/export/users/json", key, dropIn()), 200)
	if strings.Contains(dropped.body, secret) || !strings.Contains(dropped.body, "mine-user") {
		t.Errorf("drop-in: %s", dropped.body)
	}
	catalogue := f.want(f.get("/v1/exports", key), 200)
	if strings.Contains(catalogue.body, secret) || !strings.Contains(catalogue.body, "mine-action") {
		t.Errorf("catalogue: %s", catalogue.body)
	}
	// A link that names another workspace than that of its key is refused.
	_, other := f.key("b")
	link := f.makeLink(other, "users")
	f.want(f.get(linkOf(t, link, "a"), key), 403)
	if a := f.want(f.get(link, key), 200); !strings.Contains(a.body, secret) {
		t.Errorf("a link is its maker's, whatever key comes with it: %s", a.body)
	}
}

// Ids that have a meaning in SQL, in the engine's parameters or in addresses are treated as plain
// ids.
func TestOddWorkspaces(t *testing.T) {
	f := newFixture(t)
	orgs := []string{
		"a'b", `a\b`, "a\tb", "a/b", "%41", "a b", "ü☃", "{org:String}", "..", "a\nb", "a;DROP TABLE events", "a?b#c",
	}
	for _, org := range orgs {
		f.event(org, yesterday().Add(time.Hour), map[string]any{"user_id": org})
	}
	for _, org := range orgs {
		_, key := f.key(org)
		a := f.get("/v1/exports/users?format=ndjson&"+lastDays(), key)
		if a.StatusCode != 200 || strings.Count(a.body, "\n") != 1 || !strings.Contains(a.body, `"messages_total":1`) {
			t.Errorf("%q: %d %s", org, a.StatusCode, a.body)
		}
	}
	link := f.makeLink(func() string { _, key := f.key(".."); return key }(), "users")
	f.want(f.get(link, ""), 200)
}

// A tag changes with the data, the entities, the settings and the request, and with nothing else.
func TestETag(t *testing.T) {
	f := newFixture(t)
	at := yesterday().Add(time.Hour)
	f.event("acme", at, nil)
	f.entity("acme", "user", "ada", at, map[string]any{"name": "Ada"})
	_, key := f.key("acme")
	path := "/v1/exports/users?" + lastDays()
	tag := func(path string) string {
		t.Helper()
		a := f.want(f.get(path, key), 200)
		etag := a.Header.Get("ETag")
		if !strings.HasPrefix(etag, `W/"`) {
			t.Fatalf("ETag %q", etag)
		}
		return etag
	}
	seen := map[string]string{tag(path): "at first"}
	changed := func(what string, path string) {
		t.Helper()
		etag := tag(path)
		if before, ok := seen[etag]; ok {
			t.Errorf("the same tag %s as %s", what, before)
		}
		seen[etag] = what
	}
	same := tag(path)
	if seen[same] == "" {
		t.Error("another tag of the same")
	}
	f.want(f.get(path, key, "If-None-Match", same), 304)
	f.want(f.get(path, key, "If-None-Match", `"other", `+strings.TrimPrefix(same, "W/")), 304)

	f.event("acme", at.Add(time.Minute), nil)
	changed("after an event", path)
	f.want(f.get(path, key, "If-None-Match", same), 200)
	f.event("acme", at.AddDate(0, 0, -1), map[string]any{"user_id": "x"})
	if etag := tag(path); seen[etag] == "" {
		t.Error("an event outside of the period changed the tag")
	}
	err := f.conn.Exec(context.Background(), `INSERT INTO events
SELECT * REPLACE (version + 2 AS version, 'm2' AS model) FROM events WHERE org_id = 'acme' AND id = '1'`)
	if err != nil {
		t.Fatal(err)
	}
	f.mark("acme", at)
	changed("after a copy that wins", path)
	f.entity("acme", "user", "ada", at.Add(time.Second), map[string]any{"name": "Ada L."})
	changed("after an entity event", path)
	f.settings("acme", "Acme", at, true, true, false, false)
	changed("after a change of settings", path)
	f.settings("other", "Other", at, true, true, false, false)
	f.event("other", at, nil)
	if etag := tag(path); seen[etag] == "" {
		t.Error("another workspace's data changed the tag")
	}
	for _, more := range []string{
		"&format=ndjson", "&delimiter=tab", "&bom=true", "&delimiter=tab&decimal=comma", "&columns=user_id", "&columns=user_id,role", "&columns=role,user_id",
		"&group_by=model", "&include_inactive=false", "&attributes=now",
		"&timezone=Asia/Kolkata",
	} {
		changed("with "+more, path+more)
	}
	if etag := tag(path + "&format=csv&timezone=UTC&bom=false&delimiter=comma"); seen[etag] == "" {
		t.Error("another tag with the defaults said")
	}
	changed("of another type", strings.Replace(path, "users", "models", 1))
}

// An entity event with a time in the future changes the export, and so the tag, when its time
// comes.
func TestETagWhenAnEntityEventComesTrue(t *testing.T) {
	var ahead time.Duration
	f := newFixture(t, func(c *Config) { c.Now = func() time.Time { return testNow().Add(ahead) } })
	f.event("acme", yesterday().Add(time.Hour), nil)
	f.entity("acme", "user", "ada", yesterday(), map[string]any{"name": "Ada"})
	f.entity("acme", "user", "ada", testNow().Add(30*time.Minute), map[string]any{"name": "Ada L."})
	_, key := f.key("acme")
	path := "/v1/exports/users?attributes=now&" + lastDays()
	before := f.want(f.get(path, key), 200)
	ahead = time.Hour
	after := f.want(f.get(path, key, "If-None-Match", before.Header.Get("ETag")), 200)
	if strings.Contains(before.body, "Ada L.") || !strings.Contains(after.body, "Ada L.") ||
		before.Header.Get("ETag") == after.Header.Get("ETag") {
		t.Errorf("before %s, after %s", before.body, after.body)
	}
}

// linkOf returns the link with its workspace replaced by org; the signature stays.
func linkOf(t *testing.T, link, org string) string {
	address, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	request := address.Query().Get("request")
	text, err := base64.RawURLEncoding.DecodeString(request)
	if err != nil {
		t.Fatal(err)
	}
	var l map[string]any
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	l["org"] = org
	if text, err = json.Marshal(l); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(link, request, base64.RawURLEncoding.EncodeToString(text), 1)
}
