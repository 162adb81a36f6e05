package tables_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A guard counts in a scalar subquery the rows that the statement reads elsewhere. Both must see
// the same state, whatever is written between them. The same holds for the two reads of a plan.
func TestOneStatementSeesOneStateOfATable(t *testing.T) {
	db := newDatabase(t)
	day := db.today
	db.exec("CREATE TABLE numbered (a UInt64) ENGINE = MergeTree ORDER BY a")
	const wait = "(SELECT toUInt64(sum(sleepEachRow(0.5))) FROM numbers(3))"
	for name, query := range map[string]string{
		"scalar, then read": "WITH (SELECT count() FROM events WHERE org_id = 'acme') AS first, " + wait +
			" AS w SELECT first, sum(1 + w) FROM events WHERE org_id = 'acme'",
		"scalar, then count": "WITH (SELECT count() FROM events WHERE org_id = 'acme') AS first, " + wait +
			" AS w SELECT first, count() FROM events WHERE org_id = 'acme' AND prompt_tokens = w",
		"count by the key alone": "WITH (SELECT count() FROM events WHERE org_id = 'acme') AS first, " + wait +
			" AS w SELECT first, count() FROM events WHERE org_id = if(w = 0, 'acme', '')",
		"count of a range of keys": "WITH (SELECT count() FROM numbered WHERE a < 1000) AS first, " + wait +
			" AS w SELECT first, count() FROM numbered WHERE a < 1000 + w",
		"count of all": "WITH (SELECT sum(1 + prompt_tokens) FROM events) AS first, " + wait +
			" AS w SELECT first, (SELECT count() FROM events) FROM events WHERE prompt_tokens = w LIMIT 1",
		"read, then scalar":                       "SELECT sum(1 + prompt_tokens), any((SELECT count() FROM events WHERE org_id = 'acme' AND prompt_tokens = " + wait + ")) FROM events WHERE org_id = 'acme'",
		"two arms of a union, FINAL":              "SELECT min(n), max(n) FROM (SELECT count() AS n FROM events FINAL WHERE org_id = 'acme' UNION ALL SELECT count() FROM events FINAL WHERE org_id = 'acme' AND prompt_tokens IN " + wait + ")",
		"a scalar over a union, FINAL, then read": "WITH " + wait + " AS w, (SELECT sum(n) FROM ((SELECT count() AS n FROM events WHERE org_id = 'acme') UNION ALL (SELECT count() FROM events FINAL WHERE org_id = 'nobody'))) AS first SELECT first, sum(1 + w) FROM events WHERE org_id = 'acme'",
	} {
		for _, change := range []string{
			"INSERT INTO events (org_id, day, type, event_id) SELECT 'acme', '" + day.String() + "', 'message', 'new'",
			"DELETE FROM events WHERE event_id = 'new'",
		} {
			db.exec("TRUNCATE TABLE events")
			db.events("acme", day, 0, 100, 2)
			db.exec("TRUNCATE TABLE numbered")
			db.exec("INSERT INTO numbered SELECT number FROM numbers(100)")
			also := "INSERT INTO numbered VALUES (999)"
			want := 100
			if strings.HasPrefix(change, "DELETE") {
				db.exec("INSERT INTO events (org_id, day, type, event_id) SELECT 'acme', '" + day.String() + "', 'message', 'new'")
				db.exec(also)
				want = 101
				also = "DELETE FROM numbered WHERE a = 999"
			}
			got := make(chan string)
			go func() {
				var first, second uint64
				err := db.QueryRow(db.ctx, query).Scan(&first, &second)
				got <- fmt.Sprint(first, second, err)
			}()
			for deadline := time.Now().Add(10 * time.Second); db.text("SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%system.processes%'") == "0"; {
				if time.Now().After(deadline) {
					t.Fatalf("%s: the query was not seen to run", name)
				}
			}
			db.exec(change)
			db.exec(also)
			if text := <-got; text != fmt.Sprint(want, want, nil) {
				t.Errorf("%s, with %.6s meanwhile: %s, want %d twice", name, change, text, want)
			}
		}
	}
}
