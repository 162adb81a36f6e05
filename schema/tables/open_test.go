package tables

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The user is the URL's, or ClickHouse's default user. Options.Password takes precedence over the
// URL's password.
func TestWhoConnects(t *testing.T) {
	for _, c := range []struct {
		options        Options
		user, password string
	}{
		{Options{URL: "http://host:8123/rollcall"}, "default", ""},
		{Options{URL: "http://ada@host:8123/rollcall"}, "ada", ""},
		{Options{URL: "http://ada:one@host:8123/rollcall"}, "ada", "one"},
		{Options{URL: "http://ada:one@host:8123/rollcall", Password: "two"}, "ada", "two"},
	} {
		client, err := c.options.client()
		if err != nil {
			t.Fatal(err)
		}
		if got := client.Auth; got.Username != c.user || got.Password != c.password || got.Database != "rollcall" {
			t.Errorf("%s: connects as %+v, want the user %q with %q", c.options.URL, got, c.user, c.password)
		}
	}
}

// Each request has the password of its moment, in plain text and over TLS.
func TestPasswordsOfTheMoment(t *testing.T) {
	for name, serve := range map[string]func(http.Handler) *httptest.Server{
		"http": httptest.NewServer, "https": httptest.NewTLSServer,
	} {
		var given string
		server := serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, given, _ = r.BasicAuth()
			if key := r.Header.Get("X-ClickHouse-Key"); key != "" {
				given = key
			}
		}))
		t.Cleanup(server.Close)
		now := "first"
		o := Options{
			URL: strings.Replace(server.URL, "://", "://ada@", 1) + "/rollcall", Password: now,
			PasswordNow: func() string { return now },
		}
		if name == "https" {
			config := server.Client().Transport.(*http.Transport).TLSClientConfig
			o.TLS = func() *tls.Config { return config }
		}
		conn, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		for _, now = range []string{"first", "second"} {
			_ = conn.Exec(t.Context(), "SELECT 1") // the server answers with nothing, which is an error or not
			if given != now {
				t.Errorf("%s: the password was %q, want %q", name, given, now)
			}
		}
	}
}
