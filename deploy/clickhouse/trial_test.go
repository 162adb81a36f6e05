package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/test/kafkatest"
	"rollcall/export"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/rollup"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// topic holds the records of a trial.
const topic = "usage.trial"

// A trial runs the whole product on one database, from the first migration to the last export.
type trial struct {
	broker  *kafkatest.Broker
	group   string         // of ingest: each trial reads the topic from its beginning
	options tables.Options // with the profile
	plain   driver.Conn    // to the same database, without the profile
	now     time.Time
	log     *slog.Logger

	said answers
}

// answers maps a question to what the product answered.
type answers map[string]string

// differences returns the questions of a to which b has another answer, or none.
func (a answers) differences(b answers) (names []string) {
	for name, text := range a {
		if other, asked := b[name]; !asked || other != text {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// run runs the stages in their order. An error does not count as a wrong answer: the product said
// that it cannot do it.
func (tr *trial) run(ctx context.Context) (answers, error) {
	tr.said = answers{}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"migrate", tr.migrate}, {"ingest", tr.ingest}, {"export from the log", tr.export},
		{"roll up", tr.rollUp}, {"export from rollups", tr.export}, {"forget", tr.forget},
		{"export after an erasure", tr.export},
	} {
		before := tr.said
		tr.said = answers{}
		err := step.do(ctx)
		for name, text := range tr.said {
			before[step.name+": "+name] = text
		}
		tr.said = before
		if err != nil {
			return tr.said, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return tr.said, nil
}

func (tr *trial) migrate(ctx context.Context) error {
	applied, err := tables.Migrate(ctx, tr.options)
	if err != nil {
		return err
	}
	tr.said["migrations"] = strings.Join(applied, " ")
	conn, err := tables.Open(tr.options)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := tables.Secret(ctx, conn, secret); err != nil {
		return err
	}
	var columns string
	err = tr.plain.QueryRow(ctx, `SELECT toString(groupArray((table, name, type, default_expression)))
FROM (SELECT * FROM system.columns WHERE database = currentDatabase() ORDER BY table, position)`).Scan(&columns)
	tr.said["columns"] = columns
	return errors.Join(err, tables.Check(ctx, conn))
}

func (tr *trial) ingest(ctx context.Context) error {
	i, err := ingest.New(ingest.Config{
		Brokers: []string{tr.broker.Addr}, Topics: []string{topic}, Group: tr.group, Secret: secret,
		BatchAge:  10 * time.Millisecond,
		FetchWait: 50 * time.Millisecond, ProgressEvery: 100 * time.Millisecond, InsertTimeout: 10 * time.Second,
	}, tr.options, tr.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	for !slices.Equal(tr.broker.Committed(tr.group, topic), tr.broker.Ends(topic)) {
		select {
		case err := <-done:
			return errors.Join(errors.New("ingest ended"), err, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	stop()
	<-done
	return tr.counted(context.WithoutCancel(ctx))
}

// counted notes the contents of the tables, by their keys.
func (tr *trial) counted(ctx context.Context) error {
	for _, query := range []string{
		"SELECT toString((count(), sum(cityHash64(*)))) FROM events FINAL",
		"SELECT toString((count(), sum(cityHash64(*)))) FROM entities FINAL",
		"SELECT toString((count(), sum(cityHash64(* EXCEPT rejected_at)))) FROM rejects FINAL",
		"SELECT toString(uniqExact(org_id, day)) FROM marks",
		"SELECT toString((sum(messages), sum(rows))) FROM (SELECT messages, 1 AS rows FROM message_daily WHERE generation IN (SELECT generation FROM slices FINAL WHERE dead = 0))",
	} {
		var text string
		if err := tr.plain.QueryRow(ctx, query).Scan(&text); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		tr.said[query] = text
	}
	return nil
}

func (tr *trial) rollUp(ctx context.Context) error {
	r, err := rollup.New(rollup.Config{
		SettleTime: time.Nanosecond, SweepEvery: time.Nanosecond, VerifyEvery: time.Nanosecond,
	}, tr.options, tr.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := r.Once(ctx)
	if err != nil {
		return err
	}
	tr.said["recomputed"] = fmt.Sprint(n)
	if err := tr.counted(ctx); err != nil {
		return err
	}
	return tr.verified(ctx, r)
}

func (tr *trial) verified(ctx context.Context, r *rollup.Rollup) error {
	n, err := r.Verify(ctx, rollup.Filter{}, func(d rollup.Difference) { tr.said["differs"] += fmt.Sprintf("%+v\n", d) },
		nil)
	if err != nil {
		return err
	}
	tr.said["verified"] = fmt.Sprint(n)
	n, err = r.Once(ctx)
	tr.said["recomputed again"] = fmt.Sprint(n)
	err = errors.Join(err, r.Sweep(ctx))
	return errors.Join(err, r.Duplicates(ctx, rollup.Filter{}, func(rollup.Duplicate) { tr.said["duplicates"] += "x" }))
}

func (tr *trial) forget(ctx context.Context) error {
	r, err := rollup.New(rollup.Config{}, tr.options, tr.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Forget(ctx, secret, full, "u1", nil); err != nil {
		return err
	}
	if _, err := r.Rebuild(ctx, rollup.Filter{Org: full}, nil); err != nil {
		return err
	}
	if err := tr.counted(ctx); err != nil {
		return err
	}
	return tr.verified(ctx, r)
}

// export asks for every kind of export.
func (tr *trial) export(ctx context.Context) error {
	e, err := export.New(export.Config{Secret: secret, RatePerMinute: 1_000_000, Now: func() time.Time { return tr.now }},
		tr.options, tr.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	conn, err := tables.Open(tr.options)
	if err != nil {
		return err
	}
	defer conn.Close()
	keys := access.OpenKeys(conn)
	for _, org := range []string{full, masked} {
		_, key, err := keys.Create(ctx, org, "profile", 0)
		if err != nil {
			return err
		}
		for _, path := range tr.paths() {
			text, err := get(ctx, server.URL+path, key)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			tr.said[org+" "+path] = text
		}
	}
	listed, err := keys.List(ctx, full)
	if err != nil {
		return err
	}
	tr.said["keys"] = fmt.Sprint(len(listed))
	today := schema.DayOf(tr.now)
	plan, err := tables.ReadPlan(ctx, conn, tables.Span{
		Org: full, From: schema.Earliest(today), To: today, MonthsFrom: schema.Earliest(today), MonthsTo: today,
	}, tr.now)
	tr.said["plan"] = fmt.Sprintf("%d generations, %d live, version %s, %s, rows %v", len(plan.Generations),
		len(plan.Live), plan.VersionOf(plan.Live...), plan.Versions, plan.Rows)
	stop()
	return errors.Join(err, <-done)
}

func (tr *trial) paths() (paths []string) {
	today := schema.DayOf(tr.now)
	span := fmt.Sprintf("?from=%s&to=%s", today-100, today)
	for _, dataType := range []string{"users", "assistants", "workflows", "projects", "models", "api-keys"} {
		paths = append(paths, "/v1/exports/"+dataType+span)
	}
	return append(paths,
		"/v1/exports/users"+span+"&group_by=model&format=json", "/v1/exports/models"+span+"&format=parquet",
		"/v1/exports/models"+span+"&group_by=source&delimiter=semicolon&timezone=Asia/Kolkata",
		"/v1/exports/assistants?range=last_month&attributes=now&include_inactive=false&format=ndjson", "/v1/exports",
		"/app/summary"+span, "/app/preview/users"+span)
}

// get returns the answer's body, or an error unless the answer is complete.
func get(ctx context.Context, address, key string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %s", response.StatusCode, body)
	}
	if strings.Contains(address, "format=parquet") {
		return parquetRows(body)
	}
	return momentsOf.ReplaceAllString(string(body), `"complete_through":"…"`), nil
}

// momentsOf matches the part of an answer that differs between two trials of the same records.
var momentsOf = regexp.MustCompile(`"complete_through":"[^"]*"`)

func parquetRows(file []byte) (string, error) {
	rows, err := parquet.Read[any](bytes.NewReader(file), int64(len(file)))
	return fmt.Sprint(rows), err
}
