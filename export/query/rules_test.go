package query

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule is one sentence of SPEC.md §2.2 to §2.5: events, a request, and the cells that must
// result.
type rule struct {
	name   string
	events []fields
	of     Type
	edit   func(*Request)
	cells  []string // the columns that are compared
	want   []string // a row's cells, joined by |
}

func checkRules(t *testing.T, rules []rule) {
	t.Helper()
	for _, c := range rules {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, c.events...)
			r := request(c.of)
			if c.edit != nil {
				c.edit(&r)
			}
			if got := b.columns(r, c.cells...); !slices.Equal(got, c.want) {
				t.Errorf("want\n%s\ngot\n%s", strings.Join(c.want, "\n"), strings.Join(got, "\n"))
			}
		})
	}
}

func message(user, time string, more ...string) fields {
	return with(fields{"type": "message", "user_id": user, "time": time, "channel": "chat"}, more)
}

func token(model, time string, more ...string) fields {
	return with(fields{"type": "token", "model": model, "time": time}, more)
}

func run(workflow, time string, ms int, more ...string) fields {
	return with(fields{
		"type": "workflow_run", "workflow_id": workflow, "time": time, "status": "succeeded", "duration_ms": ms,
		"run_id": "r",
	}, more)
}

// entity describes an entity from time on.
func entity(kind, id, time string, more ...string) fields {
	return with(fields{"kind": kind, "entity_id": id, "time": time}, more)
}

func deleted(kind, id, time string) fields {
	return fields{"kind": kind, "entity_id": id, "time": time, "deleted": true}
}

// with adds fields: key, value, key, value …
func with(f fields, more []string) fields {
	for i := 0; i+1 < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return f
}

func TestRowsAreThoseWithUsageAndTheKnown(t *testing.T) {
	active := func(r *Request) { r.WithoutInactive = true }
	checkRules(t, []rule{
		{
			"of users: by joined_at, else by the first event; not those deleted throughout",
			[]fields{
				entity("user", "joined-on-the-last-day", "2026-11-05T00:00:00", "joined_at", "2026-10-31"),
				entity("user", "joined-later", "2026-01-01T00:00:00", "joined_at", "2026-11-01"),
				entity("user", "first-in-the-last-millisecond", "2026-10-31T23:59:59.999"),
				entity("user", "first-later", "2026-11-01T00:00:00"),
				entity("user", "deleted-before", "2026-01-01T00:00:00"), deleted("user", "deleted-before", "2026-10-01T00:00:00"),
				entity("user", "deleted-within", "2026-01-01T00:00:00"),
				deleted("user", "deleted-within", "2026-10-01T00:00:00.001"),
				entity("user", "back-within", "2026-01-01T00:00:00"), deleted("user", "back-within", "2026-02-01T00:00:00"),
				entity("user", "back-within", "2026-10-31T00:00:00"),
				entity("user", "back-later", "2026-01-01T00:00:00"), deleted("user", "back-later", "2026-02-01T00:00:00"),
				entity("user", "back-later", "2026-11-01T00:00:00"),
				deleted("user", "only-ever-deleted", "2026-10-05T00:00:00"),
				entity("assistant", "not-a-user", "2026-01-01T00:00:00"),
				entity("user", "deleted-but-active", "2026-01-01T00:00:00", "name", "Still me"),
				deleted("user", "deleted-but-active", "2026-02-01T00:00:00"),
				message("deleted-but-active", "2026-10-05T00:00:00"), message("unknown", "2026-10-05T00:00:00"),
				with(message("other-org", "2026-10-05T00:00:00"), []string{"org_id", "other"}),
			},
			Users, nil, []string{"user_id", "name", "messages_total", "messages_total_rank"},
			[]string{
				"deleted-but-active|Still me|1|1", "unknown||1|1",
				"back-within||0|3", "deleted-within||0|3", "first-in-the-last-millisecond||0|3", "joined-on-the-last-day||0|3",
				"only-ever-deleted||0|3",
			},
		},
		{
			"of others: first described before the period's end",
			[]fields{
				entity("assistant", "described", "2026-10-31T23:59:59.999"), entity("assistant", "later", "2026-11-01T00:00:00"),
				deleted("assistant", "only-deleted", "2026-10-05T00:00:00"),
			},
			Assistants, nil, []string{"assistant_id"}, []string{"described"},
		},
		{
			"any usage makes a row: messages of every channel, actions, requests, runs",
			[]fields{
				message("m", "2026-10-05T00:00:00"),
				{"type": "action", "user_id": "a", "action": "canvas", "time": "2026-10-05T00:00:00"},
				token("gpt", "2026-10-05T00:00:00", "user_id", "t"), run("w", "2026-10-05T00:00:00", 1, "user_id", "r"),
				entity("user", "idle", "2026-01-01T00:00:00"),
			},
			Users, active, []string{"user_id"}, []string{"m", "a", "r", "t"},
		},
		{
			"an API key is seen in messages as well as in requests",
			[]fields{
				message("u", "2026-10-05T00:00:00", "api_key_id", "k-message"),
				token("gpt", "2026-10-05T00:00:00", "api_key_id", "k-token"), entity("api_key", "k-idle", "2026-01-01T00:00:00"),
			},
			APIKeys, nil, []string{"api_key_id", "requests"}, []string{"k-token|1", "k-idle|0", "k-message|0"},
		},
		{
			"an idle entity has one row without a model, an active one only its models'",
			[]fields{
				message("u", "2026-10-05T00:00:00", "model", "gpt"), entity("user", "u", "2026-01-01T00:00:00"),
				entity("user", "idle", "2026-01-01T00:00:00"),
			},
			Users, func(r *Request) { r.GroupBy = "model" }, []string{"user_id", "model", "messages_total"},
			[]string{"idle||0", "u|gpt|1"},
		},
	})
}

func TestRanksAndOrder(t *testing.T) {
	var tie []fields
	for _, user := range []string{"b", "a", "é", "Z", "😀", "a\u0000", "zz"} {
		tie = append(tie, message(user, "2026-10-05T00:00:00"))
	}
	checkRules(t, []rule{
		{
			"equal counts share a rank and the next are skipped; ids sort by their bytes",
			append(tie, message("zz", "2026-10-06T00:00:00"), entity("user", "idle", "2026-01-01T00:00:00")),
			Users, nil, []string{"user_id", "messages_total_rank", "messages_chat_rank", "messages_projects_rank"},
			[]string{"zz|1|1|1", "Z|2|2|1", "a|2|2|1", `a\u0000|2|2|1`, "b|2|2|1", "é|2|2|1", "😀|2|2|1", "idle|8|8|1"},
		},
		{
			"ranks are those within the model",
			[]fields{
				message("a", "2026-10-05T00:00:00", "model", "x"), message("a", "2026-10-05T00:00:01", "model", "x"),
				message("b", "2026-10-05T00:00:00", "model", "x"),
				message("b", "2026-10-05T00:00:00", "model", "y"),
			},
			Users, func(r *Request) { r.GroupBy = "model" },
			[]string{"user_id", "model", "messages_total", "messages_total_rank"},
			[]string{"a|x|2|1", "b|y|1|1", "b|x|1|2"},
		},
		{
			"models by requests, name, provider, byok",
			[]fields{
				token("b", "2026-10-05T00:00:00", "user_id", "u"),
				token("a", "2026-10-05T00:00:00", "user_id", "u", "provider", "z"),
				{"type": "token", "model": "a", "time": "2026-10-05T00:00:01", "user_id": "u", "byok": true},
				token("a", "2026-10-05T00:00:00", "user_id", "u"),
				token("c", "2026-10-05T00:00:00", "user_id", "u"), token("c", "2026-10-05T00:00:01", "user_id", "u"),
			},
			Models, nil, []string{"name", "provider", "bring_your_keys", "requests"},
			[]string{"c||false|2", "a||false|1", "a||true|1", "a|z|false|1", "b||false|1"},
		},
	})
}

func TestAttributesOverTime(t *testing.T) {
	changing := []fields{
		entity("user", "u", "2026-09-01T00:00:00", "name", "before", "joined_at", "2026-01-01"),
		entity("user", "u", "2026-10-31T23:59:59.999", "name", "at the end"),
		entity("user", "u", "2026-11-01T00:00:00", "name", "after"),
		entity("user", "u", "2026-12-01T00:00:00", "name", "in the future"),
	}
	name := []string{"user_id", "name", "joined_at"}
	checkRules(t, []rule{
		{"those of the period's last millisecond", changing, Users, nil, name, []string{"u|at the end|null"}},
		{"those of now, if asked for", changing, Users, func(r *Request) { r.AttributesNow = true }, name,
			[]string{"u|after|null"}},
		{
			"those of now, if the period is not over", changing, Users,
			func(r *Request) { r.Period = mustPeriod("2026-11-01", "2026-12-31", "") }, name, []string{"u|after|null"},
		},
		{
			"the earliest known, if it was described later",
			[]fields{
				message("u", "2026-10-05T00:00:00"), entity("user", "u", "2026-11-03T00:00:00", "name", "second"),
				entity("user", "u", "2026-11-02T00:00:00", "name", "first"),
			}, Users, nil, []string{"user_id", "name"}, []string{"u|first"},
		},
		{
			"the greater (source, id) of one time",
			[]fields{
				entity("user", "u", "2026-09-01T00:00:00", "name", "lost", "source", "a", "id", "9"),
				entity("user", "u", "2026-09-01T00:00:00", "name", "holds", "source", "b", "id", "1"),
				entity("user", "u", "2026-09-01T00:00:00", "name", "lost, too", "source", "b", "id", "0"),
			}, Users, nil, []string{"user_id", "name"}, []string{"u|holds"},
		},
		{
			"the last before a deletion",
			[]fields{
				message("u", "2026-10-05T00:00:00"), entity("user", "u", "2026-01-01T00:00:00", "name", "kept"),
				with(deleted("user", "u", "2026-02-01T00:00:00"), []string{"name", "ignored"}),
			}, Users, nil, []string{"user_id", "name"}, []string{"u|kept"},
		},
		{
			"the owner's e-mail at the same moment",
			[]fields{
				entity("project", "p", "2026-01-01T00:00:00", "owner_id", "o"), entity("user", "o", "2026-01-01T00:00:00", "email",
					"then@x"), entity("user", "o", "2026-11-02T00:00:00", "email", "now@x"),
			}, Projects, nil, []string{"project_owner_id", "project_owner_email"}, []string{"o|then@x"},
		},
	})
}

func TestPrivacyTakesColumnsAway(t *testing.T) {
	hidden := map[Type][]string{
		Users: {"name", "email"}, Assistants: {
			"assistant_description", "assistant_url", "assistant_owner_id", "assistant_owner_email",
		},
		Projects: {"project_owner_email"}, Workflows: {"workflow_owner_email"},
	}
	for _, of := range Types() {
		request := func(of Type) Request {
			r := request(of)
			r.Settings.BYOK = of == Focus
			return r
		}
		full, _ := Columns(request(of))
		for name, edit := range map[string]func(*Request){
			"user_level_data=false": func(r *Request) { r.Settings.UserLevelData = false },
			"pseudonymize=true":     func(r *Request) { r.Settings.Pseudonymize = true },
		} {
			r := request(of)
			edit(&r)
			shown, err := Columns(r)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(slices.Clone(full), func(c Column) bool { return slices.Contains(hidden[of], c.Name) })
			if !slices.Equal(shown, want) {
				t.Errorf("%s, %s: got %v", of, name, shown)
			}
			if len(full)-len(shown) != len(hidden[of]) {
				t.Errorf("%s, %s: %d columns are gone, not %d", of, name, len(full)-len(shown), len(hidden[of]))
			}
		}
	}
}

// The names and their order are those of SPEC.md §2.2. SPEC.md describes the token columns in
// prose, so the test repeats them: they are one block, and the other columns around it do not
// change.
func TestColumnsAreTheSpecifications(t *testing.T) {
	const sums = "sum_prompt_tokens sum_completion_tokens sum_cached_prompt_tokens sum_cache_creation_tokens " +
		"no_cache_tokens total_cost_usd"
	byok := map[Type]string{
		Users: "requests " + sums + " model_to_tokens model_to_cost_usd",
		Assistants: "sum_prompt_tokens avg_prompt_tokens min_prompt_tokens max_prompt_tokens " +
			"sum_completion_tokens avg_completion_tokens min_completion_tokens max_completion_tokens " +
			"sum_cached_prompt_tokens sum_cache_creation_tokens no_cache_tokens total_cost_usd",
		Workflows: "requests " + sums,
		Projects:  "requests " + sums,
		Models:    sums,
		APIKeys:   "sum_prompt_tokens sum_completion_tokens cached_prompt_tokens cache_creation_tokens no_cache_tokens",

		Departments: sums,
		Groups:      sums,
	}
	if got, want := columnNames(t, focusRequest()), specified(t, Focus); got != want {
		t.Errorf("focus:\nwant %s\ngot  %s", want, got)
	}
	for _, of := range Types() {
		if of == Focus { // exists with byok alone
			continue
		}
		want := specified(t, of)
		r := request(of)
		if got := columnNames(t, r); got != want {
			t.Errorf("%s:\nwant %s\ngot  %s", of, want, got)
		}
		r.Settings.BYOK = true
		withTokens := columnNames(t, r)
		if of == Adoption { // whose token columns every workspace has
			if withTokens != want {
				t.Errorf("%s, byok: got %s", of, withTokens)
			}
			continue
		}
		if got := strings.Replace(withTokens, " "+byok[of], "", 1); got != want || got == withTokens {
			t.Errorf("%s, byok:\nwant %s\nwith %s\ngot  %s", of, want, byok[of], withTokens)
		}
		for _, group := range of.GroupBys() {
			r.GroupBy = group
			after := strings.Fields(want)[3]
			if of == Models {
				after = "bring_your_keys"
			}
			shown := group
			if group == "group" {
				shown = "group_id group_name"
			}
			if got := columnNames(t, r); got != strings.Replace(withTokens, after+" ", after+" "+shown+" ", 1) {
				t.Errorf("%s by %s: got %s", of, group, got)
			}
		}
	}
}

func columnNames(t *testing.T, r Request) string {
	t.Helper()
	columns, err := Columns(r)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range columns {
		all = append(all, c.Name)
	}
	return strings.Join(all, " ")
}

// specified returns the columns that SPEC.md §2.2 lists for a type, without token and group
// columns. SPEC.md has them in the block after the type's name, where … stands for the three
// columns that every row starts with.
func specified(t *testing.T, of Type) string {
	t.Helper()
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)\n\*\*` + string(of) + `\*\*.*?` + "```text\n(.*?)\n```").FindSubmatch(spec)
	if block == nil {
		t.Fatalf("SPEC.md has no list of the columns of %s", of)
	}
	list := strings.Replace(string(block[1]), "…", "period_start, period_end, org_id", 1)
	return strings.Join(strings.Fields(strings.ReplaceAll(list, ",", " ")), " ")
}

func TestRequestsThatAreRefused(t *testing.T) {
	for name, edit := range map[string]func(*Request){
		"users by source": func(r *Request) {
			r.Type = Users
			r.GroupBy = "source"
		},
		"projects by model": func(r *Request) {
			r.Type = Projects
			r.GroupBy = "model"
		},
		"models by model": func(r *Request) {
			r.Type = Models
			r.GroupBy = "model"
		},
		"deployment without byok": func(r *Request) {
			r.Type = Models
			r.GroupBy = "deployment"
		},
		"SQL as a group":                func(r *Request) { r.GroupBy = "model; DROP TABLE events" },
		"an unknown type":               func(r *Request) { r.Type = "events" },
		"an unknown format":             func(r *Request) { r.Format = "xls" },
		"a quotation mark as delimiter": func(r *Request) { r.Delimiter = '"' },
	} {
		r := request(Users)
		edit(&r)
		var refused *BadRequest
		if _, err := Columns(r); err == nil || !asBad(err, &refused) || !strings.HasSuffix(refused.Message, ".") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := request(Workflows)
	r.Settings.Workflows = false
	if _, err := Columns(r); err != ErrWorkflowsOff {
		t.Errorf("workflows switched off: %v", err)
	}
	for alias, want := range map[string]Type{
		"agents": Assistants, "api_keys": APIKeys, "api-keys": APIKeys, "users": Users,
	} {
		if got, err := ParseType(alias); got != want || err != nil {
			t.Errorf("%s: %s, %v", alias, got, err)
		}
	}
}

func asBad(err error, to **BadRequest) bool {
	bad, ok := err.(*BadRequest)
	*to = bad
	return ok
}

func TestP95IsTheNearestRankWithinOnePercent(t *testing.T) {
	for name, c := range map[string]struct {
		n        int
		duration func(i int) int
		want     int // element ⌈0.95·n⌉
	}{
		"one run":                      {1, func(int) int { return 12345 }, 12345},
		"all of no time":               {7, func(int) int { return 0 }, 0},
		"twenty: the nineteenth":       {20, func(i int) int { return i * 1000 }, 19000},
		"twenty-one: the twentieth":    {21, func(i int) int { return i * 1000 }, 20000},
		"exact up to a hundred":        {40, func(i int) int { return i }, 38},
		"the longest that can be sent": {3, func(int) int { return 4294967295 }, 4294967295},
	} {
		t.Run(name, func(t *testing.T) {
			var events []fields
			for i := range c.n {
				events = append(events, run("w", "2026-10-05T00:00:00", c.duration(i+1)))
			}
			rows := newBed(t, events...).columns(request(Workflows), "p95_duration_ms", "runs")
			var got, runs int
			if _, err := fmt.Sscanf(strings.Join(rows, ""), "%d|%d", &got, &runs); err != nil || runs != c.n {
				t.Fatalf("%v, %v", rows, err)
			}
			if diff := got - c.want; diff*100 > c.want || -diff*100 > c.want {
				t.Errorf("want %d within 1 %%, got %d", c.want, got)
			}
		})
	}
}
