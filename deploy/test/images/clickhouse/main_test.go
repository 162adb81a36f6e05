package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// Only the user with the password gets through, whichever way it says both; a ping needs neither.
func TestOneUserMayAsk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"CLICKHOUSE_USER": "suite", "CLICKHOUSE_PASSWORD_FILE": file}
	a, err := accountOf(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	guarded := a.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "localhost" {
			t.Errorf("the engine is asked as %s, which it refuses", r.Host)
		}
	}))
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	headers := func(r *http.Request) {
		r.Header.Set("X-ClickHouse-User", "suite")
		r.Header.Set("X-ClickHouse-Key", "right")
	}
	nothing := func(*http.Request) {}
	for name, ask := range map[string]struct {
		url    string
		with   func(*http.Request)
		status int
	}{
		"basic":              {"/", basic("suite", "right"), http.StatusOK},
		"headers":            {"/", headers, http.StatusOK},
		"parameters":         {"/?user=suite&password=right", nothing, http.StatusOK},
		"ping":               {"/ping", nothing, http.StatusOK},
		"no password":        {"/", nothing, http.StatusForbidden},
		"wrong password":     {"/", basic("suite", "wrong"), http.StatusForbidden},
		"another user":       {"/", basic("default", "right"), http.StatusForbidden},
		"both of them wrong": {"/?user=a&password=b", nothing, http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://clickhouse:8123"+ask.url, nil)
		ask.with(r)
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if w.Code != ask.status {
			t.Errorf("%s: status %d, want %d", name, w.Code, ask.status)
		}
		if refused := w.Header().Get("X-ClickHouse-Exception-Code"); (refused == "516") != (ask.status != http.StatusOK) {
			t.Errorf("%s: the exception's code is %q", name, refused)
		}
	}
}

func TestWithoutVariablesTheUserIsDefault(t *testing.T) {
	a, err := accountOf(func(string) string { return "" })
	if err != nil || !a.is("default", "") {
		t.Errorf("the account is %+v, %v", a, err)
	}
}
