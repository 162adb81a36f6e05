package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/export"
	"rollcall/export/access"
	"rollcall/export/query"
	"rollcall/rollup"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// ExportOptions are those of `bench export`.
type ExportOptions struct {
	Events  int // of one workspace, over a year
	Users   int // users who sent the events
	Repeat  int // how often each export runs; the median counts
	Clients int // of ExportLoad: how many ask at a time
	// of Export: also measures the year with buckets, unless it is ""
	Granularity query.Granularity
	Dir         string
	Progress    io.Writer
}

// An ExportResult is one data type over one period. Seconds are medians.
type ExportResult struct {
	Events      int     `json:"events"` // of the workspace, over a year
	Type        string  `json:"type"`
	Period      string  `json:"period"`
	Bytes       int64   `json:"bytes"`
	FirstByte   float64 `json:"first_byte_seconds"` // through the service, from rollups
	Service     float64 `json:"service_seconds"`    // through the service, from rollups
	BareEngine  float64 `json:"bare_engine_seconds"`
	FromLog     float64 `json:"from_log_seconds"` // through the service, before anything was rolled up
	OverEngine  float64 `json:"service_over_engine"`
	LogOverRoll float64 `json:"log_over_rollups"`
	// CPU time of an export: of the engine and this process, so of service and client. The mean.
	CPU     float64 `json:"cpu_seconds"`
	BareCPU float64 `json:"bare_engine_cpu_seconds"`
}

// benchOrg is the workspace whose exports are measured.
const benchOrg = "org-bench"

// An exportRun is the service over an engine of its own, with a year of one workspace in it.
type exportRun struct {
	ExportOptions
	engine  *process
	conn    driver.Conn
	options tables.Options
	server  *httptest.Server
	key     string
	periods []namedPeriod
	end     func() // ends the service
}

type namedPeriod struct {
	name string
	query.PeriodRequest
}

// of is the period of an export of the type.
func (p namedPeriod) of(t query.Type) (query.Period, error) {
	return query.ParsePeriod(p.PeriodRequest.Of(t), time.Now())
}

// Export measures every data type over the last calendar month and the last twelve months.
func Export(ctx context.Context, o ExportOptions) (results []ExportResult, err error) {
	r, err := newExportRun(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	of := map[string]namedPeriod{}
	for _, p := range r.periods {
		of[p.name] = p
		for _, t := range query.Types() {
			if !slices.Contains(t.Granularities(), query.Granularity(p.Granularity)) && p.Granularity != "" {
				continue
			}
			log, err := r.repeat(func() (download, error) { return r.service(ctx, t, p) })
			if err != nil {
				return nil, fmt.Errorf("%s of a %s from the log: %w", t, p.name, err)
			}
			results = append(results, ExportResult{
				Events: r.Events, Type: string(t), Period: p.name, FromLog: log[0].total.Seconds(),
			})
		}
	}
	if err := r.roll(ctx); err != nil {
		return nil, err
	}
	for i := range results {
		if err := r.fromRollups(ctx, &results[i], of[results[i].Period]); err != nil {
			return nil, fmt.Errorf("%s of a %s: %w", results[i].Type, results[i].Period, err)
		}
	}
	fmt.Fprintf(o.Progress, "most memory resident, filling and rolling up included: "+
		"%d MB in the engine, %d MB here, the service and its client\n", r.engine.peak()>>20, peak(os.Getpid())>>20)
	return results, nil
}

// newExportRun starts an engine and the service, and fills the log.
func newExportRun(ctx context.Context, o ExportOptions) (r *exportRun, err error) {
	r = &exportRun{ExportOptions: o}
	if r.engine, err = start(ctx, "engine", "--data-dir", o.Dir, "--clickhouse-addr", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(o.Dir))
	}
	if err := r.prepare(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *exportRun) close() {
	if r.server != nil {
		r.server.Close()
		r.end()
	}
	if r.conn != nil {
		r.conn.Close()
	}
	r.engine.stop()
	os.RemoveAll(r.Dir)
}

// fromRollups measures the service and the bare engine after everything is rolled up.
func (r *exportRun) fromRollups(ctx context.Context, x *ExportResult, p namedPeriod) error {
	t := query.Type(x.Type)
	both, err := r.repeat(func() (download, error) { return r.service(ctx, t, p) },
		func() (download, error) { return r.bare(ctx, t, p) })
	if err != nil {
		return err
	}
	service := both[0]
	bare := both[1]
	x.Bytes = service.bytes
	x.FirstByte = service.first.Seconds()
	x.Service = service.total.Seconds()
	x.BareEngine = bare.total.Seconds()
	x.OverEngine = x.Service / x.BareEngine
	x.LogOverRoll = x.FromLog / x.Service
	x.CPU = service.cpu.Seconds()
	x.BareCPU = bare.cpu.Seconds()
	return nil
}

// settings is the entity event of the workspace. Its settings switch every column on.
const settings = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, has_settings, user_level_data, byok, workflows)
	VALUES ({org:String}, '2020-01-01', '0000000000000000', 2, 'workspace', {org:String}, '2020-01-01 00:00:00', 'bench', 'w', 'Bench', 1, 1, 1, 1)`

// described has an entity event for each user, assistant, project, workflow and API key of usage,
// and for each group. A user belongs to one of 20 departments and to two or three of 30 groups.
const described = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, role, joined_at, owner_id, department, group_ids)
SELECT {org:String}, '2020-01-01', reinterpretAsFixedString(sipHash128(kind, number)), 2, kind, concat(prefix, toString(number)) AS entity_id, '2020-01-01 00:00:00', 'bench', entity_id,
	concat('The ', kind, ' of number ', toString(number)), if(kind = 'user', concat(entity_id, '@example.com'), ''), if(kind = 'user', 'member', ''),
	if(kind = 'user', toDate32('2020-01-01'), NULL), if(kind = 'user', '', concat('user-', toString(number % {users:UInt64}))),
	if(kind = 'user', ` + departmentOf + `, ''), if(kind = 'user', ` + groupsOf + `, [])
FROM (SELECT arrayJoin([('user', 'user-', {users:UInt64}), ('assistant', 'asst-', 201), ('project', 'proj-', 101), ('workflow', 'flow-', 41), ('api_key', 'key-', 7), ('group', 'grp-', 30)]) AS of,
	of.1 AS kind, of.2 AS prefix, arrayJoin(range(of.3)) AS number)`

// moved describes every fourth user anew, half a year ago: with another department and other
// groups.
const moved = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, role, joined_at, department, group_ids)
SELECT {org:String}, toDate32(now('UTC') - INTERVAL 180 DAY) AS on, reinterpretAsFixedString(sipHash128('moved', n)), 2, 'user', concat('user-', toString(n)) AS entity_id, toDateTime64(on, 3, 'UTC'), 'bench',
	concat('moved-', entity_id), concat('The user of number ', toString(n)), concat(entity_id, '@example.com'), 'member', toDate32('2020-01-01'), ` + departmentOf + `, ` + groupsOf + `
FROM (SELECT n, n + 1 AS number FROM (SELECT 4 * number AS n FROM numbers(intDiv({users:UInt64} + 3, 4))))`

const (
	departmentOf = "concat('Department ', toString(sipHash64('department', number) % 20))"
	groupsOf     = "arraySort(arrayDistinct(arrayMap(k -> concat('grp-', toString(sipHash64(k, number) % 30)), [1, 2, 3])))"
)

// usage fills the log by SQL in the engine, without Kafka. Habits are those of the sample: few
// people do most of the work, three of four events are of the person's favourite model, half of the
// messages are plain chats, and assistants, projects, actions and clients are drawn from Zipf
// distributions.
const usage = `INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, action, assistant_id, project_id, workflow_id, conversation_id, api_key_id,
	model, client, provider, byok, prompt_tokens, completion_tokens, cached_prompt_tokens, cost_usd, run_id, status, trigger, duration_ms)
WITH k -> sipHash64(number, k) / 18446744073709551616. AS dice, (n, k) -> toUInt64(pow(n + 1, dice(k))) AS zipf
SELECT {org:String}, toDate(time) AS day, multiIf(number % 20 < 9, 'message', number % 20 < 10, 'action', number % 20 < 19, 'token', 'workflow_run') AS type,
	reinterpretAsFixedString(sipHash128(number)) AS event_id, bitAnd(sipHash64(number, 1), 18446744073709551614) AS version,
	toDateTime64({first:Int64} + intDiv(number * {span:Int64}, {events:UInt64}), 3, 'UTC') AS time, '/bench', toString(number),
	concat('user-', toString(toUInt64(pow(dice(2), 2) * {users:UInt64}))) AS user_id,
	if(type = 'message', multiIf(type = 'workflow_run', '', dice(3) < 0.55, 'chat', dice(3) < 0.83, 'assistant', 'project') AS place, '') AS channel,
	if(type = 'action', concat('action-', toString(zipf(12, 4))), '') AS action,
	if(place = 'assistant', concat('asst-', toString(zipf(200, 5))), '') AS assistant_id, if(place = 'project', concat('proj-', toString(zipf(100, 6))), '') AS project_id,
	if(type = 'workflow_run', concat('flow-', toString(zipf(40, 7))), '') AS workflow_id, concat('conv-', toString(intDiv(number, 6))), if(type = 'token' AND number % 10 = 0, concat('key-', toString(number % 7)), '') AS api_key_id,
	if(type = 'workflow_run', '', concat('model-', toString(if(dice(8) < 0.75, sipHash64(user_id) % 8, zipf(8, 9))))) AS model, ['web', 'mobile', 'slack', 'api'][zipf(4, 10)] AS client,
	if(type = 'token', 'azure', ''), type = 'token',
	if(type = 'token', number % 3000, 0), if(type = 'token', number % 900, 0), if(type = 'token', number % 700, 0), if(type = 'token', number % 977, 0) / 100000,
	if(type = 'workflow_run', toString(number), ''), if(type = 'workflow_run', ['succeeded', 'failed'][1 + (number % 9 = 0)], ''), if(type = 'workflow_run', 'schedule', ''), if(type = 'workflow_run', number % 60000, 0)
FROM numbers({skip:UInt64}, {count:UInt64}) SETTINGS max_partitions_per_insert_block = 0`

// fill puts so many events of a year into the log. Each INSERT is small enough to end well within
// the engine's time limit for an answer.
func fill(ctx context.Context, conn driver.Conn, from schema.Day, now time.Time, events, users int) error {
	const most = 10_000_000
	first := from.Time().Unix()
	for skip := 0; skip < events; skip += most {
		err := conn.Exec(ctx, usage, clickhouse.Named("org", benchOrg), clickhouse.Named("first", first),
			clickhouse.Named("span", now.Unix()-first), clickhouse.Named("events", events),
			clickhouse.Named("users", users), clickhouse.Named("skip", skip), clickhouse.Named("count", min(most, events-skip)))
		if err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

func (r *exportRun) prepare(ctx context.Context) (err error) {
	now := time.Now()
	today := schema.DayOf(now.UTC())
	year := schema.Earliest(today)
	whole := query.PeriodRequest{From: year.String(), To: today.String()}
	r.periods = []namedPeriod{{"month", query.PeriodRequest{Range: "last_month"}}, {"year", whole}}
	if g := string(r.Granularity); g != "" {
		whole.Granularity = g
		r.periods = append(r.periods, namedPeriod{"year by " + g, whole})
	}
	r.options = tables.Options{URL: r.engine.addr + "/bench"}
	if _, err := tables.Migrate(ctx, r.options); err != nil {
		return err
	}
	if r.conn, err = tables.Open(r.options); err != nil {
		return err
	}
	started := time.Now()
	if err := fill(ctx, r.conn, year, now, r.Events, r.Users); err != nil {
		return err
	}
	for _, statement := range []string{
		settings, described, moved,
		"INSERT INTO marks (org_id, day, writer, seq) SELECT DISTINCT org_id, day, toUUID('00000000-0000-4000-8000-000000000000'), 1 FROM events",
	} {
		if err := r.conn.Exec(ctx, statement, clickhouse.Named("org", benchOrg),
			clickhouse.Named("users", r.Users)); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	fmt.Fprintf(r.Progress, "%d events of %d users in the log after %s\n", r.Events, r.Users,
		time.Since(started).Round(time.Second))
	if err := r.serve(ctx); err != nil {
		return err
	}
	_, r.key, err = access.OpenKeys(r.conn).Create(ctx, benchOrg, "bench", 0)
	return err
}

// serve starts the service, with limits that refuse nobody.
func (r *exportRun) serve(ctx context.Context) error {
	e, err := export.New(export.Config{
		Secret: make([]byte, 32), RatePerMinute: 1_000_000,
		MaxConcurrentPerOrg: max(r.Clients, export.DefaultMaxConcurrentPerOrg),
		MaxConcurrent:       max(r.Clients, export.DefaultMaxConcurrent),
		FirstByteTimeout:    time.Hour,
	}, r.options, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	r.end = func() {
		stop()
		running.Wait()
	}
	r.server = httptest.NewServer(e.Handler())
	return nil
}

func (r *exportRun) roll(ctx context.Context) error {
	started := time.Now()
	worker, err := rollup.New(rollup.Config{SettleTime: time.Nanosecond}, r.options, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		return err
	}
	slices, err := worker.Once(ctx)
	took := time.Since(started)
	fmt.Fprintf(r.Progress, "%d slices and their closed months rolled up in %s: %.2f M log rows/s\n", slices,
		took.Round(time.Millisecond), float64(r.Events)/took.Seconds()/1e6)
	return err
}

// service asks for an export as a client does.
func (r *exportRun) service(ctx context.Context, t query.Type, p namedPeriod) (download, error) {
	before := r.cpu()
	period, err := p.of(t)
	if err != nil {
		return download{}, err
	}
	url := fmt.Sprintf("%s/v1/exports/%s?from=%s&to=%s", r.server.URL, t, period.Start, period.End)
	if p.Granularity != "" {
		url += "&granularity=" + p.Granularity
	}
	d, err := fetch(ctx, url, r.key, io.Discard)
	d.cpu = r.cpu() - before
	return d, err
}

// fetch asks for an export with a workspace's key, and copies the answer.
func fetch(ctx context.Context, url, key string, to io.Writer) (download, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return download{}, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	started := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return download{}, err
	}
	defer res.Body.Close()
	return drain(started, res.Body, res.StatusCode, to)
}

// bare runs the same SQL in the engine, without the service. So it also runs without the guard that
// checks the entities of a tag.
func (r *exportRun) bare(ctx context.Context, t query.Type, p namedPeriod) (download, error) {
	s, err := r.statement(ctx, t, p)
	if err != nil {
		return download{}, err
	}
	return r.run(ctx, s)
}

func (r *exportRun) statement(ctx context.Context, t query.Type, p namedPeriod) (query.Statement, error) {
	period, err := p.of(t)
	if err != nil {
		return query.Statement{}, err
	}
	request := query.Request{
		Org:             benchOrg,
		Type:            t,
		Settings:        schema.Settings{UserLevelData: true, BYOK: true, Workflows: true},
		Period:          period,
		AsOf:            time.Now(),
		WithoutInactive: p.Granularity != "", // as the service has it
	}
	plan, err := tables.ReadPlan(ctx, r.conn, request.Span(), time.Now())
	if err != nil {
		return query.Statement{}, err
	}
	return query.Build(request, plan)
}

func (r *exportRun) run(ctx context.Context, s query.Statement) (download, error) {
	started := time.Now()
	before := r.cpu()
	body, err := r.conn.QueryFormat(s.Context(ctx), s.Format, s.SQL)
	if err != nil {
		return download{}, err
	}
	defer body.Close()
	d, err := drain(started, body, http.StatusOK, io.Discard)
	d.cpu = r.cpu() - before
	return d, err
}

// cpu is the CPU time of the engine and this process so far.
func (r *exportRun) cpu() time.Duration { return r.engine.cpu() + ownCPU() }

// A download is one export, read to its end.
type download struct {
	first, total time.Duration
	cpu          time.Duration // of all processes that had a part in it; measured one at a time only
	bytes        int64
}

// drain reads an answer to its end, and copies it.
func drain(started time.Time, body io.Reader, status int, to io.Writer) (download, error) {
	body = io.TeeReader(body, to)
	if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
		return download{}, err
	}
	first := time.Since(started)
	n, err := io.Copy(io.Discard, body)
	if status != http.StatusOK {
		err = fmt.Errorf("answered %d", status)
	}
	return download{first: first, total: time.Since(started), bytes: n + 1}, err
}

// repeat runs each function in turn, so that all of them run under the same load, and returns their
// medians, and the means of their CPU time.
func (r *exportRun) repeat(runs ...func() (download, error)) ([]download, error) {
	firsts := make([][]time.Duration, len(runs))
	totals := make([][]time.Duration, len(runs))
	medians := make([]download, len(runs))
	cpu := make([]time.Duration, len(runs))
	for range r.Repeat {
		for i, run := range runs {
			a, err := run()
			if err != nil {
				return nil, err
			}
			firsts[i] = append(firsts[i], a.first)
			totals[i] = append(totals[i], a.total)
			cpu[i] += a.cpu
			medians[i] = download{
				first: median(firsts[i]), total: median(totals[i]), cpu: cpu[i] / time.Duration(len(totals[i])), bytes: a.bytes,
			}
		}
	}
	return medians, nil
}
