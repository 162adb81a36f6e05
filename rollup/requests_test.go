package rollup

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/schema/tables"
)

// The statements of these tests have the longest lists of parameters. The engine of the tests
// refuses request lines of more than 8 KiB, and values of more than 128 KiB, as a server does.

// A whole batch of slices is recomputed and compared, whatever their orgs are called. An org has at
// most 256 bytes, which may be two in a parameter each.
func TestBatchesOfLongIds(t *testing.T) {
	for name, letters := range map[string][]string{
		"two bytes for one": {`\`, "'", "\x00"}, "others": {"\t", "ä", "\r\n", "𝄞"},
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t)
			const orgs = 256
			var events []event
			for i := range orgs {
				letter := letters[i%len(letters)]
				org := fmt.Sprintf("%02x", i) + strings.Repeat(letter, 254/len(letter))
				events = append(events, event{org: org, day: db.today - 3, id: i})
			}
			db.store(events...)
			db.exec("INSERT INTO marks (org_id, day, writer, seq) SELECT org_id, day, {writer:UUID}, 1 FROM events",
				named("writer", db.writer.String()))
			if n := db.once(); n != orgs {
				t.Fatalf("%d slices were recomputed", n)
			}
			compared, err := db.Verify(db.ctx, Filter{}, func(d Difference) { t.Errorf("differs: %+v", d) }, nil)
			if err != nil || compared != orgs {
				t.Errorf("%d slices were compared: %v", compared, err)
			}
			for _, e := range events[:len(letters)] {
				if n, plan := db.messages(e.org, db.today-9, db.today); n != 1 || len(plan.Generations) != 1 {
					t.Errorf("%q has %d messages by %+v", e.org, n, plan)
				}
			}
		})
	}
}

// generations puts rows of many generations of one slice into a rollup table, each with a manifest.
func (db *database) generations(n, dead int) {
	db.Helper()
	day := (db.today - 3).String()
	db.exec(fmt.Sprintf(`INSERT INTO message_daily (org_id, day, generation, user_id, messages)
		SELECT 'acme', {day:Date}, generateUUIDv7(), 'u0', 1 FROM numbers(%d)`, n), named("day", day))
	db.exec(fmt.Sprintf(`INSERT INTO slices (org_id, day, generation, revision, message_rows, dead)
		SELECT org_id, day, generation, %d, 1, %d FROM message_daily`, tables.Revision, dead))
}

func TestASweepOfManyGenerations(t *testing.T) {
	db := newDatabase(t)
	db.mark(tables.Slice{Org: "acme", Day: db.today - 3})
	db.generations(chunk, 1)
	db.cfg.DeadTime = time.Nanosecond
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"message_daily", "slices"} {
		if n := db.count("SELECT count() FROM " + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// A person may be named by more generations than fit into one parameter.
func TestForgetOfManyGenerations(t *testing.T) {
	db := newDatabase(t)
	db.ingest(event{org: "acme", day: db.today - 3, id: 0}, event{org: "acme", day: db.today - 3, id: 1})
	db.once()
	db.generations(4000, 0)
	if err := db.Forget(db.ctx, []byte("secret"), "acme", "u0", nil); err != nil {
		t.Fatal(err)
	}
	if n := db.count("SELECT count() FROM message_daily WHERE user_id = 'u0'"); n != 0 {
		t.Errorf("%d rows name the person", n)
	}
	if n, _ := db.messages("acme", db.today-3, db.today); n != 1 {
		t.Errorf("%d messages are left, want 1", n)
	}
}
