package rollup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// population is the data that the erasure tests start with: three persons on several days, rolled
// up twice, with conflicting copies, entities and rejects.
func population(db *database) {
	var events []event
	for d := range schema.Day(4) {
		for i := range 12 {
			for _, typ := range []string{"message", "action", "token", "workflow_run"} {
				events = append(events, event{org: "acme", day: db.today - 3 - d*20, typ: typ, id: i},
					event{org: "globex", day: db.today - 3 - d*20, typ: typ, id: i})
			}
		}
	}
	db.ingest(events...)
	db.once()
	// Copies that name two persons: the copy of u0 loses on event 100, and wins on event 101.
	db.ingest(event{org: "acme", day: db.today - 3, id: 100, user: "u0", version: 10},
		event{org: "acme", day: db.today - 3, id: 100, user: "u1", version: 20},
		event{org: "acme", day: db.today - 3, id: 101, user: "u0", version: 20},
		event{org: "acme", day: db.today - 3, id: 101, user: "u1", version: 10})
	db.once()
	entity := func(org, id, kind, entity, name, owner string) {
		db.exec(`INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, owner_id, company_name, license_type, status, group_ids)
			SELECT {org:String}, '2026-01-05', {id:String}, 40, {kind:String}, {entity:String}, '2026-01-05 10:00:00', 'crm', {id:String}, {name:String}, concat({entity:String}, '@x.org'), {owner:String},
				concat('company of ', {entity:String}), concat('license of ', {entity:String}), 'suspended', ['g0', 'g1', concat('group of ', {entity:String})]`,
			clickhouse.Named("org", org), clickhouse.Named("id", id), clickhouse.Named("kind", kind),
			clickhouse.Named("entity", entity), clickhouse.Named("name", name), clickhouse.Named("owner", owner))
	}
	for _, org := range []string{"acme", "globex"} {
		for n := range 3 {
			entity(org, fmt.Sprintf("e-%d", n), "user", fmt.Sprintf("u%d", n), "Name", []string{"", "", "u0"}[n])
			entity(org, fmt.Sprintf("a-%d", n), "assistant", fmt.Sprintf("a%d", n), "Assistant", fmt.Sprintf("u%d", n))
			entity(org, fmt.Sprintf("g-%d", n), "group", fmt.Sprintf("g%d", n), "Group", fmt.Sprintf("u%d", n))
		}
	}
	for n, r := range []struct{ org, user, value, header string }{
		{"acme", "u0", "{}", ""}, {"acme", "", `{"data":{"user_id":"u0"}`, ""}, {"", "", `{"owner_id":"u0"`, ""},
		{"acme", "", "", "u0"}, {"", "", "", "/users/u0?x=1"},
		{"acme", "u1", "{}", ""}, {"acme", "", `{"user_id":"u01"}`, ""}, {"globex", "u0", `"u0"`, "u0"},
		{"acme", "", "", "u01"}, {"acme", "", "", "/users/mu0"},
	} {
		db.exec(`INSERT INTO rejects (topic, partition, offset, value_sha256, rejected_at, record_time, reason, org_id, user_id, value, headers)
			SELECT 't', 0, {n:Int64}, '', now64(3) - toIntervalSecond(5), now64(3), 'missing_field', {org:String}, {user:String}, {value:String}, [('h', {header:String})]`,
			clickhouse.Named("n", n), clickhouse.Named("org", r.org), clickhouse.Named("user", r.user),
			clickhouse.Named("value", r.value), clickhouse.Named("header", r.header))
	}
}

// theirRejects is how many of population's rejects name u0: the first ones.
const theirRejects = 5

// others digests, per table, all that exports read of everybody but u0 of acme.
func others(db *database) map[string]string {
	db.Helper()
	all := map[string]string{}
	for _, org := range []string{"acme", "globex"} {
		for _, d := range tables.Dailies() {
			var text string
			query := "SELECT hex(SHA256(toString(groupArray(t)))) FROM (SELECT (org_id, day, " + d.KeyNames() + ", " +
				strings.ReplaceAll(d.Names(), "conversations", "finalizeAggregation(conversations)") + ") AS t FROM (" +
				d.FromLog("org_id = '"+org+"'") + ") WHERE NOT (org_id = 'acme' AND user_id = 'u0') ORDER BY org_id, day, " +
				d.KeyNames() + ")"
			if err := db.conn.QueryRow(db.ctx, query).Scan(&text); err != nil {
				db.Fatal(err)
			}
			all[org+" "+d.Table] = text
		}
	}
	for _, query := range []string{
		"SELECT toString(groupArray((org_id, kind, entity_id, name, email, if(org_id = 'acme' AND owner_id = 'u0', '', owner_id), company_name, license_type, status, group_ids))) FROM (SELECT * FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND NOT (org_id = 'acme' AND kind = 'user' AND entity_id = 'u0') ORDER BY org_id, kind, entity_id)",
		fmt.Sprintf("SELECT toString(groupArray(offset)) FROM (SELECT offset FROM rejects FINAL WHERE offset >= %d ORDER BY offset)", theirRejects),
	} {
		var text string
		if err := db.conn.QueryRow(db.ctx, query).Scan(&text); err != nil {
			db.Fatal(err)
		}
		all[query[:40]] = text
	}
	return all
}

func unchanged(t *testing.T, before, after map[string]string) {
	t.Helper()
	for table := range before {
		if before[table] != after[table] {
			t.Errorf("others changed in %s: from %.900s to %.900s", table, before[table], after[table])
		}
	}
}

// gone fails the test if u0 of acme is left in any table, in any copy or generation.
func gone(db *database) {
	db.Helper()
	for _, query := range []string{
		"SELECT count() FROM events WHERE org_id = 'acme' AND user_id = 'u0'",
		"SELECT count() FROM message_daily WHERE org_id = 'acme' AND user_id = 'u0'",
		"SELECT count() FROM action_daily WHERE org_id = 'acme' AND user_id = 'u0'",
		"SELECT count() FROM token_daily WHERE org_id = 'acme' AND user_id = 'u0'",
		"SELECT count() FROM workflow_daily WHERE org_id = 'acme' AND user_id = 'u0'",
		"SELECT count() FROM entities WHERE org_id = 'acme' AND (entity_id = 'u0' OR owner_id = 'u0' OR email = 'u0@x.org' OR company_name = 'company of u0' OR license_type = 'license of u0' OR has(group_ids, 'group of u0'))",
		"SELECT count() FROM entities WHERE org_id = 'acme' AND entity_id = '' AND (company_name != '' OR license_type != '' OR status != 'active' OR group_ids != [])",
		fmt.Sprintf("SELECT count() FROM rejects WHERE offset < %d", theirRejects),
	} {
		if n := db.count(query); n != 0 {
			db.Errorf("%d rows: %s", n, query)
		}
	}
}

func TestForgetRemovesOnePersonAndNothingElse(t *testing.T) {
	db := newDatabase(t)
	population(db)
	before := others(db)
	all, _ := db.messages("acme", db.today-100, db.today)
	if err := db.Forget(db.ctx, []byte("secret"), "acme", "u0", nil); err != nil {
		t.Fatal(err)
	}
	gone(db)
	unchanged(t, before, others(db))
	// 4 days of 4 messages, and the event of which the copy of u0 won.
	if n, plan := db.messages("acme", db.today-100, db.today); n != all-17 || len(plan.Live) != 0 {
		t.Errorf("%d messages of %d, live %v", n, all, plan.Live)
	}
	replayed := []event{{org: "acme", day: db.today - 3, id: 3, user: "u0"}, {
		org: "acme", day: db.today - 3, id: 101, user: "u0", version: 20,
	}, {org: "acme", day: db.today - 3, id: 101, user: "u1", version: 10},
		{org: "acme", day: db.today - 3, id: 100, user: "u1", version: 20}}
	db.ingest(replayed...) // as an ingest does that has not read the erasure list yet
	if n, _ := db.messages("acme", db.today-100, db.today); n != all-17 {
		t.Errorf("a replay brought %d messages back", n-(all-17))
	}
	// A third copy above the erased one holds: it is another person's, and the order of arrival
	// decides nothing.
	db.ingest(event{org: "acme", day: db.today - 3, id: 101, user: "u2", version: 30})
	if n, _ := db.messages("acme", db.today-100, db.today); n != all-16 {
		t.Errorf("a copy above the erased one brought %d messages, want 1", n-(all-17))
	}
	hash := schema.PersonHash([]byte("secret"), "acme", "u0")
	if n := db.count("SELECT count() FROM erasures FINAL WHERE org_id = 'acme' AND user_hash = unhex({h:String}) AND done_at > erased_at - 5", clickhouse.Named("h", fmt.Sprintf("%x", hash))); n != 1 {
		t.Errorf("%d finished erasures, want 1", n)
	}
	compared, err := db.Verify(db.ctx, Filter{}, func(d Difference) { t.Errorf("%+v", d) }, nil)
	if err != nil || compared == 0 {
		t.Errorf("verify: %d compared, %v", compared, err)
	}
}

// Each call of Forget gets one step further than the one before and is killed there. It starts from
// the state that the earlier calls left, which is the state after a first call that was killed at
// that step.
func TestForgetKilledAtEveryStepGoesOn(t *testing.T) {
	db := newDatabase(t)
	population(db)
	before := others(db)
	for step := 1; step <= 8; step++ {
		ctx, cancel := context.WithCancel(db.ctx)
		err := db.Forget(ctx, []byte("secret"), "acme", "u0", func(done, _ int) {
			if done == step {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("killed after step %d: %v", step, err)
		}
		unchanged(t, before, others(db))
		if done := db.count("SELECT countIf(done_at > '1971-01-01') FROM erasures FINAL"); done != 0 {
			t.Errorf("killed after step %d: the erasure counts as done", step)
		}
	}
	if err := db.another().Forget(db.ctx, []byte("secret"), "acme", "u0", nil); err != nil {
		t.Fatal(err)
	}
	gone(db)
	unchanged(t, before, others(db))
}

// A stored event is erased even if its time is in the future. Ingest must recognize it when it
// arrives again, also if a first call was killed after it had deleted the rows from which the ids
// are read. What the person does later is theirs: once, an assistant that was described for 2199
// made Forget erase all of the person's events until then.
func TestForgetErasesWhatLiesAheadAndNothingToCome(t *testing.T) {
	for what, c := range map[string]struct{ table, insert, left string }{
		"an event": {
			"events", "INSERT INTO events (org_id, day, event_id, version, time, type, user_id) SELECT %s, 'message', 'u0'",
			"user_id = 'u0'",
		},
		"what they were": {
			"entities", "INSERT INTO entities (org_id, day, event_id, version, time, kind, entity_id) SELECT %s, 'user', 'u0'",
			"entity_id = 'u0'",
		},
		"what they own": {
			"entities",
			"INSERT INTO entities (org_id, day, event_id, version, time, kind, entity_id, owner_id) SELECT %s, 'assistant', 'a9', 'u0'", "owner_id = 'u0'",
		},
	} {
		db := newDatabase(t)
		ahead := "'acme', '2099-01-01', '0123456789abcdef', 40, toDateTime64('2099-01-01 00:00:00', 3, 'UTC')"
		db.exec(fmt.Sprintf(c.insert, ahead))
		db.exec("INSERT INTO erasures (org_id, user_hash, erased_at, updated_at) SELECT 'acme', unhex({h:String}), toDateTime64('2199-01-01 00:00:00', 3, 'UTC'), now64(3) + toIntervalHour(1)",
			// as an older version left it, on an engine whose clock was ahead
			clickhouse.Named("h", fmt.Sprintf("%x", schema.PersonHash([]byte("secret"), "acme", "u0"))))
		ctx, cancel := context.WithCancel(db.ctx)
		_ = db.Forget(ctx, []byte("secret"), "acme", "u0", func(done, _ int) {
			if done == 7 { // the rows are deleted
				cancel()
			}
		})
		if err := db.Forget(db.ctx, []byte("secret"), "acme", "u0", nil); err != nil {
			t.Fatal(err)
		}
		if n := db.count("SELECT count() FROM " + c.table + " WHERE " + c.left); n != 0 {
			t.Errorf("%s: %d rows are left", what, n)
		}
		if n := db.count("SELECT count() FROM erasures FINAL WHERE erased_at > now64(3) - 60 AND erased_at <= now64(3) AND ahead = ['0123456789abcdef'] AND done_at > erased_at - 60"); n != 1 {
			t.Errorf("%s: the list does not say that the erasure ends now and has the event by its id", what)
		}
	}
}

// A recompute that reads the marks of an erasure must find its tombstones in the log. Ingest must
// know of the erasure before Forget looks for the rows that ingest stored.
func TestForgetMarksWhatIsBuried(t *testing.T) {
	db := newDatabase(t)
	worker, conn := db.stepped()
	db.ingest(oneOfEach("acme", db.today-3, 1, 2, 3)...)
	db.once()
	seen := map[string]uint64{}
	conn.before = func(_ int, text string) {
		switch {
		case strings.HasPrefix(text, "INSERT INTO marks"):
			seen["left when it is marked"] = 1 +
				db.count("SELECT count() FROM events FINAL WHERE user_id = 'u1' AND bitAnd(version, 1) = 0")
		case strings.HasPrefix(text, "INSERT INTO events"):
			seen["listed when it is buried"] = 1 + db.count("SELECT count() FROM erasures")
		case strings.HasPrefix(text, "ALTER TABLE events DELETE"):
			seen["buried when it is deleted"] = 1 + db.count("SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 1")
		}
	}
	if err := worker.Forget(db.ctx, []byte("secret"), "acme", "u1", nil); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen["left when it is marked"] != 1 || seen["listed when it is buried"] != 2 ||
		seen["buried when it is deleted"] != 5 {
		t.Errorf("%v (each one more than it is)", seen)
	}
	db.judge("forgotten", "acme", db.today-3, db.today-3)
}

func TestForgetRefuses(t *testing.T) {
	db := newDatabase(t)
	for name, args := range map[string][3]string{
		"no secret": {"", "acme", "u0"}, "no org": {"s", "", "u0"}, "no user": {"s", "acme", ""},
	} {
		if err := db.Forget(db.ctx, []byte(args[0]), args[1], args[2], nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if n := db.count("SELECT count() FROM erasures"); n != 0 {
		t.Errorf("%d erasures were listed", n)
	}
}
