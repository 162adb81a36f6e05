package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/export/access"
	"rollcall/export/query"
)

// signIn exchanges the key for a session and returns its cookie.
func (f *fixture) signIn(key string, header ...string) (answer, *http.Cookie) {
	f.Helper()
	a := f.do(http.MethodPost, "/app/session", "", `{"key":"`+key+`"}`, header...)
	for _, c := range a.Cookies() {
		if c.Name == access.SessionCookie {
			return a, c
		}
	}
	return a, nil
}

func TestSession(t *testing.T) {
	var ahead time.Duration
	f := newFixture(t, func(c *Config) { c.Now = func() time.Time { return testNow().Add(ahead) } })
	f.event("acme", yesterday().Add(time.Hour), nil)
	id, key := f.key("acme")
	a, cookie := f.signIn(key)
	f.want(a, 204)
	if cookie == nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure ||
		cookie.MaxAge != 12*60*60 || strings.Contains(cookie.Value, key) {
		t.Fatalf("cookie %+v", cookie)
	}
	if _, behind := f.signIn(key, "X-Forwarded-Proto", "https"); !behind.Secure {
		t.Error("behind TLS the cookie is not Secure")
	}
	with := []string{"Cookie", access.SessionCookie + "=" + cookie.Value}
	paths := []string{
		"/v1/exports", "/v1/exports/users?" + lastDays(), "/app/summary?" + lastDays(), "/app/preview/users?" + lastDays(),
		"/app/history",
	}
	for _, path := range paths {
		f.want(f.get(path, "", with...), 200)
		f.want(f.get(path, ""), 401)
		f.want(f.get(path, "", append(with, "Sec-Fetch-Site", "same-origin")...), 200)
		f.want(f.get(path, "", append(with, "Sec-Fetch-Site", "cross-site")...), 403)
		f.want(f.get(path, "", append(with, "Sec-Fetch-Site", "same-site")...), 403)
		f.want(f.get(path, "", append(with, "Origin", "https://elsewhere.example")...), 403)
	}
	if row := f.auditOf("acme", "csv"); row.Credential != "session" || row.KeyID != id {
		t.Errorf("audit %+v", row)
	}
	f.want(f.do(http.MethodPost, "/export/users", "", dropIn(), with...), 401) // this surface takes keys only
	for i := range cookie.Value {
		changed := []byte(cookie.Value)
		changed[i] ^= 1
		f.want(f.get("/app/history", "", "Cookie", access.SessionCookie+"="+string(changed)), 401)
	}
	ahead = access.SessionLife - time.Minute
	f.want(f.get("/app/history", "", with...), 200)
	ahead = access.SessionLife + time.Second
	f.want(f.get("/app/history", "", with...), 401)
	ahead = 0
	if err := f.service.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	f.want(f.get("/app/history", "", with...), 401)
}

func TestSignInRefused(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	_, other := f.key("acme", "SOMETHING_ELSE")
	for name, c := range map[string]struct {
		key    string
		header []string
		status int
	}{
		"wrong key":       {key: key[:len(key)-1] + "!", status: 401},
		"no key":          {status: 401},
		"without scope":   {key: other, status: 403},
		"from other site": {key: key, header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
	} {
		if a, cookie := f.signIn(c.key, c.header...); a.StatusCode != c.status || cookie != nil {
			t.Errorf("%s: %d %s, cookie %v", name, a.StatusCode, a.body, cookie)
		}
	}
	f.want(f.do(http.MethodPost, "/app/session", "", "key="+key), 400)
	f.want(f.do(http.MethodDelete, "/app/session", "", "", "Sec-Fetch-Site", "cross-site"), 403)
	public := newFixture(t, func(c *Config) { c.PublicURL = "https://example.com/usage/" })
	_, key = public.key("acme")
	a, cookie := public.signIn(key, "Sec-Fetch-Site", "", "Origin", "https://example.com")
	if public.want(a, 204); !cookie.Secure || cookie.Path != "/usage" {
		t.Errorf("cookie %+v", cookie)
	}
}

// A session ends no later than its key.
func TestSessionOfAKeyThatExpires(t *testing.T) {
	f := newFixture(t)
	// Create uses the real clock, not that of the test.
	_, key, err := f.service.keys.Create(t.Context(), "acme", "", time.Hour+aheadOfMidnight)
	if err != nil {
		t.Fatal(err)
	}
	if _, cookie := f.signIn(key); cookie == nil || cookie.MaxAge > 3600 || cookie.MaxAge < 3500 {
		t.Errorf("cookie %+v", cookie)
	}
}

func (f *fixture) summary(key, period string) (o overview) {
	f.Helper()
	if err := json.Unmarshal([]byte(f.want(f.get("/app/summary?"+period, key), 200).body), &o); err != nil {
		f.Fatal(err)
	}
	return o
}

func (f *fixture) table(path, key string) [][]string {
	f.Helper()
	records, err := csv.NewReader(strings.NewReader(f.want(f.get(path, key), 200).body)).ReadAll()
	if err != nil {
		f.Fatal(err)
	}
	return records
}

func total(records [][]string, column string) (sum float64) {
	at := slices.Index(records[0], column)
	for _, r := range records[1:] {
		n, _ := strconv.ParseFloat(r[at], 64)
		sum += n
	}
	return sum
}

// The page's figures are the sums of the files, for slices that are rolled up and for slices that
// are not.
func TestSummaryIsTheSumOfTheFiles(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.entity("acme", "user", "ada", yesterday(), map[string]any{"name": "Ada Example"})
	for i := range 40 {
		at := yesterday().Add(time.Duration(i) * 30 * time.Minute)
		f.event("acme", at, map[string]any{
			"user_id": []string{"ada", "bob", "eve"}[i*i%3], "channel": "assistant", "assistant_id": "a" + strconv.Itoa(i%4),
		})
		f.event("acme", at, map[string]any{"channel": "project", "project_id": "p" + strconv.Itoa(i%2)})
		f.event("acme", at, map[string]any{"type": "action", "action": "canvas", "channel": nil})
		f.event("acme", at, map[string]any{
			"type": "token", "channel": nil, "prompt_tokens": 100 + i, "completion_tokens": i, "cost_usd": "0.000000007",
			"user_id": map[bool]string{true: "ada"}[i%2 == 0],
		})
	}
	// Some usage of a user or an entity comes without any message of theirs.
	for _, other := range []map[string]any{
		{"type": "workflow_run", "channel": nil, "workflow_id": "w", "run_id": "r", "status": "failed",
			"user_id": "runs-only"},
		{"type": "workflow_run", "channel": nil, "workflow_id": "w", "run_id": "r2", "status": "failed", "user_id": nil},
		{"type": "action", "channel": nil, "action": "canvas", "assistant_id": "acted-only", "user_id": "acts-only"},
		{"type": "token", "channel": nil, "api_key_id": "k", "user_id": nil, "project_id": "token-only", "prompt_tokens": 1},
		{"channel": "chat", "assistant_id": "in-a-chat", "user_id": "ada"},
	} {
		f.event("acme", yesterday().Add(time.Hour), other)
	}
	_, key := f.key("acme")
	o := f.summary(key, lastDays())
	users := f.table("/v1/exports/users?include_inactive=false&"+lastDays(), key)
	models := f.table("/v1/exports/models?"+lastDays(), key)
	want := map[string]float64{
		"messages": total(users, "messages_total"), "active_users": float64(len(users) - 1),
		"actions":    total(users, "action_messages"),
		"assistants": float64(len(f.table("/v1/exports/assistants?include_inactive=false&"+lastDays(), key)) - 1),
		"projects":   float64(len(f.table("/v1/exports/projects?include_inactive=false&"+lastDays(), key)) - 1),
		"tokens":     total(models, "sum_prompt_tokens") + total(models, "sum_completion_tokens"),
		"cost_usd":   total(models, "total_cost_usd"),
	}
	for _, figure := range o.Figures {
		if got, _ := strconv.ParseFloat(figure.Value, 64); got != want[figure.Name] || got == 0 {
			t.Errorf("%s is %s, the files say %v", figure.Name, figure.Value, want[figure.Name])
		}
		delete(want, figure.Name)
		if figure.Previous == nil || *figure.Previous != "0" {
			t.Errorf("%s: %v in the days before", figure.Name, figure.Previous)
		}
	}
	if len(want) > 0 {
		t.Errorf("no figures %v", want)
	}
	if len(o.Days) != 2 || o.Days[0].Messages != 81 || o.Days[1].Messages != 0 {
		t.Errorf("days %+v", o.Days)
	}
	ada := topEntry{"ada", "Ada Example", uint64(total(users[:2], "messages_total"))}
	if top := o.Top["users"]; len(top) != 2 || top[0] != ada {
		t.Errorf("top users %+v", top)
	}
	if next := o.Figures[0].Value; f.summary(key, "from="+yesterday().AddDate(0, 0, 1).Format(time.DateOnly)+"&to="+
		yesterday().AddDate(0, 0, 1).Format(time.DateOnly)).Figures[0].Value == next {
		t.Error("another period has the same figures")
	}
}

// The page's answers do not show what the workspace hides.
func TestSummaryKeepsPrivacy(t *testing.T) {
	f := newFixture(t)
	f.settings("hidden", "Hidden", yesterday(), false, true, false, false)
	f.settings("masked", "Masked", yesterday(), true, true, false, true)
	for _, org := range []string{"hidden", "masked"} {
		f.entity(org, "user", "ada", yesterday(), map[string]any{"name": "Ada Example", "email": "ada@example.com"})
		f.event(org, yesterday().Add(time.Hour), nil)
		f.event(org, yesterday().Add(time.Hour), map[string]any{"type": "token"})
		_, key := f.key(org)
		for _, path := range []string{"/app/summary?", "/app/preview/users?", "/app/preview/focus?"} {
			body := f.want(f.get(path+lastDays(), key), 200).body
			if strings.Contains(body, "Ada") || strings.Contains(body, "example.com") || strings.Contains(body, `"ada"`) {
				t.Errorf("%s %s shows a person: %s", org, path, body)
			}
			setting := map[string]string{"hidden": "user_level_data", "masked": "pseudonymize"}[org]
			if !strings.Contains(body, `"persons_hidden_by":"`+setting+`"`) {
				t.Errorf("%s %s does not say which setting hides persons: %s", org, path, body)
			}
			if strings.Contains(body, `"users":`) || path != "/app/summary?" && !strings.Contains(body, `"rows":[],`) {
				t.Errorf("%s %s lists persons: %s", org, path, body)
			}
		}
		f.checkLeftOut(org, key)
	}
}

// checkLeftOut compares the columns that the catalogue says are left out with SPEC.md §2.4.
func (f *fixture) checkLeftOut(org, key string) {
	f.Helper()
	var c catalogue
	if err := json.Unmarshal([]byte(f.want(f.get("/v1/exports", key), 200).body), &c); err != nil {
		f.Fatal(err)
	}
	for _, entry := range c.Types {
		want := map[query.Type][]string{
			query.Users: {"name", "email"}, query.Projects: {"project_owner_email"},
			query.Assistants: {"assistant_description", "assistant_url", "assistant_owner_id", "assistant_owner_email"},
		}[entry.Type]
		if !slices.Equal(entry.LeftOut, want) {
			f.Errorf("%s %s: left out %v, want %v", org, entry.Type, entry.LeftOut, want)
		}
	}
}

// The preview is the beginning of the file.
func TestPreview(t *testing.T) {
	f := newFixture(t)
	for i := range 12 {
		f.event("acme", yesterday().Add(time.Hour), map[string]any{"user_id": "=user \"" + strconv.Itoa(i)})
	}
	_, key := f.key("acme")
	var preview struct {
		Columns []string
		Rows    [][]string
	}
	a := f.want(f.get("/app/preview/users?"+lastDays(), key), 200)
	if err := json.Unmarshal([]byte(a.body), &preview); err != nil {
		t.Fatal(err)
	}
	file := f.table("/v1/exports/users?"+lastDays(), key)
	got := append([][]string{preview.Columns}, preview.Rows...)
	if len(got) != 11 || !slices.EqualFunc(got, file[:11], slices.Equal[[]string]) {
		t.Errorf("preview %q\nfile %q", got, file)
	}
	f.want(f.get("/app/preview/workflows?"+lastDays(), key), 403)
	f.want(f.get("/app/preview/nothing?"+lastDays(), key), 404)
	f.want(f.get("/app/preview/users", key), 400)
}

func TestHistory(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	_, other := f.key("other")
	f.want(f.get("/v1/exports/users?"+lastDays(), other), 200)
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	f.want(f.get("/v1/exports/models?format=json", key), 400)
	f.want(f.get("/app/preview/users?"+lastDays(), key), 200)
	body := f.want(f.get("/app/history", key), 200).body
	var past []pastExport
	if err := json.NewDecoder(bytes.NewBufferString(body)).Decode(&past); err != nil {
		t.Fatal(err)
	}
	if len(past) != 2 || past[1].Type != "users" || past[1].Outcome != "complete" || past[1].Bytes == 0 ||
		*past[1].Rows != 1 || *past[1].From != yesterday().Format(time.DateOnly) || past[1].By != "acme's key" ||
		past[0].Type != "models" || past[0].Outcome != "refused" || past[0].From != nil {
		t.Errorf("history %s", body)
	}
}

func TestPreviousPeriod(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ name, from, to, start, end string }{
		{"last_month", "", "", "2026-09-01", "2026-09-30"},
		{"this_month", "", "", "2026-10-01", "2026-10-24"},
		{"last_week", "", "", "2026-11-08", "2026-11-14"},
		{"this_week", "", "", "2026-11-15", "2026-11-17"},
		{"", "2026-11-01", "2026-11-10", "2026-10-22", "2026-10-31"},
		{"", "2026-11-20", "2026-11-24", "2026-11-15", "2026-11-19"},
		{"", "2026-11-24", "2027-11-24", "2026-11-23", "2026-11-23"},
		{"", "2025-11-24", "2026-01-31", "", ""},
		{"", "2025-12-04", "2025-12-13", "2025-11-24", "2025-12-03"}, // from the earliest date on
		{"", "2025-12-03", "2025-12-12", "", ""},
	} {
		p, err := query.ParsePeriod(query.PeriodRequest{Range: c.name, From: c.from, To: c.to}, now)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := previousPeriod(p, c.name, now)
		if ok != (c.start != "") || got.Start != c.start || got.End != c.end {
			t.Errorf("%s%s–%s: compared with %s–%s", c.name, c.from, c.to, got.Start, got.End)
		}
		elapsed := now.Sub(p.From.Time())
		compared := time.Duration(got.To-got.From) * time.Millisecond
		if ok && p.To.Time().After(now) && compared != elapsed {
			t.Errorf("%s%s: compared with %d ms, not what has passed", c.name, c.from, got.To-got.From)
		}
	}
}

// At the first moment of a month, no time of it has passed, so there is no previous period. A
// millisecond later, the previous period is a millisecond long.
func TestPreviousPeriodAtItsBegin(t *testing.T) {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for passed, want := range map[time.Duration]bool{0: false, time.Millisecond - 1: false, time.Millisecond: true} {
		now := begin.Add(passed)
		p, err := query.ParsePeriod(query.PeriodRequest{Range: "this_month"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := previousPeriod(p, "this_month", now); ok != want || ok && got.To-got.From != 1 {
			t.Errorf("%v after the begin: %t, %+v", passed, ok, got)
		}
	}
}
