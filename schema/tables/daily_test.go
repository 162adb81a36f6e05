package tables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rollcall/schema/tables"
)

// Every rollup is computed from one log that has everything that could be counted wrongly: copies
// that lost, tombstones, redeliveries, other types, orgs and days, absent fields, limits.
func TestDailyRowsAreWhatTheLogSays(t *testing.T) {
	db := newDatabase(t)
	day := db.today - 1
	insert := func(columns, values string) {
		db.exec(fmt.Sprintf("INSERT INTO events (org_id, day, time, type, event_id, version, %s) VALUES %s", columns,
			strings.ReplaceAll(values, "DAY", "'"+day.String()+"'")))
	}
	const message = "user_id, channel, model, conversation_id, assistant_id"
	insert(message,
		`('acme', DAY, 0, 'message', 'm1', 2, 'u1', 'chat', 'gpt', 'c1', ''), ('acme', DAY, 0, 'message', 'm2', 2, 'u1', 'chat', 'gpt', 'c1', ''),
		('acme', DAY, 0, 'message', 'm3', 2, 'u1', 'chat', 'gpt', 'c2', ''), ('acme', DAY, 0, 'message', 'm4', 2, 'u1', 'chat', '', '', ''),
		('acme', DAY, 0, 'message', 'm5', 2, 'u1', 'assistant', 'gpt', 'c1', 'a1'), ('acme', DAY, 0, 'message', 'm6', 2, 'u2', 'chat', 'gpt', 'c9', ''),
		('acme', DAY, 0, 'message', 'm7', 2, 'u3', 'chat', 'gpt', 'c1', ''), ('globex', DAY, 0, 'message', 'm1', 2, 'u1', 'chat', 'gpt', 'c1', '')`)
	// redelivered; another copy wins
	insert(message,
		`('acme', DAY, 0, 'message', 'm1', 2, 'u1', 'chat', 'gpt', 'c1', ''), ('acme', DAY, 0, 'message', 'm6', 4, 'u1', 'chat', 'gpt', 'c3', '')`)
	// erased
	insert("user_id", "('acme', DAY, 0, 'message', 'm7', 18446744073709551615, '')")
	insert("user_id, action, model",
		`('acme', DAY, 0, 'action', 'm1', 2, 'u1', 'canvas', 'gpt'), ('acme', DAY, 0, 'action', 'x2', 2, 'u1', 'canvas', 'gpt'), ('acme', DAY, 0, 'action', 'x3', 2, 'u1', 'Jira_Search for issues', '')`)
	insert("user_id, api_key_id, model, byok, client, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd", `
		('acme', DAY, 0, 'token', 't1', 2, 'u1', '', 'gpt', true, 'web', 4294967295, 7, 3, 1, 1000000000), ('acme', DAY, 0, 'token', 't2', 2, 'u1', '', 'gpt', true, 'web', 4294967295, 0, 4, 0, '0.000000001'),
		('acme', DAY, 0, 'token', 't3', 2, '', 'k1', 'gpt', false, 'api', 0, 0, 0, 0, 0)`)
	insert("workflow_id, user_id, status, error_type, trigger, duration_ms",
		`('acme', DAY, 0, 'workflow_run', 'w1', 2, 'w', '', 'succeeded', '', 'manual', 0),
		('acme', DAY, 0, 'workflow_run', 'w2', 2, 'w', '', 'succeeded', '', 'manual', 100), ('acme', DAY, 0, 'workflow_run', 'w3', 2, 'w', '', 'succeeded', '', 'manual', 101),
		('acme', DAY, 0, 'workflow_run', 'w4', 2, 'w', '', 'succeeded', '', 'manual', 4294967295), ('acme', DAY, 0, 'workflow_run', 'w5', 2, 'w', 'u1', 'failed', 'timeout', 'schedule', 5),
		('acme', DAY, 0, 'workflow_run', 'w6', 2, 'w', 'u1', 'failed', 'timeout', 'schedule', 5)`)

	for _, c := range []struct {
		daily tables.Daily
		shown string
		want  []string
	}{
		{tables.Messages, "user_id, channel, model, assistant_id, messages, finalizeAggregation(conversations)",
			[]string{"('u1','assistant','gpt','a1',1,1)", "('u1','chat','','',1,0)", "('u1','chat','gpt','',4,3)"}},
		{tables.Actions, "user_id, action, model, messages",
			[]string{"('u1','Jira_Search for issues','',1)", "('u1','canvas','gpt',2)"}},
		{tables.Tokens, "user_id, api_key_id, model, byok, client, " + tables.Tokens.Names(), []string{
			"('','k1','gpt',false,'api',1,0,0,0,0,0,0,0,0,0)",
			"('u1','','gpt',true,'web',2,8589934590,7,7,1,1000000000.000000001,4294967295,4294967295,0,7)"}},
		{tables.Workflows,
			"workflow_id, user_id, status, error_type, trigger, duration_bucket, runs, duration_ms_sum, duration_ms_max",
			[]string{
				"('w','','succeeded','','manual',0,1,0,0)", "('w','','succeeded','','manual',100,1,100,100)",
				"('w','','succeeded','','manual',101,1,101,101)",
				"('w','','succeeded','','manual',1867,1,4294967295,4294967295)",
				"('w','u1','failed','timeout','schedule',5,2,10,5)"}},
	} {
		where := fmt.Sprintf("org_id = 'acme' AND day = '%s'", day)
		want := strings.Join(c.want, "\n")
		query := "SELECT arrayStringConcat(groupArray(row), '\n') FROM (SELECT toString((" + c.shown +
			")) AS row FROM (%s) ORDER BY row)"
		if got := db.text(fmt.Sprintf(query, c.daily.FromLog(where))); got != want {
			t.Errorf("%s from the log:\n%s\nwant\n%s", c.daily.Table, got, want)
		}
		db.exec(c.daily.Insert(where), named("orgs", []string{"acme"}), named("days", []string{day.String()}),
			named("generations", []string{"01900000-0000-7000-8000-000000000001"}))
		if got := db.text(fmt.Sprintf(query,
			c.daily.Rolled(where+" AND generation = '01900000-0000-7000-8000-000000000001'"))); got != want {
			t.Errorf("%s rolled up:\n%s\nwant\n%s", c.daily.Table, got, want)
		}
	}
}

// FromLog compares the type before FINAL has dropped the copies that lost. So all copies of an
// event must have it in common: it must be a column of the log's key.
func TestTheTypeIsPartOfTheLogsKey(t *testing.T) {
	db := newDatabase(t)
	key := db.text("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 'events'")
	if key != "org_id, day, type, event_id" {
		t.Errorf("the log is ordered by %s", key)
	}
}

// p95 is computed from buckets. So no bucket may span more than 1 %, at any duration, and a longer
// run is never in a lower bucket.
func TestDurationBucketsAreOnePercentWide(t *testing.T) {
	db := newDatabase(t)
	db.exec("CREATE TABLE durations (duration_ms UInt32) ENGINE = MergeTree ORDER BY duration_ms")
	db.exec(`INSERT INTO durations SELECT number FROM numbers(20000) UNION ALL SELECT toUInt32(exp(number / 20000.0)) FROM numbers(443614) UNION ALL SELECT 4294967295 - number FROM numbers(1000)`)
	at := slices.IndexFunc(tables.Workflows.Keys, func(k tables.Key) bool { return k.Name == "duration_bucket" })
	bucket := tables.Workflows.Keys[at].Log + " AS duration_bucket"
	if wide := db.text("SELECT count() FROM (SELECT " + bucket +
		", min(duration_ms) AS a, max(duration_ms) AS b FROM durations GROUP BY duration_bucket HAVING b > a * 1.0101)"); wide != "0" {
		t.Errorf("%s buckets are too wide", wide)
	}
	if back := db.text("SELECT count() FROM (SELECT " + bucket +
		", lagInFrame(duration_bucket) OVER (ORDER BY duration_ms) AS before FROM durations) WHERE duration_bucket < before"); back != "0" {
		t.Errorf("%s times a longer run has a lower bucket", back)
	}
}
