package query

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollcall/schema/tables"
)

func TestNumbersAreExact(t *testing.T) {
	checkRules(t, []rule{
		{
			"ratios are rounded half away from zero",
			func() (events []fields) {
				for i := range 201 { // 201 messages of 40 users: 5.025
					events = append(events, with(message(fmt.Sprint("u", i%40), "2026-10-05T00:00:00", "assistant_id", "a"),
						[]string{"channel", "assistant"}))
				}
				for i := range 3 { // 3 requests, 5 and 2 tokens: 1.67 and 0.67
					events = append(events, fields{
						"type": "token", "model": "m", "user_id": "u1", "assistant_id": "a", "time": "2026-10-05T00:00:00",
						"prompt_tokens": []int{5, 0, 0}[i], "completion_tokens": i % 2 * 2,
					})
				}
				return events
			}(),
			Assistants, func(r *Request) { r.Settings.BYOK = true },
			[]string{
				"messages", "active_users", "messages_per_user", "avg_prompt_tokens", "min_prompt_tokens", "max_prompt_tokens",
				"avg_completion_tokens",
			},
			[]string{"201|40|5.03|1.67|0|5|0.67"},
		},
		{
			"the rate of success has four digits",
			[]fields{
				run("w", "2026-10-05T00:00:00", 1), run("w", "2026-10-05T00:00:00", 2),
				run("w", "2026-10-05T00:00:00", 2, "status", "failed", "error_type", "timeout"),
			},
			Workflows, nil, []string{"success_rate", "avg_duration_ms", "error_to_runs", "trigger_to_runs"},
			[]string{`0.6667|1.67|{"timeout":1}|{}`},
		},
		{
			"costs are exact decimals",
			[]fields{
				token("m", "2026-10-05T00:00:00", "user_id", "u", "cost_usd", "999999999.999999999"),
				token("m", "2026-10-05T00:00:00", "user_id", "u", "cost_usd", "999999999.999999999"),
				token("n", "2026-10-05T00:00:00", "user_id", "u", "cost_usd", "0.1"),
				token("n", "2026-10-05T00:00:00", "user_id", "u", "cost_usd", "0.2"),
				token("o", "2026-10-05T00:00:00", "user_id", "u", "cost_usd", "100"),
			},
			Users, func(r *Request) { r.Settings.BYOK = true }, []string{"total_cost_usd", "model_to_cost_usd"},
			[]string{`2000000100.299999998|{"m":1999999999.999999998,"n":0.3,"o":100}`},
		},
		{
			"no_cache_tokens is never below zero",
			[]fields{
				{"type": "token", "model": "m", "user_id": "u", "time": "2026-10-05T00:00:00", "prompt_tokens": 1,
					"cached_prompt_tokens": 4294967295, "cost_usd": "0"},
			},
			Users, func(r *Request) { r.Settings.BYOK = true },
			[]string{"sum_prompt_tokens", "sum_cached_prompt_tokens", "no_cache_tokens", "model_to_tokens"},
			[]string{`1|4294967295|0|{"m":1}`},
		},
		{
			"of copies that differ the highest version counts, an erased event not at all",
			[]fields{
				{"type": "message", "id": "1", "time": "2026-10-05T00:00:00", "user_id": "loser", "channel": "chat", "version": 2},
				{"type": "message", "id": "1", "time": "2026-10-05T00:00:01", "user_id": "winner", "channel": "project",
					"project_id": "p", "version": 4},
				{"type": "message", "id": "2", "time": "2026-10-05T00:00:00", "user_id": "erased", "channel": "chat", "version": 2},
				{"type": "message", "id": "2", "time": "2026-10-05T00:00:00", "version": 5},
			},
			Users, nil, []string{"user_id", "messages_total", "projects_to_messages"}, []string{`winner|1|{"p":1}`},
		},
	})
}

// A period in any zone counts to the millisecond, whichever of its days are rolled up.
func TestPartialDaysAreReadFromTheLog(t *testing.T) {
	var events []fields
	for i, moment := range []string{
		"2026-10-10T18:29:59.999", "2026-10-10T18:30:00", "2026-10-10T23:59:59.999", "2026-10-11T00:00:00",
		"2026-10-11T23:59:59.999", "2026-10-12T00:00:00", "2026-10-12T18:29:59.999", "2026-10-12T18:30:00",
	} {
		events = append(events, message(fmt.Sprint("u", i), moment))
	}
	b := newBed(t, events...)
	r := request(Users)
	r.Period = mustPeriod("2026-10-11", "2026-10-12", "Asia/Kolkata")
	short := r
	short.Period, _ = WallClockPeriod(
		WallClock{dated("2026-10-10T18:30"), "UTC"}, WallClock{dated("2026-10-10T23:59:59.998"), "UTC"}, now)
	for _, days := range [][]string{nil, {"2026-10-11"}, {"2026-10-10", "2026-10-12"}} {
		b.rollUp(days...)
		if got := b.columns(r, "user_id"); strings.Join(got, " ") != "u1 u2 u3 u4 u5 u6" {
			t.Errorf("after rolling up %v: got %v", days, got)
		}
		if got := b.columns(short, "user_id"); strings.Join(got, " ") != "u1" {
			t.Errorf("within one day, after rolling up %v: got %v", days, got)
		}
	}
}

// The statement fails if its plan is no longer valid, also if it would have no rows. It never
// answers by such a plan.
func TestAStalePlanIsFoundOut(t *testing.T) {
	b := newBed(t, message("u", "2026-10-05T00:00:00"), message("u", "2026-10-06T00:00:00"))
	b.rollUp("2026-10-05")
	r := request(Users)
	plan := b.plan(r)
	b.add(message("v", "2026-10-06T00:00:01"))
	if _, err := b.run(r, plan); !tables.StaleVersion(err) {
		t.Errorf("an event more on a day that is read from the log: %v", err)
	}
	any := r
	any.AnyVersion = true
	if text, err := b.run(any, plan); err != nil || strings.Count(text, "\r\n") != 3 {
		t.Errorf("any version will do: %v, %s", err, text)
	}
	b.rollUp("2026-10-06")
	partial := r
	partial.Period = mustPeriod("2026-10-05", "2026-10-05", "Europe/Berlin")
	plan = b.plan(partial)
	b.add(message("w", "2026-10-05T23:00:00"))
	if _, err := b.run(partial, plan); !tables.StaleVersion(err) {
		t.Errorf("an event more on a rolled-up day that is covered in part: %v", err)
	}
	tagged := r
	tagged.Entities = &tables.EntityState{}
	row := b.conn.QueryRow(context.Background(),
		"SELECT "+tables.EntityStateSQL+" FROM entities FINAL WHERE org_id = '"+org+"'")
	if err := row.Scan(&tagged.Entities.Events, &tagged.Entities.Digest); err != nil {
		t.Fatal(err)
	}
	plan = b.plan(tagged)
	if _, err := b.run(tagged, plan); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	b.add(fields{"kind": "user", "entity_id": "u", "name": "U", "time": "2026-10-01T00:00:00"})
	if _, err := b.run(tagged, plan); !tables.StaleVersion(err) {
		t.Errorf("an entity event more: %v", err)
	}
	if _, err := b.run(r, plan); err != nil {
		t.Errorf("an entity event more, and no tag: %v", err)
	}
	r.Period = mustPeriod("2026-10-06", "2026-10-06", "")
	r.WithoutInactive = true
	plan = b.plan(r)
	if err := b.conn.Exec(context.Background(), "TRUNCATE TABLE message_daily"); err != nil {
		t.Fatal(err)
	}
	if text, err := b.run(r, plan); !tables.Stale(err) {
		t.Errorf("the rollup's rows are gone: %v, %s", err, text)
	}
}

// The test checks the sums of SPEC.md §2.2, Reconciling, and the number of rows, with random usage
// of which some is rolled up.
func TestExportsReconcile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var events []fields
	for range 600 {
		moment := fmt.Sprintf("2026-10-%02dT%02d:00:00", 1+random.IntN(4), random.IntN(24))
		user := pick("u1", "u2", "u3", "ü")
		model := pick("", "m1", "m2")
		thing := []string{
			"assistant_id", pick("", "a1", "a2"), "project_id", pick("", "p1"), "workflow_id", pick("", "w1"),
			"api_key_id", pick("", "k1"),
		}
		switch random.IntN(3) {
		case 0:
			m := message(user, moment, "model", model, "conversation_id", pick("", "c1", "c2"))
			m["channel"] = pick("chat", "assistant", "project", "workflow", "api")
			if with(m, thing); m["channel"] == "assistant" {
				m["assistant_id"] = pick("a1", "a2")
			} else if m["channel"] == "project" {
				m["project_id"] = pick("p1", "p2")
			}
			events = append(events, m)
		case 1:
			events = append(events, with(fields{
				"type": "action", "user_id": user, "time": moment, "action": pick("canvas", "web_search"), "model": model,
			}, thing[:6]))
		case 2:
			e := with(token(pick("m1", "m2"), moment, "user_id", pick("", user), "provider", pick("", "x"), "client",
				pick("", "web")), thing)
			e["prompt_tokens"] = random.IntN(50)
			e["completion_tokens"] = random.IntN(50)
			e["cost_usd"] = fmt.Sprintf("%d.%09d", random.IntN(3), random.IntN(1e9))
			events = append(events, e)
		}
	}
	b := newBed(t, events...)
	b.rollUp("2026-10-02", "2026-10-03")
	sum := func(of Type, group string, columns ...string) *big.Rat {
		r := request(of)
		r.Settings.BYOK = true
		r.GroupBy = group
		total := new(big.Rat)
		for _, row := range b.columns(r, columns...) {
			for _, cell := range strings.Split(row, "|") {
				total.Add(total, numberOrSum(t, cell))
			}
		}
		return total
	}
	requestsWithoutUser := new(big.Rat)
	messagesWithoutModel := new(big.Rat)
	for _, e := range events {
		if e["type"] == "token" && e["user_id"] == "" {
			requestsWithoutUser.Add(requestsWithoutUser, big.NewRat(1, 1))
		}
		if e["type"] == "message" && e["model"] == "" {
			messagesWithoutModel.Add(messagesWithoutModel, big.NewRat(1, 1))
		}
	}
	if billed, cost := sum(Focus, "", "BilledCost"), sum(Models, "", "total_cost_usd"); billed.Cmp(cost) != 0 {
		t.Errorf("focus has a cost of %s, models of %s", billed.FloatString(9), cost.FloatString(9))
	}
	for _, group := range []string{"", "model"} {
		users := func(columns ...string) *big.Rat { return sum(Users, group, columns...) }
		for name, sides := range map[string][2]*big.Rat{
			"messages to assistants": {users("messages_assistants"), sum(Assistants, group, "messages")},
			"messages in projects":   {users("messages_projects"), sum(Projects, "", "messages")},
			"requests": {
				new(big.Rat).Add(users("requests"), requestsWithoutUser), sum(Models, "", "requests"),
			},
			"requests by source":     {sum(Models, "source", "requests"), sum(Models, "deployment", "requests")},
			"assistants_to_messages": {users("assistants_to_messages"), users("messages_assistants")},
			"projects_to_messages":   {users("projects_to_messages"), users("messages_projects")},
			"action_to_messages":     {users("action_to_messages"), users("action_messages")},
			"model_to_messages_total": {
				new(big.Rat).Add(users("model_to_messages_total"), messagesWithoutModel), users("messages_total"),
			},
			"model_to_tokens":   {users("model_to_tokens"), users("sum_prompt_tokens", "sum_completion_tokens")},
			"model_to_cost_usd": {users("model_to_cost_usd"), users("total_cost_usd")},
			"grouped as well as not": {
				users("messages_total", "requests", "action_messages"),
				sum(Users, "", "messages_total", "requests", "action_messages"),
			},
			"requests with an API key":   {sum(APIKeys, group, "requests"), sum(APIKeys, "", "requests")},
			"requests of an assistant's": {sum(Assistants, group, "total_cost_usd"), sum(Assistants, "", "total_cost_usd")},
		} {
			if sides[0].Cmp(sides[1]) != 0 || sides[0].Sign() == 0 {
				t.Errorf("group_by=%q: %s: %s is not %s", group, name, sides[0].FloatString(9), sides[1].FloatString(9))
			}
		}
	}
	for _, of := range Types() {
		r := request(of)
		r.Settings.BYOK = true
		s, err := Count(r, b.plan(r))
		if err != nil {
			t.Fatal(err)
		}
		var rows uint64
		if err := b.conn.QueryRow(s.Context(context.Background()), s.SQL).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if got := len(b.columns(r, "org_id")); uint64(got) != rows {
			t.Errorf("%s: %d rows counted, %d exported", of, rows, got)
		}
		r.Limit = 1
		if got := len(b.columns(r, "org_id")); uint64(got) != min(rows, 1) {
			t.Errorf("%s: %d rows with limit 1", of, got)
		}
	}
}

// numberOrSum returns a number, or the sum of the values of a map.
func numberOrSum(t *testing.T, cell string) *big.Rat {
	if n, ok := new(big.Rat).SetString(cell); ok {
		return n
	}
	var numbers map[string]json.Number
	if err := json.Unmarshal([]byte(cell), &numbers); err != nil {
		t.Fatalf("%v in %s", err, cell)
	}
	total := new(big.Rat)
	for _, n := range numbers {
		value, _ := new(big.Rat).SetString(n.String())
		total.Add(total, value)
	}
	return total
}

func TestAUserWith50000MapKeys(t *testing.T) {
	b := newBed(t)
	if err := b.conn.Exec(context.Background(),
		dated(`INSERT INTO events (org_id, day, type, event_id, version, time, id, user_id, channel, assistant_id, model)
SELECT 'acme', '2026-10-05', 'message', leftPad(toString(number), 16, '0'), 2, '2026-10-05 00:00:00', toString(number), 'u', 'assistant', 'a/' || toString(number % 50000), 'm' || toString(number % 3) FROM numbers(100000)`)); err != nil {
		t.Fatal(err)
	}
	b.add(message("v", "2026-10-05T00:00:00"))
	r := request(Users)
	live := b.export(r)
	b.rollUp("2026-10-05")
	if rolled := b.export(r); rolled != live {
		t.Error("live and rolled up differ")
	}
	r.SpillBytes = 1 << 20
	if spilled := b.export(r); spilled != live {
		t.Error("spilling to disk changes the export")
	}
	cells := b.columns(r, "assistants_messaged", "assistants_to_messages")[0]
	count, text, _ := strings.Cut(cells, "|")
	var keys map[string]int
	if err := json.Unmarshal([]byte(text), &keys); err != nil || count != "50000" || len(keys) != 50000 ||
		keys["a/"+strconv.Itoa(777)] != 2 {
		t.Errorf("%v: %s, %d keys", err, count, len(keys))
	}
	var inOrder []string
	for part := range strings.SplitSeq(strings.Trim(text, "{}"), ",") {
		inOrder = append(inOrder, part)
	}
	if !slices.IsSorted(inOrder) {
		t.Error("the keys are not sorted")
	}
}
