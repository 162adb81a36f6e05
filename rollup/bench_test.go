package rollup

import (
	"fmt"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// fill puts n events on each of the days into the log, of 1,000 users: three fifths are messages,
// the rest actions and tokens.
func fill(db *database, org string, first schema.Day, days, n int) {
	db.exec(fmt.Sprintf(`INSERT INTO events (org_id, day, type, event_id, version, time, user_id, channel, assistant_id, conversation_id, model, client, action, prompt_tokens, completion_tokens)
SELECT '%s', toDate('%s') + intDiv(number, %d), [1, 1, 1, 2, 3][number %% 5 + 1], unhex(hex(sipHash128(number))), bitAnd(cityHash64(number), bitNot(toUInt64(1))), 0,
	concat('user-', toString(cityHash64(number, 1) %% 1000)), ['chat', 'assistant'][number %% 2 + 1], if(number %% 2 = 1, concat('assistant-', toString(number %% 50)), ''),
	concat('conversation-', toString(cityHash64(number, 2) %% %d)), concat('model-', toString(number %% 7)), 'web', concat('action-', toString(number %% 20)), number %% 5000, number %% 900
FROM numbers(%d)
SETTINGS max_partitions_per_insert_block = 100`, org, first, n, n/5, days*n))
	for d := range days {
		db.mark(tables.Slice{Org: org, Day: first + schema.Day(d)})
	}
}

// BenchmarkRecompute measures how many log rows a second a recompute takes.
func BenchmarkRecompute(b *testing.B) {
	db := newDatabase(b)
	const (
		days = 4
		n    = 500_000
	)
	first := schema.DayOf(time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC))
	fill(db, "acme", first, days, n)
	var batch []tables.Slice
	for d := range schema.Day(days) {
		batch = append(batch, tables.Slice{Org: "acme", Day: first + d})
	}
	b.ResetTimer()
	for range b.N {
		if committed, _, err := db.recompute(db.ctx, batch); err != nil || committed != days {
			b.Fatal(committed, err)
		}
	}
	b.ReportMetric(float64(b.N)*days*n/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkReadPlan plans a year of one org among others. All days but one are clean.
func BenchmarkReadPlan(b *testing.B) {
	db := newDatabase(b)
	const days = 366
	first := db.today - days + 1
	db.exec(fmt.Sprintf(`INSERT INTO marks (org_id, day, writer, seq) SELECT concat('org-', toString(o.number)), toDate('%s') + d.number, toUUID(concat('00000000-0000-4000-8000-00000000000', toString(w.number))), 5
FROM numbers(50) AS o, numbers(%d) AS d, numbers(3) AS w`, first, days))
	db.exec(fmt.Sprintf(`INSERT INTO slices (org_id, day, generation, revision, covered, version, message_rows)
SELECT concat('org-', toString(o.number)), toDate('%s') + d.number, generateUUIDv7(), %d,
	map(toUUID('00000000-0000-4000-8000-000000000000'), 5, toUUID('00000000-0000-4000-8000-000000000001'), 5, toUUID('00000000-0000-4000-8000-000000000002'), 4 + g.number), 1000 + g.number, 10
FROM numbers(50) AS o, numbers(%d) AS d, numbers(2) AS g`, first, tables.Revision, days))
	db.mark(tables.Slice{Org: "org-7", Day: db.today})
	b.Run("one org, 366 days", func(b *testing.B) {
		for range b.N {
			plan, err := tables.ReadPlan(db.ctx, db.conn,
				tables.Span{Org: "org-7", From: first, To: db.today, MonthsFrom: first, MonthsTo: db.today}, time.Now())
			if err != nil || len(plan.Generations)+len(plan.Live) != days || len(plan.Live) > 2 {
				b.Fatal(len(plan.Generations), plan.Live, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/plan")
	})
	b.Run("dirty slices of 50 orgs", func(b *testing.B) {
		for range b.N {
			if dirty := db.dirty(); len(dirty) != 1 {
				b.Fatal(len(dirty))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/scan")
	})
}

// BenchmarkWriters plans and looks for dirty slices with one slice that many writers marked, as a
// crash loop of ingest leaves it. The cost must grow with the number of writers, not with its
// square.
func BenchmarkWriters(b *testing.B) {
	for _, writers := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			db := newDatabase(b)
			db.exec(fmt.Sprintf(`INSERT INTO marks (org_id, day, writer, seq) SELECT 'acme', toDate('%s'), reinterpretAsUUID(sipHash128(number)), 5 FROM numbers(%d)`, db.today, writers))
			for g := range 3 { // the third one covers the marks of all writers but one
				db.exec(fmt.Sprintf(`INSERT INTO slices (org_id, day, generation, revision, covered, version)
SELECT 'acme', toDate('%s'), generateUUIDv7(), %d, mapFromArrays(groupArray(reinterpretAsUUID(sipHash128(number))), groupArray(toUInt64(5))), %d FROM numbers(%d)`,
					db.today, tables.Revision, g, writers-g/2))
			}
			b.Run("plan", func(b *testing.B) {
				for range b.N {
					if plan, err := tables.ReadPlan(db.ctx, db.conn, tables.Span{Org: "acme", From: db.today, To: db.today},
						time.Now()); err != nil || len(plan.Generations) != 1 {
						b.Fatal(plan, err)
					}
				}
			})
			db.mark(tables.Slice{Org: "acme", Day: db.today})
			b.Run("dirty", func(b *testing.B) {
				for range b.N {
					if dirty := db.dirty(); len(dirty) != 1 {
						b.Fatal(dirty)
					}
				}
			})
		})
	}
}
