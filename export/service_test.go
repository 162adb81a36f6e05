package export

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema/tables"
)

func TestTooManyRequests(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RatePerMinute = 3 })
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	_, second := f.key("acme")
	link := f.makeLink(key, "users")
	f.want(f.get("/v1/exports/teams", key), 404) // a refused request counts, too
	f.want(f.get(link, ""), 200)                 // a request by link counts for the link's key
	a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 429)
	if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	if !strings.Contains(a.body, "3 requests") || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s", a.body)
	}
	f.want(f.get(link, ""), 429)
	a = f.want(f.do(http.MethodPost, "/export/users", key, dropIn()), 429)
	if !strings.HasPrefix(a.body, `{"error":"Too Many Requests","message":"`) {
		t.Errorf("drop-in: %s", a.body)
	}
	f.want(f.get("/v1/exports/users?"+lastDays(), second), 200)
}

// Every request with a valid credential leaves an audit row: who asked for what, for which period,
// and how the request ended.
func TestAudit(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	id, key := f.key("acme")
	path := "/v1/exports/users?" + lastDays()
	first := f.want(f.get(path, key), 200)
	row := f.auditOf("acme", "csv")
	if row.Outcome != "complete" || row.Status != 200 || row.Bytes != uint64(len(first.body)) || *row.Rows != 1 ||
		row.Credential != "key" || row.KeyID != id || row.KeyName != "acme's key" ||
		row.DataType != "users" || row.Request != "GET "+path ||
		!row.Start.Equal(yesterday()) || !row.End.Equal(yesterday().AddDate(0, 0, 1)) {
		t.Errorf("audit %+v", row)
	}
	f.want(f.get(path, key, "If-None-Match", first.Header.Get("ETag")), 304)
	if row := f.auditOf("acme", "csv"); row.Outcome != "not_modified" || row.Status != 304 || row.Bytes != 0 {
		t.Errorf("not modified: audit %+v", row)
	}
	f.want(f.get("/v1/exports/workflows?"+lastDays(), key), 403)
	if row := f.auditOf("acme", "csv"); row.Outcome != "refused" || row.Status != 403 || row.DataType != "workflows" {
		t.Errorf("refused: audit %+v", row)
	}
	f.want(f.get("/v1/exports/users?range=never", key), 400)
	if row := f.auditOf("acme", ""); row.Outcome != "refused" || row.Status != 400 || row.Start.Unix() != 0 {
		t.Errorf("refused before it was read: audit %+v", row)
	}
	f.want(f.get(path, "rc_wrong"), 401)
	var rows, open uint64
	audited := f.conn.QueryRow(t.Context(), "SELECT count(), countIf(outcome = 'started') FROM export_audit FINAL")
	if err := audited.Scan(&rows, &open); err != nil || rows != 4 || open != 0 {
		t.Errorf("%d rows, %d of them open, %v; want 4 and 0: one for each request with a valid key", rows, open, err)
	}
	text := f.log.String()
	leaked := strings.Contains(text, key) || strings.Contains(text, "acme's key") || strings.Contains(text, "ada")
	if leaked || !strings.Contains(text, id) {
		t.Errorf("the log names what it must not, or not the key's id:\n%s", text)
	}
}

// If the audit row cannot be written, no data is sent.
func TestNoAuditNoData(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	if err := f.conn.Exec(t.Context(), "RENAME TABLE export_audit TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/exports/users?" + lastDays(), "/v1/exports"} {
		a := f.want(f.get(path, key), 503)
		id := a.Header.Get("Rollcall-Request-Id")
		says := strings.ReplaceAll(a.body, id, "") // which may have the letters of a name
		leaked := strings.Contains(says, "ada") || strings.Contains(says, "export_audit")
		if leaked || !strings.Contains(a.body, id) {
			t.Errorf("%s", a.body)
		}
	}
}

// While Run runs, ends of requests are written together. When Run stops, no end is lost.
func TestAuditRun(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- f.service.Run(ctx) }()
	for range 5 {
		f.want(f.get("/v1/exports/teams", key), 404)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	f.want(f.get("/v1/exports/teams", key), 404)
	var rows uint64
	refused := f.conn.QueryRow(t.Context(), "SELECT count() FROM export_audit FINAL WHERE outcome = 'refused'")
	if err := refused.Scan(&rows); err != nil || rows != 6 {
		t.Errorf("%d rows, %v; want 6", rows, err)
	}
}

// Rows of a generation that its manifest counts may be gone for good, all of them or some. Every
// kind of request then reads the day from the log.
func TestRowsThatAreGone(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	f.event("acme", yesterday(), map[string]any{"user_id": "bob"})
	f.generation("acme", 2, "ada")
	_, key := f.key("acme")
	for _, path := range []string{"/v1/exports/users?" + lastDays(), "/v1/exports/users?format=ndjson&" + lastDays()} {
		if a := f.want(f.get(path, key), 200); !strings.Contains(a.body, "ada") || !strings.Contains(a.body, "bob") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	f.exec("TRUNCATE TABLE message_daily")
	a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	if !strings.Contains(a.body, "ada") || !strings.Contains(a.body, "bob") {
		t.Errorf("no row is left: %s", a.body)
	}
}

// Each generation is removed as soon as a plan uses it, so no plan ever holds. The request is
// refused, and not answered with rows missing.
func TestStalePlan(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	f.generation("acme", 1, "ada")
	_, key := f.key("acme")
	path := "/v1/exports/users?" + lastDays()
	plain := f.service.conn
	f.service.conn = beforeStreams{plain, func() {
		f.exec("TRUNCATE TABLE message_daily")
		f.generation("acme", 1, "ada")
	}}
	a := f.want(f.get(path, key), 503)
	if a.Header.Get("Retry-After") != "1" || a.Header.Get("ETag") != "" || a.Header.Get("Content-Disposition") != "" {
		t.Errorf("header %v", a.Header)
	}
	f.service.conn = plain
	if row := f.auditOf("acme", "csv"); row.Outcome != "failed" || row.Bytes != 0 {
		t.Errorf("audit %+v", row)
	}
	f.want(f.get(path, key), 200)
}

// beforeStreams is a connection that calls do before each statement whose rows are streamed.
type beforeStreams struct {
	driver.Conn
	do func()
}

func (c beforeStreams) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	c.do()
	return c.Conn.QueryFormat(ctx, format, query, args...)
}

// generation stores a rollup of yesterday with a row per user. says is the number of rows in its
// manifest.
func (f *fixture) generation(org string, says int, users ...string) {
	f.Helper()
	generation := uuid.Must(uuid.NewV7()).String()
	for _, user := range users {
		f.insert("message_daily", map[string]any{
			"org_id": org, "day": yesterday().Format(time.DateOnly), "generation": generation, "user_id": user, "messages": 1,
		})
	}
	f.insert("slices", map[string]any{
		"org_id": org, "day": yesterday().Format(time.DateOnly), "generation": generation, "revision": tables.Revision,
		"covered": map[string]any{writer: f.marks}, "version": "3", "message_rows": says,
	})
}

func (f *fixture) exec(statement string) {
	f.Helper()
	if err := f.conn.Exec(f.Context(), statement); err != nil {
		f.Fatal(err)
	}
}

// While events keep coming, exports are answered, and their counts never decrease.
func TestExportsWhileEventsArrive(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			f.event("acme", yesterday(), nil)
		}
	}()
	last := 0
	for range 4 {
		a := f.want(f.get("/v1/exports/users?format=ndjson&"+lastDays(), key), 200)
		_, after, _ := strings.Cut(a.body, `"messages_total":`)
		text, _, _ := strings.Cut(after, ",")
		n, _ := strconv.Atoi(text)
		if n < last {
			t.Errorf("%d messages after %d", n, last)
		}
		last = n
	}
	stop()
	<-done
}

// metric returns the value of a counter, or the number of observations of a histogram. series is
// the metric's name followed by its labels' values, in the order of the labels' names.
func (f *fixture) metric(series string) float64 {
	f.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if name == series {
				return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

func TestNotReady(t *testing.T) {
	f := newFixture(t)
	if err := f.conn.Exec(t.Context(), "DROP TABLE migrations SYNC"); err != nil {
		t.Fatal(err)
	}
	a := f.want(f.get("/readyz", ""), 503)
	if !strings.Contains(a.body, "not ready") || f.service.Ready(t.Context()) == nil {
		t.Errorf("%s", a.body)
	}
	f.want(f.get("/healthz", ""), 200)
}

func TestConfig(t *testing.T) {
	secret := []byte("a secret for tests only")
	for name, cfg := range map[string]Config{
		"no secret":                    {},
		"a short secret":               {Secret: secret[:8]},
		"a public URL without scheme":  {Secret: secret, PublicURL: "usage.example.com"},
		"a secret a byte too short":    {Secret: secret[:15]},
		"a public URL of no host":      {Secret: secret, PublicURL: "https:///usage"},
		"a public URL of files":        {Secret: secret, PublicURL: "file://usage.example.com"},
		"a public URL with a query":    {Secret: secret, PublicURL: "https://usage.example.com?x=1"},
		"a public URL with a fragment": {Secret: secret, PublicURL: "https://usage.example.com#x"},
		"a negative rate":              {Secret: secret, RatePerMinute: -1},
		"a negative number of exports": {Secret: secret, MaxConcurrentPerOrg: -1},
		"a negative number of all":     {Secret: secret, MaxConcurrent: -1},
		"a negative time to begin":     {Secret: secret, FirstByteTimeout: -1},
		"a negative stall timeout":     {Secret: secret, StallTimeout: -1},
	} {
		if _, err := cfg.withDefaults(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Given values stay, and values that are left out get their defaults.
func TestConfigDefaults(t *testing.T) {
	secret := []byte("sixteen bytes...")
	c, err := Config{Secret: secret}.withDefaults()
	if err != nil || c.RatePerMinute != 500 || c.MaxConcurrentPerOrg != 8 ||
		c.MaxConcurrent != 64 || c.FirstByteTimeout != 50*time.Second || c.StallTimeout != time.Minute {
		t.Errorf("the defaults are %+v, %v", c, err)
	}
	for _, scheme := range []string{"http", "https"} {
		given := Config{
			Secret: secret, PublicURL: scheme + "://h/", RatePerMinute: 1, MaxConcurrentPerOrg: 1,
			MaxConcurrent: 1, FirstByteTimeout: 1, StallTimeout: 1,
		}
		c, err = given.withDefaults()
		if err != nil || c.RatePerMinute != 1 || c.MaxConcurrentPerOrg != 1 || c.MaxConcurrent != 1 ||
			c.FirstByteTimeout != 1 || c.StallTimeout != 1 || c.PublicURL != scheme+"://h" {
			t.Errorf("what was given became %+v, %v", c, err)
		}
	}
}
