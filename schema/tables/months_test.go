package tables_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// randomEvents puts n events of each type on random ones of the days. There are few keys, so that
// days share keys and conversations, and the measures are extreme. The org whole gets the same
// events, all on one day (on).
func (db *database) randomEvents(org string, days []schema.Day, whole string, on schema.Day, n int) {
	db.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	pick := func(texts ...string) string { return "'" + texts[r.IntN(len(texts))] + "'" }
	number := func() uint32 { return []uint32{0, 1, 7, 100, 101, 4294967295, r.Uint32()}[r.IntN(7)] }
	var rows []string
	for i := range 4 * n {
		typ := []string{"message", "action", "token", "workflow_run"}[i%4]
		day := days[r.IntN(len(days))]
		values := fmt.Sprintf("'%s', '%016d', %d, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %d, %d, %d, %d, %d.%09d, %s, %s, %s, %d)", typ, i, 2*r.Uint64N(1<<40),
			pick("", "u1", "u2"), pick("chat", "assistant"), pick("canvas", "search"), pick("", "a1"), pick("", "p1"),
			pick("", "w1"), pick("", "c1", "c2", "c3", "c4", "c5"), pick("", "k1"), pick("", "gpt"), pick("web", "api"),
			number(), number(), number(), number(), number()%1_000_000_000, number()%1_000_000_000, pick("succeeded", "failed"),
			pick("", "timeout"), pick("manual", "api"), number())
		rows = append(rows, fmt.Sprintf("('%s', '%s', %s", org, day, values),
			fmt.Sprintf("('%s', '%s', %s", whole, on, values))
	}
	db.exec(`INSERT INTO events (org_id, day, type, event_id, version, time, user_id, channel, action, assistant_id, project_id, workflow_id, conversation_id, api_key_id, model, client,
		prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd, status, error_type, trigger, duration_ms) VALUES ` + strings.Join(rows, ", "))
}

// A month's generation has what FromLog would make if all events of the month were on one day. It
// has nothing of other months, orgs and generations.
func TestAMonthIsWhatTheLogSaysOfItsEvents(t *testing.T) {
	db := newDatabase(t)
	end := tables.MonthEnd(db.today - 40)
	days := []schema.Day{end - 27, end - 20, end - 3, end - 2, end}
	db.randomEvents("acme", days, "whole", end, 150)
	sources := []string{}
	foreign := uuid.Must(uuid.NewV7()).String()
	for _, d := range tables.Dailies() {
		for _, org := range []string{"acme", "globex"} { // a generation that the merge must leave out
			db.exec(fmt.Sprintf("INSERT INTO %s (org_id, day, generation, user_id) VALUES ('%s', '%s', '%s', 'nobody')", d.Table,
				org, end, foreign))
		}
	}
	for _, day := range days {
		generation := uuid.Must(uuid.NewV7()).String()
		sources = append(sources, generation)
		for _, d := range tables.Dailies() {
			db.exec(d.Insert(fmt.Sprintf("org_id = 'acme' AND day = '%s'", day)), named("orgs", []string{"acme"}),
				named("days", []string{day.String()}), named("generations", []string{generation}))
		}
	}
	month := uuid.Must(uuid.NewV7()).String()
	for _, d := range tables.Dailies() {
		db.exec(d.InsertMonth("generation IN {sources:Array(UUID)}"), named("orgs", []string{"acme"}),
			named("generations", []string{month}), named("sources", sources), named("last", end.String()))
		shown := strings.ReplaceAll(d.Names(), "conversations", "finalizeAggregation(conversations)")
		rows := func(from string) string {
			return db.text("SELECT arrayStringConcat(groupArray(row), '\n') FROM (SELECT toString((day, " + d.KeyNames() + ", " +
				shown + ")) AS row FROM (" + from + ") ORDER BY row)")
		}
		got := rows(d.Rolled("generation = '" + month + "'"))
		want := rows(d.FromLog("org_id = 'whole'"))
		if got != want || strings.Count(want, "\n") < 5 {
			t.Errorf("%s of a month:\n%s\nwant\n%s", d.Table, got, want)
		}
		if d.Table != tables.Messages.Table { // the others have no sets
			continue
		}
		// Two sets are equal if their union is as large as each of them.
		both := "SELECT count() FROM (SELECT uniqExactMerge(conversations) AS n, min(finalizeAggregation(conversations)) AS least, count() AS sides FROM (" +
			d.Rolled("generation = '"+month+"'") + " UNION ALL " + d.FromLog("org_id = 'whole'") + ") GROUP BY " + d.KeyNames() +
			" HAVING n != least OR sides != 2)"
		if n := db.text(both); n != "0" {
			t.Errorf("%s sets of conversations differ", n)
		}
	}
}

// A month is three days of acme, each rolled up with some rows. commit writes its manifest, with
// 100 rows.
type month struct {
	*database
	end  schema.Day
	days []schema.Day
	w    uuid.UUID
}

func (db *database) month(end schema.Day) month {
	m := month{db, end, []schema.Day{end - 20, end - 10, end}, uuid.New()}
	for _, day := range m.days {
		db.mark("acme", day, m.w, 1)
		db.manifest("acme", day, manifest{covered: map[uuid.UUID]uint64{m.w: 1}, version: 5, rows: 2})
	}
	return m
}

// sources returns the digest that a month generation made now would have.
func (m month) sources() string {
	m.Helper()
	states, err := tables.SliceStates(m.ctx, m, tables.Filter{Org: "acme", From: m.end - 30, To: m.end}.WholeMonths(),
		false, time.Now())
	if err != nil {
		m.Fatal(err)
	}
	months, err := tables.MonthStates(m.ctx, m, tables.Filter{Org: "acme"}, states)
	if err != nil {
		m.Fatal(err)
	}
	return months[len(months)-1].Sources
}

func (m month) commit(generation uuid.UUID, versions string, revision, dead int) {
	m.Helper()
	m.exec(`INSERT INTO months (org_id, day, generation, revision, versions, message_rows, dead) SELECT 'acme', {day:Date}, {g:UUID}, {revision:UInt32}, {versions:String}, 100, {dead:UInt8}`,
		named("day", m.end.String()), named("g", generation.String()), named("revision", revision),
		named("versions", versions), named("dead", dead))
}

func TestPlanReadsAMonthOnlyInPlaceOfTheSameDays(t *testing.T) {
	old := uuid.MustParse("01900000-0000-7000-8000-000000000001")
	chosen := uuid.MustParse("01900000-0000-7000-8000-000000000002")
	db := newDatabase(t)
	end := tables.MonthEnd(db.today - 100)
	for name, c := range map[string]struct {
		then func(m month, sources string)
		read bool
	}{
		"it is there": {func(m month, sources string) { m.commit(chosen, sources, tables.Revision, 0) }, true},
		"none":        {func(month, string) {}, false},
		"of other generations": {func(m month, sources string) {
			m.commit(chosen, strings.Repeat("0", len(sources)), tables.Revision, 0)
		}, false},
		"dead": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.commit(chosen, "", tables.Revision, 1)
		}, false},
		"of another revision": {func(m month, sources string) { m.commit(chosen, sources, tables.Revision+1, 0) }, false},
		"the newer of two": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.commit(old, sources, tables.Revision, 0)
		}, true},
		"a day was marked since": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.mark("acme", m.days[1], m.w, 2)
		}, false},
		"a day was redelivered, and rolled up again": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.mark("acme", m.days[1], m.w, 2)
			m.manifest("acme", m.days[1], manifest{covered: map[uuid.UUID]uint64{m.w: 2}, version: 5, rows: 2})
		}, false},
		"a day was redelivered, and its generation covers that too": {func(m month, sources string) {
			m.mark("acme", m.days[1], m.w, 0)
			m.commit(chosen, sources, tables.Revision, 0)
		}, true},
		"a day has more, and was rolled up again": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.mark("acme", m.days[1], m.w, 2)
			m.manifest("acme", m.days[1], manifest{covered: map[uuid.UUID]uint64{m.w: 2}, version: 6, rows: 2})
		}, false},
		"one day has as much more as another has less": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			for i, version := range []uint64{6, 4} {
				m.mark("acme", m.days[i], m.w, 2)
				m.manifest("acme", m.days[i], manifest{covered: map[uuid.UUID]uint64{m.w: 2}, version: version, rows: 2})
			}
		}, false},
		"a day more": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.mark("acme", m.end-1, m.w, 2)
			m.manifest("acme", m.end-1, manifest{covered: map[uuid.UUID]uint64{m.w: 2}, version: 0})
		}, false},
		"another org's": {func(m month, sources string) {
			m.commit(chosen, sources, tables.Revision, 0)
			m.exec("INSERT INTO months SELECT * REPLACE ('globex' AS org_id) FROM (SELECT * FROM months)")
			m.exec("DELETE FROM months WHERE org_id = 'acme'")
		}, false},
	} {
		for _, table := range []string{"marks", "slices", "months"} {
			db.exec("TRUNCATE TABLE " + table)
		}
		m := db.month(end)
		before := db.plan("acme", end-40, end+40, time.Now())
		c.then(m, m.sources())
		p := db.plan("acme", end-40, end+40, time.Now())
		if read := slices.Contains(p.Generations, chosen); read != c.read ||
			read && (len(p.Generations) != 1 || p.Rows["message_daily"] != 100 || p.Rows["token_daily"] != 0 ||
				p.Versions != before.Versions) {
			t.Errorf("%s: %+v, want the month read: %v", name, p, c.read)
		}
	}
}

func TestPlanReadsOnlyWholeMonths(t *testing.T) {
	db := newDatabase(t)
	end := tables.MonthEnd(db.today - 100)
	m := db.month(end)
	m.commit(uuid.Must(uuid.NewV7()), m.sources(), tables.Revision, 0)
	first := end - schema.Day(end.Time().Day()) + 1
	for name, c := range map[string]struct {
		span tables.Span
		read bool
	}{
		"exactly": {tables.Span{From: first, To: end, MonthsFrom: first, MonthsTo: end}, true},
		"among others": {
			tables.Span{From: first - 50, To: end + 50, MonthsFrom: first - 40, MonthsTo: end + 40}, true,
		},
		"not asked for":            {tables.Span{From: first, To: end}, false},
		"less its first day":       {tables.Span{From: first, To: end, MonthsFrom: first + 1, MonthsTo: end}, false},
		"less its last day":        {tables.Span{From: first, To: end, MonthsFrom: first, MonthsTo: end - 1}, false},
		"a span without whole day": {tables.Span{From: first, To: first, MonthsFrom: first + 1, MonthsTo: first - 1}, false},
	} {
		c.span.Org = "acme"
		p, err := tables.ReadPlan(db.ctx, db, c.span, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if read := p.Rows["message_daily"] == 100; read != c.read || len(p.Live) != 0 {
			t.Errorf("%s: %+v, want the month read: %v", name, p, c.read)
		}
	}
	// If one of its days has reached the end of its rollups, a month is read by days, and that day
	// is read from the log.
	late := m.days[0].Time().AddDate(1, 0, 1)
	span := tables.Span{Org: "acme", From: first, To: end, MonthsFrom: first, MonthsTo: end}
	p, err := tables.ReadPlan(db.ctx, db, span, late)
	if err != nil || len(p.Live) != 1 || len(p.Generations) != 2 || p.Rows["message_daily"] != 4 {
		t.Errorf("at the end of its first slice: %+v, %v", p, err)
	}
}
