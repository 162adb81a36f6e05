package rollup

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A workload is a log that a recompute is measured on.
type workload struct {
	name               string
	orgs, days, events int // events of one slice
}

// fill puts the events of a workload into the log, in so many parts, each with events of every
// slice. Habits are those of `rollcall bench export`: few people do most of the work, three of four
// events are of the person's favourite model, half of the messages are plain chats.
func (w workload) fill(db *database, first schema.Day, parts int) (batch []tables.Slice) {
	db.Helper()
	db.exec("SYSTEM STOP MERGES events")
	const usage = `INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, action,
	assistant_id, project_id, workflow_id, conversation_id, api_key_id, model, client, provider, byok, prompt_tokens,
	completion_tokens, cached_prompt_tokens, cost_usd, run_id, status, trigger, duration_ms)
WITH k -> sipHash64(number, k) / 18446744073709551616. AS dice, (n, k) -> toUInt64(pow(n + 1, dice(k))) AS zipf,
	intDiv(number, {events:UInt64}) AS slice
SELECT concat('org-', toString(slice % {orgs:UInt64})), toDate({first:String}) + intDiv(slice, {orgs:UInt64}) AS day,
	multiIf(number % 20 < 9, 'message', number % 20 < 10, 'action', number % 20 < 19, 'token', 'workflow_run') AS type,
	reinterpretAsFixedString(sipHash128(number)) AS event_id,
	bitAnd(sipHash64(number, 1), 18446744073709551614) AS version,
	toDateTime64(day, 3, 'UTC') AS time, '/bench', toString(number),
	concat('user-', toString(toUInt64(pow(dice(2), 2) * 1000))) AS user_id,
	if(type = 'message', multiIf(dice(3) < 0.55, 'chat', dice(3) < 0.83, 'assistant', 'project') AS place, '') AS channel,
	if(type = 'action', concat('action-', toString(zipf(12, 4))), '') AS action,
	if(place = 'assistant', concat('asst-', toString(zipf(200, 5))), '') AS assistant_id,
	if(place = 'project', concat('proj-', toString(zipf(100, 6))), '') AS project_id,
	if(type = 'workflow_run', concat('flow-', toString(zipf(40, 7))), '') AS workflow_id,
	concat('conv-', toString(intDiv(number, 6))),
	if(type = 'token' AND number % 10 = 0, concat('key-', toString(number % 7)), '') AS api_key_id,
	if(type = 'workflow_run', '', concat('model-', toString(if(dice(8) < 0.75, sipHash64(user_id) % 8, zipf(8, 9))))),
	['web', 'mobile', 'slack', 'api'][zipf(4, 10)], if(type = 'token', 'azure', ''), type = 'token',
	if(type = 'token', number % 3000, 0), if(type = 'token', number % 900, 0), if(type = 'token', number % 700, 0),
	if(type = 'token', number % 977, 0) / 100000, if(type = 'workflow_run', toString(number), ''),
	if(type = 'workflow_run', ['succeeded', 'failed'][1 + (number % 9 = 0)], ''),
	if(type = 'workflow_run', 'schedule', ''), if(type = 'workflow_run', number % 60000, 0)
FROM numbers({all:UInt64}) WHERE number % {parts:UInt64} = {part:UInt64}
SETTINGS max_insert_threads = 1`
	for part := range parts {
		db.exec(usage, named("events", w.events), named("orgs", w.orgs), named("first", first.String()),
			named("all", w.orgs*w.days*w.events), named("parts", parts), named("part", part))
	}
	for day := range schema.Day(w.days) {
		for org := range w.orgs {
			batch = append(batch, tables.Slice{Org: fmt.Sprintf("org-%d", org), Day: first + day})
		}
	}
	if err := db.Rollup.mark(db.ctx, uuid.New(), batch); err != nil {
		db.Fatal(err)
	}
	return batch
}

// BenchmarkRecompute measures how many log rows a second a recompute takes, and the CPU time that a
// row takes in the engine's process and in the worker's. It logs the same of each statement. FINAL
// has more to do in a log as it was ingested than in a merged one.
func BenchmarkRecompute(b *testing.B) {
	for _, w := range []workload{{"a month of one org", 1, 30, 27_000}, {"a day of 256 orgs", 256, 1, 100}} {
		db := newDatabase(b)
		last := tables.MonthEnd(db.today - 62)
		if days := last.Time().Day(); days < w.days { // February
			last -= schema.Day(days)
		}
		batch := w.fill(db, last-schema.Day(w.days)+1, 8)
		b.Run(w.name+", as ingested", func(b *testing.B) { w.measure(b, db, batch) })
		db.exec("SYSTEM START MERGES events")
		db.exec("OPTIMIZE TABLE events FINAL")
		b.Run(w.name+", merged", func(b *testing.B) { w.measure(b, db, batch) })
	}
}

func (w workload) measure(b *testing.B, db *database, batch []tables.Slice) {
	worker, conn := db.stepped()
	engine := enginetest.Shared(b)
	now := func() cost { return cost{time.Since(started), engine.CPU(), ownCPU()} }
	var texts []string
	var costs []cost // of the statements; merges in the background are among them
	var running int
	var since cost
	conn.before = func(n int, text string) {
		if n == len(texts) {
			texts = append(texts, text)
			costs = append(costs, cost{})
		}
		if n > 0 {
			costs[running] = costs[running].plus(now().minus(since))
		}
		running = n
		since = now()
	}
	b.ResetTimer()
	start := now()
	for range b.N {
		conn.sent = 0
		if committed, _, err := worker.recompute(db.ctx, batch); err != nil || committed != len(batch) {
			b.Fatal(committed, err)
		}
		costs[running] = costs[running].plus(now().minus(since))
	}
	all := now().minus(start)
	rows := float64(b.N * len(batch) * w.events)
	b.ReportMetric(rows/all.wall.Seconds(), "rows/s")
	b.ReportMetric(float64(all.engine.Nanoseconds())/rows, "engine-ns/row")
	b.ReportMetric(float64(all.worker.Nanoseconds())/rows, "worker-ns/row")
	for i, c := range costs {
		b.Logf("%5d ns/row, CPU in the engine %5d, in the worker %4d: %.50s", c.wall.Nanoseconds()/int64(rows),
			c.engine.Nanoseconds()/int64(rows), c.worker.Nanoseconds()/int64(rows), texts[i])
	}
}

// A cost is time by the clock, and CPU time of the engine's process and of this one.
type cost struct{ wall, engine, worker time.Duration }

func (c cost) plus(d cost) cost {
	return cost{c.wall + d.wall, c.engine + d.engine, c.worker + d.worker}
}

func (c cost) minus(d cost) cost {
	return cost{c.wall - d.wall, c.engine - d.engine, c.worker - d.worker}
}

var started = time.Now()

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
