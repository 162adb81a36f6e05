package export

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/export/access"
)

// signedIn returns the header of a new session.
func (f *fixture) signedIn(key string) []string {
	f.Helper()
	a, c := f.signIn(key)
	f.want(a, 204)
	return []string{"Cookie", access.SessionCookie + "=" + c.Value}
}

func (f *fixture) signOut(with []string) answer {
	f.Helper()
	return f.do(http.MethodDelete, "/app/session", "", "", with...)
}

// From the answer to the sign-out on, every process refuses every copy of the cookie. Other
// sessions of the same key go on.
func TestSignOutEndsTheSession(t *testing.T) {
	here := newFixture(t)
	there := newFixtureOn(t, here.options)
	_, key := here.key("acme")
	copied := here.signedIn(key)
	other := here.signedIn(key)
	paths := []string{
		"/v1/exports", "/v1/exports/users?" + lastDays(), "/app/summary?" + lastDays(), "/app/preview/users?" + lastDays(),
		"/app/history",
	}
	for _, f := range []*fixture{here, there} {
		for _, path := range paths { // each process may cache what it reads here
			f.want(f.get(path, "", copied...), 200)
		}
	}
	out := here.want(here.signOut(copied), 204)
	if c := out.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("signing out sets %v", c)
	}
	for _, f := range []*fixture{there, here} {
		for _, path := range paths {
			f.want(f.get(path, "", copied...), 401)
		}
		f.want(f.get("/app/history", "", other...), 200)
	}
	there.want(there.signOut(copied), 204) // again, in the other process: nothing is left to end
	var rows uint64
	if err := here.conn.QueryRow(t.Context(), "SELECT count() FROM ended_sessions").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
	here.want(here.signOut(nil), 204) // no session: nothing to end
	here.want(here.signOut([]string{"Cookie", access.SessionCookie + "=rubbish"}), 204)
	here.want(here.get("/app/history", "", here.signedIn(key)...), 200)
}

// A session can be ended after its key was revoked.
func TestSignOutWithoutAKey(t *testing.T) {
	f := newFixture(t)
	id, key := f.key("acme")
	with := f.signedIn(key)
	if err := f.service.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	f.want(f.signOut(with), 204)
}

// The end of a session may fail to be stored, or not be in the table afterwards. Then the answer
// says so, the browser keeps the cookie, and the session goes on.
func TestSignOutFails(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	with := f.signedIn(key)
	refused := func(why string) {
		t.Helper()
		a := f.signOut(with)
		if a.StatusCode < 500 || len(a.Cookies()) != 0 || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d, cookies %v, %s", why, a.StatusCode, a.Cookies(), a.body)
		}
	}
	gate := f.service.gate
	f.service.gate = access.New(f.service.cfg.gate(), lossy{f.conn}, f.service.keys)
	refused("a row that is lost")
	f.service.gate = gate
	if err := f.conn.Exec(t.Context(), "RENAME TABLE ended_sessions TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	refused("no table")
	f.want(f.get("/app/history", "", with...), 503) // whether the session has ended cannot be read
	if err := f.conn.Exec(t.Context(), "RENAME TABLE elsewhere TO ended_sessions"); err != nil {
		t.Fatal(err)
	}
	f.want(f.get("/app/history", "", with...), 200)
	f.want(f.signOut(with), 204)
	f.want(f.get("/app/history", "", with...), 401)
	if log := f.log.String(); !strings.Contains(log, "sign-out failed") || strings.Contains(log, with[1]) {
		t.Errorf("the log does not say that the sign-out failed, or shows the cookie:\n%s", log)
	}
}

// A sign-in counts as a request of its key, and is refused beyond the key's limit. Sign-ins with
// wrong keys count for no key.
func TestSignInIsLimited(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RatePerMinute = 3 })
	_, key := f.key("acme")
	_, other := f.key("acme")
	wrong := key[:16] + other[16:]
	for range 5 {
		if a, _ := f.signIn(wrong); a.StatusCode != 401 {
			t.Errorf("a wrong key: %d", a.StatusCode)
		}
	}
	for range 3 {
		f.signedIn(key)
	}
	a, c := f.signIn(key)
	if f.want(a, 429); c != nil || a.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the limit: cookie %v, header %v", c, a.Header)
	}
	f.want(f.get("/v1/exports", key), 429) // the same limit
	f.signedIn(other)
}

// lossy is a connection whose inserts are acknowledged and lost.
type lossy struct{ driver.Conn }

func (c lossy) PrepareBatch(
	ctx context.Context, query string, options ...driver.PrepareBatchOption,
) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	return lostBatch{batch}, err
}

type lostBatch struct{ driver.Batch }

func (lostBatch) Send() error { return nil }
