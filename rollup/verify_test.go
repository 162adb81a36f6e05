package rollup

import (
	"fmt"
	"slices"
	"testing"

	"rollcall/schema"
)

func TestVerifyNamesEveryDifference(t *testing.T) {
	db := newDatabase(t)
	db.cfg.BatchSlices = 4 // several batches
	var events []event
	for _, org := range []string{"acme", "globex"} {
		for d := range schema.Day(6) {
			for i := range 3 {
				for _, typ := range []string{"message", "action", "token", "workflow_run"} {
					events = append(events, event{org: org, day: db.today - 3 - 7*d, typ: typ, id: i})
				}
			}
		}
	}
	db.ingest(events...)
	db.once()
	verify := func(f Filter) (int, []string) {
		var found []string
		n, err := db.Verify(db.ctx, f, func(d Difference) {
			found = append(found, fmt.Sprintf("%s %s %s: %s|%s|%s", d.Org, d.Day, d.Table, d.Key, d.Rolled, d.Log))
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(found)
		return n, found
	}
	if n, found := verify(Filter{}); n != 12 || len(found) != 0 {
		t.Fatalf("%d slices compared, differences %q", n, found)
	}
	var want []string
	for i, spoil := range []struct {
		statement string
		key       string // the differing row, as far as it is the same on every day
		rolled    string
		log       string
	}{
		{ // an additional row
			"INSERT INTO action_daily SELECT * REPLACE ('nobody' AS user_id) FROM (SELECT * FROM action_daily WHERE org_id = 'acme' AND day = '%s' AND user_id = 'u0' AND assistant_id = 'a0')",
			"action_daily: user_id=nobody action=canvas model=gpt assistant_id=a0 project_id= workflow_id=w1", "messages=1", ""},
		{ // a row twice
			"INSERT INTO action_daily SELECT * FROM action_daily WHERE org_id = 'acme' AND day = '%s' AND user_id = 'u0' AND assistant_id = 'a0'",
			"action_daily: user_id=u0 action=canvas model=gpt assistant_id=a0 project_id= workflow_id=w1", "messages=2",
			"messages=1"},
		{ // a row missing
			"ALTER TABLE token_daily DELETE WHERE org_id = 'acme' AND day = '%s' AND user_id = 'u0' AND assistant_id = 'a0' SETTINGS mutations_sync = 2",
			"token_daily: user_id=u0 api_key_id= model=gpt provider= deployment= byok=false client=web assistant_id=a0 project_id= workflow_id=w1", "",
			"requests=1 prompt_tokens=0 completion_tokens=7 cached_prompt_tokens=0 cache_creation_tokens=0 cost_usd=0 prompt_tokens_min=0 prompt_tokens_max=0 completion_tokens_min=7 completion_tokens_max=7"},
		{ // a wrong sum
			"ALTER TABLE workflow_daily UPDATE duration_ms_sum = 1 WHERE org_id = 'acme' AND day = '%s' AND user_id = 'u2' AND duration_ms_max = 200 SETTINGS mutations_sync = 2",
			"workflow_daily: workflow_id=w1 user_id=u2 status=succeeded error_type= trigger= duration_bucket=170",
			"runs=1 duration_ms_sum=1 duration_ms_max=200", "runs=1 duration_ms_sum=200 duration_ms_max=200"},
		{ // another set of the same size
			"ALTER TABLE message_daily UPDATE conversations = arrayReduce('uniqExactState', ['x']) WHERE org_id = 'acme' AND day = '%s' AND user_id = 'u0' AND assistant_id = 'a0' SETTINGS mutations_sync = 2",
			"message_daily: user_id=u0 channel=assistant model=gpt assistant_id=a0 project_id= workflow_id=w1 api_key_id=",
			"messages=1 conversations=1", "messages=1 conversations=1"},
		{ // a row of the log without a mark
			"INSERT INTO events SELECT * REPLACE ('new' AS id, '0000000000009999' AS event_id) FROM (SELECT * FROM events WHERE org_id = 'acme' AND day = '%s' AND type = 'action' AND id = 'action-0')",
			"action_daily: user_id=u0 action=canvas model=gpt assistant_id=a0 project_id= workflow_id=w1", "messages=1",
			"messages=2"},
	} {
		day := db.today - 3 - 7*schema.Day(i)
		db.exec(fmt.Sprintf(spoil.statement, day))
		want = append(want, fmt.Sprintf("acme %s %s|%s|%s", day, spoil.key, spoil.rolled, spoil.log))
	}
	slices.Sort(want)
	if n, found := verify(Filter{}); n != 12 || !slices.Equal(found, want) {
		t.Errorf("%d compared, found\n%q, want\n%q", n, found, want)
	}
	if n, found := verify(Filter{Org: "globex"}); n != 6 || len(found) != 0 {
		t.Errorf("another org: %d compared, %q", n, found)
	}
	if _, err := db.Rebuild(db.ctx, Filter{Org: "acme"}, nil); err != nil {
		t.Fatal(err)
	}
	if n, found := verify(Filter{}); n != 12 || len(found) != 0 {
		t.Errorf("after a rebuild: %d slices compared, differences %q", n, found)
	}
}

func TestDuplicatesReportsIdsOnTwoDays(t *testing.T) {
	db := newDatabase(t)
	db.ingest(event{org: "acme", day: db.today - 3, id: 1}, event{org: "acme", day: db.today - 2, id: 1},
		event{org: "acme", day: db.today - 70, id: 1},
		event{org: "acme", day: db.today - 3, id: 2}, event{org: "acme", day: db.today - 3, id: 2}, // the same day: one event
		event{org: "globex", day: db.today - 2, id: 2}, // another org
		event{org: "acme", day: db.today - 2, id: 3, version: 3*1_000_003<<8 | 2 | schema.Erased},
		event{org: "acme", day: db.today - 4, id: 3})
	var found []string
	report := func(d Duplicate) { found = append(found, fmt.Sprint(d)) }
	if err := db.Duplicates(db.ctx, Filter{}, report); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(Duplicate{
		"acme", "message", "test", "message-1", []schema.Day{db.today - 70, db.today - 3, db.today - 2},
	})
	if len(found) != 1 || found[0] != want {
		t.Errorf("found %q, want %q", found, want)
	}
	found = nil
	if err := db.Duplicates(db.ctx, Filter{From: db.today - 2}, report); err != nil || len(found) != 0 {
		t.Errorf("in one day: %q, %v", found, err)
	}
}
