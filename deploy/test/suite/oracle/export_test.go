package oracle

import (
	"strings"
	"testing"
	"time"
)

func TestInstantTakesAnyZoneToTheMillisecond(t *testing.T) {
	for name, c := range map[string]struct {
		text, zone string
		second     bool
		want       string
	}{
		"a half-hour zone":                       {"2026-10-01", "Asia/Kolkata", false, "2026-09-30T18:30:00Z"},
		"a day that is 23 hours long, its start": {"2026-03-29", "Europe/Berlin", false, "2026-03-28T23:00:00Z"},
		"a time that does not exist":             {"2026-03-29T02:30", "Europe/Berlin", false, "2026-03-29T01:30:00Z"},
		"one that exists twice, the first":       {"2026-10-25T02:30", "Europe/Berlin", false, "2026-10-25T00:30:00Z"},
		"one that exists twice, the second":      {"2026-10-25T02:30", "Europe/Berlin", true, "2026-10-25T01:30:00Z"},
		"a midnight that does not exist":         {"2026-04-24", "Africa/Cairo", false, "2026-04-23T22:00:00Z"},
		"milliseconds": {
			"2026-10-01T10:00:00.007Z", "America/New_York", false, "2026-10-01T14:00:00.007Z",
		},
		"the far east": {"2026-10-01", "Pacific/Kiritimati", false, "2026-09-30T10:00:00Z"},
	} {
		got, err := instant(c.text, "T00:00:00.000", c.zone, c.second)
		want, _ := time.Parse(time.RFC3339, c.want)
		if err != nil || got != want.UnixMilli() {
			t.Errorf("%s: want %s, got %s (%v)", name, c.want, time.UnixMilli(got).UTC().Format(time.RFC3339Nano), err)
		}
	}
}

func TestNamedRangesAreWholeCalendarPeriods(t *testing.T) {
	for _, c := range []struct {
		q        Query
		from, to string
	}{
		{Query{Range: "this_month"}, "2026-10-01", "2026-10-31"},
		{Query{Range: "last_month"}, "2026-09-01", "2026-09-30"},
		{Query{Range: "this_week"}, "2026-10-11", "2026-10-17"},
		{Query{Range: "last_week"}, "2026-10-04", "2026-10-10"},
		{Query{Range: "this_week", WeekMonday: true}, "2026-10-12", "2026-10-18"},
		{Query{Range: "last_week", WeekMonday: true}, "2026-10-05", "2026-10-11"},
		{Query{Range: "this_week", Zone: "Pacific/Kiritimati", Now: time.Date(2026, 10, 17, 12, 0, 0, 0, time.UTC)},
			"2026-10-18", "2026-10-24"},
	} {
		if c.q.Now.IsZero() {
			c.q.Now = now
		}
		if p, err := c.q.period(); err != nil || p.from != c.from || p.to != c.to {
			t.Errorf("%+v: %s to %s (%v)", c.q, p.from, p.to, err)
		}
	}
}

// filled holds a small workspace whose exports can be computed by hand.
func filled(t *testing.T, settings string, erasures ...Erasure) *Oracle {
	o := New()
	for _, e := range erasures {
		o.Erase(e)
	}
	for i, line := range []string{
		`usage.entity.v1 2020-01-01T00:00:00Z {"org_id":"o","kind":"workspace","id":"o","settings":` + settings + `}`,
		`usage.entity.v1 2026-01-01T00:00:00Z {"org_id":"o","kind":"user","id":"u1","name":"=Old","email":"a@x","joined_at":"2025-12-31"}`,
		`usage.entity.v1 2026-10-05T00:00:00Z {"org_id":"o","kind":"user","id":"u1","name":"=New","email":"b@x","joined_at":"2025-12-31"}`,
		`usage.entity.v1 2026-01-01T00:00:00Z {"org_id":"o","kind":"user","id":"gone","name":"Gone"}`,
		`usage.entity.v1 2026-09-30T00:00:00Z {"org_id":"o","kind":"user","id":"gone","deleted":true}`,
		`usage.entity.v1 2026-10-20T00:00:00Z {"org_id":"o","kind":"user","id":"later","name":"Later","joined_at":"2026-09-01"}`,
		`usage.entity.v1 2026-01-01T00:00:00Z {"org_id":"o","kind":"assistant","id":"a1","name":"Helper","owner_id":"u1"}`,
		`usage.message.v1 2026-10-01T00:00:00Z {"org_id":"o","user_id":"u1","channel":"chat","model":"m/1"}`,
		`usage.message.v1 2026-10-03T23:59:59.999Z {"org_id":"o","user_id":"u1","channel":"assistant","assistant_id":"a1","conversation_id":"c"}`,
		`usage.message.v1 2026-10-02T00:00:00Z {"org_id":"o","user_id":"u2","channel":"assistant","assistant_id":"a1","conversation_id":"c","model":"m/1"}`,
		`usage.message.v1 2026-10-04T00:00:00Z {"org_id":"o","user_id":"u2","channel":"chat"}`,
		`usage.action.v1 2026-10-02T00:00:00Z {"org_id":"o","user_id":"u1","action":"a \"b\""}`,
		`usage.token.v1 2026-10-02T00:00:00Z {"org_id":"o","user_id":"u1","model":"m/1","prompt_tokens":3,"completion_tokens":4,"cached_prompt_tokens":9,"cost_usd":0.10,"assistant_id":"a1"}`,
		`usage.token.v1 2026-10-02T00:00:00Z {"org_id":"o","user_id":"u3","model":"m/1","prompt_tokens":5,"completion_tokens":0,"assistant_id":"a1"}`,
	} {
		f := strings.SplitN(line, " ", 3)
		if reason := o.Add(structured(strings.Repeat("i", i+1), f[0], f[1], f[2]), now); reason != "" {
			t.Fatalf("%s: %s", line, reason)
		}
	}
	return o
}

func TestUsersWorkedOutByHand(t *testing.T) {
	got := csvOf(t, filled(t, `{"byok":true}`), Query{Type: "users", From: "2026-10-01", To: "2026-10-03"})
	want := `period_start;period_end;org_id;user_id;name;email;role;joined_at;messages_total;messages_total_rank;messages_chat;messages_chat_rank;messages_assistants;messages_assistants_rank;assistants_messaged;assistants_to_messages;messages_projects;messages_projects_rank;projects_messaged;projects_to_messages;model_to_messages_total;action_messages;action_messaged;action_to_messages;requests;sum_prompt_tokens;sum_completion_tokens;sum_cached_prompt_tokens;sum_cache_creation_tokens;no_cache_tokens;total_cost_usd;model_to_tokens;model_to_cost_usd
2026-10-01;2026-10-03;o;u1;'=Old;a@x;;2025-12-31;2;1;1;1;1;1;1;{"a1":1};0;1;0;{};{"m/1":1};1;1;{"a \"b\"":1};1;3;4;9;0;0;0.1;{"m/1":7};{"m/1":0.1}
2026-10-01;2026-10-03;o;u2;;;;;1;2;0;2;1;1;1;{"a1":1};0;1;0;{};{"m/1":1};0;0;{};0;0;0;0;0;0;0;{};{}
2026-10-01;2026-10-03;o;later;Later;;;2026-09-01;0;3;0;2;0;3;0;{};0;1;0;{};{};0;0;{};0;0;0;0;0;0;0;{};{}
2026-10-01;2026-10-03;o;u3;;;;;0;3;0;2;0;3;0;{};0;1;0;{};{};0;0;{};1;5;0;0;0;5;0;{"m/1":5};{"m/1":0}
`
	if got != want {
		t.Errorf("want\n%sgot\n%s", want, got)
	}
}

func TestAssistantsWorkedOutByHand(t *testing.T) {
	o := filled(t, `{"user_level_data":true}`)
	got := csvOf(t, o, Query{Type: "assistants", From: "2026-10-01", To: "2026-10-05", AttributesNow: true})
	want := `period_start;period_end;org_id;assistant_id;assistant_name;messages;unique_users;active_users;conversations;messages_per_user;assistant_description;assistant_url;assistant_owner_id;assistant_owner_email
2026-10-01;2026-10-05;o;a1;Helper;2;2;3;1;0.67;;;u1;b@x
`
	if got != want {
		t.Errorf("want\n%sgot\n%s", want, got)
	}
}

func TestFocusWorkedOutByHand(t *testing.T) {
	o := filled(t, `{"byok":true}`)
	got := csvOf(t, o, Query{Type: "focus", From: "2026-10-01", To: "2026-10-03"})
	want := `BilledCost;BillingAccountId;BillingAccountName;BillingCurrency;BillingPeriodEnd;BillingPeriodStart;ChargeCategory;ChargeClass;ChargeDescription;ChargeFrequency;ChargePeriodEnd;ChargePeriodStart;ConsumedQuantity;ConsumedUnit;ContractedCost;EffectiveCost;InvoiceId;InvoiceIssuerName;ListCost;PricingQuantity;PricingUnit;ProviderName;PublisherName;ResourceId;ResourceName;ResourceType;ServiceCategory;ServiceName;ServiceSubcategory;SubAccountId;SubAccountName;Tags;x_BringYourKeys
0.1;o;;USD;2026-11-01T00:00:00Z;2026-10-01T00:00:00Z;Usage;;Prompt and completion tokens of m/1;Usage-Based;2026-10-03T00:00:00Z;2026-10-02T00:00:00Z;7.0;Tokens;0.1;0.1;;unknown;0.1;7.0;Tokens;unknown;unknown;u1;'=Old;User;AI and Machine Learning;m/1;Generative AI;o;o;{"rollcall/assistant":"a1","rollcall/user":"u1"};false
0.0;o;;USD;2026-11-01T00:00:00Z;2026-10-01T00:00:00Z;Usage;;Prompt and completion tokens of m/1;Usage-Based;2026-10-03T00:00:00Z;2026-10-02T00:00:00Z;5.0;Tokens;0.0;0.0;;unknown;0.0;5.0;Tokens;unknown;unknown;u3;;User;AI and Machine Learning;m/1;Generative AI;o;o;{"rollcall/assistant":"a1","rollcall/user":"u3"};false
`
	if got != want {
		t.Errorf("want\n%sgot\n%s", want, got)
	}
}

func TestPseudonymsAndWithheldColumns(t *testing.T) {
	got := csvOf(t, filled(t, `{"pseudonymize":true}`),
		Query{Type: "users", From: "2026-10-04", To: "2026-10-04", ActiveOnly: true, Secret: []byte("secret")})
	row := strings.Split(strings.Split(got, "\n")[1], ";")
	if len(row) != 22 || len(row[3]) != 32 || strings.Contains(got, "u2") {
		t.Errorf("%q", row)
	}
}

func TestGroupsRankAmongThemselves(t *testing.T) {
	got := csvOf(t, filled(t, `{}`),
		Query{Type: "users", From: "2026-10-01", To: "2026-10-03", GroupBy: "model", ActiveOnly: true})
	var short []string
	for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
		f := strings.Split(line, ";")
		short = append(short, strings.Join([]string{f[3], f[4], f[9], f[10]}, " "))
	}
	want := "user_id model messages_total messages_total_rank|u1  1 1|u1 m/1 1 1|u2 m/1 1 1|u3 m/1 0 3"
	if strings.Join(short, "|") != want {
		t.Errorf("%s", strings.Join(short, "|"))
	}
}

func TestAConflictMustBeSettledByOneOfItsCopies(t *testing.T) {
	o := New()
	for _, model := range []string{"a", "b", "a"} {
		o.Add(structured("1", messageType, "2026-10-01T00:00:00Z",
			`{"org_id":"o","user_id":"u","channel":"chat","model":"`+model+`"}`), now)
	}
	ids := o.Conflicts()
	if len(ids) != 1 || o.Len() != 1 || o.Repeated != 1 {
		t.Fatalf("%v, %d events, %d repeated", ids, o.Len(), o.Repeated)
	}
	if o.Settle(ids[0], func(e Event) bool { return e.Model == "c" }) == nil {
		t.Error("settled by something that was never sent")
	}
	if err := o.Settle(ids[0], func(e Event) bool { return e.Model == "b" }); err != nil {
		t.Error(err)
	}
	table, err := o.Export(Query{
		Org: "o", Type: "users", GroupBy: "model", From: "2026-10-01", To: "2026-10-01", Now: now,
	})
	if err != nil || len(table.Rows) != 1 || table.Rows[0][4].Text != "b" {
		t.Errorf("%v %v", table.Rows, err)
	}
}

func TestAnErasedPersonIsNotCounted(t *testing.T) {
	o := filled(t, `{"user_level_data":true}`, Erasure{
		Org: "o", User: "u1", Before: time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC).UnixMilli(),
	}, Erasure{Org: "another", User: "u2", Before: now.UnixMilli()})
	got := csvOf(t, o, Query{Type: "assistants", From: "2026-10-01", To: "2026-10-03"})
	want := `period_start;period_end;org_id;assistant_id;assistant_name;messages;unique_users;active_users;conversations;messages_per_user;assistant_description;assistant_url;assistant_owner_id;assistant_owner_email
2026-10-01;2026-10-03;o;a1;Helper;2;2;3;1;0.67;;;;
`
	if got != want {
		t.Errorf("want\n%sgot\n%s", want, got)
	}
	for id, e := range o.Events() {
		if (e.User == "u1" || e.Entity == "u1") && e.Time < time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC).UnixMilli() {
			t.Errorf("%+v is counted", id)
		}
	}
}

func TestAnErasedCopyMayHold(t *testing.T) {
	o := New()
	o.Erase(Erasure{Org: "o", User: "gone", Before: now.UnixMilli()})
	for _, user := range []string{"gone", "stays"} {
		o.Add(structured("1", messageType, "2026-10-01T00:00:00Z", `{"org_id":"o","user_id":"`+user+`","channel":"chat"}`),
			now)
	}
	ids := o.Conflicts()
	if len(ids) != 1 {
		t.Fatalf("%v", ids)
	}
	if err := o.Settle(ids[0], func(Event) bool { return false }); err != nil || o.Len() != 0 {
		t.Errorf("%v, %d events left", err, o.Len())
	}
}

func TestReadCSVHoldsToRFC4180(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		ok   bool
	}{
		"a line end and quotes in a cell": {"\"a\r\nb\",\"c\"\"\"\r\n", true},
		"a bare LF":                       {"a\nb\n", false},
		"no end":                          {"a,b", false},
		"text after a quote":              {"\"a\"b\r\n", false},
		"an open quote":                   {"\"a\r\n", false},
	} {
		if _, err := ReadCSV([]byte(c.file), ','); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// csvOf is the export as text that people can read, with semicolons and without quoting.
func csvOf(t *testing.T, o *Oracle, q Query) string {
	q.Org = "o"
	q.Now = now
	table, err := o.Export(q)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{strings.Join(table.Columns, ";")}
	for i := range table.Rows {
		lines = append(lines, strings.Join(table.csvRow(i), ";"))
	}
	return strings.Join(lines, "\n") + "\n"
}
