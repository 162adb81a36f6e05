//go:build python

package suite

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// The loader that the README shows keeps a copy that is equal to the oracle's days: after late
// events, after a replay, which makes it fetch nothing, and after an erasure.
func TestLoaderKeepsACopy(t *testing.T) {
	b := newBed(t)
	database := filepath.Join(t.TempDir(), "usage.db")
	loader, err := os.ReadFile("../../../export/loader/loader.py") // so that its changes run the test anew
	b.must(err)
	load := func() string {
		t.Helper()
		said := b.python("-c", string(loader), b.server.URL, database)
		b.copyIsTheOracles(database)
		return strings.TrimSpace(said)
	}
	sent := traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: *events / 4, Topics: topics})
	tomorrow := time.Now().UTC().Add(24*time.Hour - time.Minute).Format(time.RFC3339)
	sent = append(sent, envelope("ahead", "usage.message.v1", tomorrow, goodMessage))
	b.send(sent)
	b.ingest(nil)
	load()
	_, err = b.roll().Once(t.Context())
	b.must(err)
	if said := load(); said != "0 days fetched" {
		t.Errorf("after a recompute: %s", said)
	}
	b.send(sent)
	b.ingest(nil)
	if said := load(); said != "0 days fetched" {
		t.Errorf("after a replay: %s", said)
	}
	b.send(traffic.Make(traffic.Config{Seed: *seed + 1000, Now: b.now, Events: *events / 20, Topics: topics}))
	b.ingest(nil)
	if said := load(); said == "0 days fetched" {
		t.Error("late events: 0 days fetched")
	}

	person, days := b.busiest(database)
	b.must(b.roll().Forget(t.Context(), secret, traffic.Full, person, nil))
	said := b.python("-c", string(loader), b.server.URL, database)
	if want := fmt.Sprintf("%d days fetched\n", days); said != want {
		t.Errorf("after an erasure: %q, want %q", said, want)
	}
	if next, _ := b.busiest(database); next == person {
		t.Errorf("the copy still has %s", person)
	}
}

// busiest is the person with the most days in the database, and on how many days.
func (b *bed) busiest(database string) (person string, days int) {
	b.t.Helper()
	b.must(json.Unmarshal([]byte(b.python("-c", `
import json, sqlite3, sys
most = "SELECT user_id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
print(json.dumps(sqlite3.connect(sys.argv[1]).execute(most).fetchone()))`, database)), &[]any{&person, &days}))
	return person, days
}

// copyIsTheOracles compares the database with the users exports of the oracle, day by day, until
// today: an export cannot begin after it.
func (b *bed) copyIsTheOracles(database string) {
	b.t.Helper()
	want := map[string]string{}
	for date := range b.oracle.Days(traffic.Full) {
		if date > time.Now().UTC().Format(time.DateOnly) {
			continue
		}
		table, err := b.oracle.Export(oracle.Query{
			Org: traffic.Full, Type: "users", From: date, To: date, ActiveOnly: true, Now: time.Now(), Secret: secret,
		})
		b.must(err)
		person := slices.Index(table.Columns, "user_id")
		messages := slices.Index(table.Columns, "messages_total")
		for _, row := range table.Rows {
			want[date+" "+row[person].Text] = row[messages].Text
		}
	}
	got := map[string]string{}
	b.must(json.Unmarshal([]byte(b.python("-c", `
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT date, user_id, messages FROM messages")
print(json.dumps({f"{date} {user}": str(messages) for date, user, messages in rows}))`, database)), &got))
	if !maps.Equal(got, want) || len(want) < 20 {
		b.t.Errorf("the copy has %d rows, the oracle %d, or they differ:\n%v\n%v", len(got), len(want), got, want)
	}
}

func (b *bed) python(args ...string) string {
	b.t.Helper()
	command := exec.Command("python3", args...)
	command.Env = append(os.Environ(), "ROLLCALL_KEY="+b.key(traffic.Full), "PYTHONIOENCODING=utf-8")
	command.Stderr = b.t.Output()
	out, err := command.Output()
	if err != nil {
		b.t.Fatalf("python3 %s: %v", args[0], err)
	}
	return string(out)
}
