package upgrade

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/export"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

// From every earlier schema, with data in it and an old binary at work, migrate gives the exports
// of a database that was new from the start. This holds with the old rollups, and again with new
// ones after the old binary was used again for a while.
func TestEveryEarlierSchemaBecomesThisOne(t *testing.T) {
	reference := newDatabase(t)
	reference.write(data(t), "")
	want := reference.exports()
	for _, part := range []string{`"users"`, `"user1","Name 1"`, `"w1"`, `"gpt","openai"`, `"k1"`, "160000000000"} {
		if !strings.Contains(want, part) {
			t.Fatalf("the reference has no %s:\n%s", part, want)
		}
	}
	releases := reference.migrations()
	for n := 1; n < len(releases); n++ {
		t.Run(releases[n-1].Name, func(t *testing.T) {
			db := newDatabaseOf(t, releases, n)
			if err := tables.Check(t.Context(), db.conn); err == nil {
				t.Fatal("the old schema passes for the new one")
			}
			written := db.write(data(t), "")
			stop := db.oldBinary()
			applied, err := tables.Migrate(t.Context(), db.options)
			stop()
			if err != nil || len(applied) != len(releases)-n || applied[0] != releases[n].Name {
				t.Fatalf("applied %v, %v", applied, err)
			}
			if err := tables.Check(t.Context(), db.conn); err != nil {
				t.Error(err)
			}
			db.write(data(t)[written:], "") // the data whose tables did not exist before
			db.compare("migrated", want)
			db.write(old(t), "the old binary, back again") // as after a return to the old binary
			if _, err := db.worker().Once(t.Context()); err != nil {
				t.Error(err)
			}
			differs := func(d rollup.Difference) { t.Errorf("%+v", d) }
			if _, err := db.worker().Verify(t.Context(), rollup.Filter{}, differs, nil); err != nil {
				t.Error(err)
			}
			db.compare("rolled up by the new logic, with an old binary beside", want)
		})
	}
}

// compare compares the exports with the reference's.
func (db *database) compare(when, want string) {
	db.Helper()
	if got := db.exports(); got != want {
		db.Errorf("%s: the exports differ: got\n%s\nwant\n%s", when, got, want)
	}
}

// oldBinary runs the statements of an old binary over and over, as far as their tables exist, until
// stop is called.
func (db *database) oldBinary() (stop func()) {
	db.Helper()
	known := db.known(old(db.T))
	ctx, cancel := context.WithCancel(db.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for rounds := 0; ctx.Err() == nil || rounds == 0; rounds++ {
			for _, statement := range known {
				if err := db.conn.Exec(db.Context(), statement); err != nil {
					db.Errorf("an old binary beside the migration: %s: %v", statement, err)
					return
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// exports returns all files of the workspace, with the workspace's old key.
func (db *database) exports() string {
	db.Helper()
	log := slog.New(slog.NewTextHandler(db.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	e, err := export.New(export.Config{Secret: []byte("0123456789abcdef0123456789abcdef")}, db.options, log,
		prometheus.NewRegistry())
	if err != nil {
		db.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	var all strings.Builder
	for _, kind := range []string{"users", "assistants", "workflows", "projects", "models", "api-keys"} {
		request, _ := http.NewRequest("GET", fmt.Sprintf("%s/v1/exports/%s?from=%s&to=%s", server.URL, kind, month, day), nil)
		request.Header.Set("Authorization", "Bearer rc_abcdefghijkm_"+keySecret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			db.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 {
			db.Fatalf("%s: %d, %v, %s", kind, response.StatusCode, err, body)
		}
		fmt.Fprintf(&all, "%q\n%s\n", kind, body)
	}
	return all.String()
}

func (db *database) worker() *rollup.Rollup {
	db.Helper()
	r, err := rollup.New(rollup.Config{}, db.options.OnShard(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		db.Fatal(err)
	}
	db.Cleanup(func() { r.Close() })
	return r
}
