package tables

import "testing"

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
