package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/export"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// day is the day of all events here. It is fixed once, because midnight may pass between the stage
// that stores it and the one that exports it.
var day = time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)

func errorOf(err error) (*clickhouse.Exception, bool) {
	var exception *clickhouse.Exception
	return exception, errors.As(err, &exception)
}

// Every stage does its work with the grants of its role, one after the other on one database. No
// stage can do what only another one may.
func TestEveryStageWorksWithItsRole(t *testing.T) {
	_, roles := readRoles(t, "users.sql")
	everyStageWorks(t, roles)
}

// The same on a cluster's tables, with the grants of cluster.sql besides. The embedded engine has
// no statements ON CLUSTER, so the right to them is not tested.
func TestEveryStageWorksWithItsRoleOnACluster(t *testing.T) {
	_, roles := readRoles(t, "users.sql", "cluster.sql")
	for _, r := range roles {
		r.config = enginetest.ClusterConfig
	}
	everyStageWorks(t, roles)
}

// Whatever a role may do with a table, it may do with the shard's own table behind it.
func TestEveryGrantHoldsOnTheShard(t *testing.T) {
	_, one := readRoles(t, "users.sql")
	_, more := readRoles(t, "cluster.sql")
	for name, role := range one {
		for _, grant := range role.grants {
			local := strings.Replace(grant, " ON rollcall.", " ON rollcall_local.", 1)
			if local != grant && !slices.Contains(more[name].grants, local) {
				t.Errorf("cluster.sql lacks %s TO %s", local, name)
			}
		}
	}
}

func everyStageWorks(t *testing.T, roles map[string]*role) {
	t.Helper()
	dir := t.TempDir()
	for _, step := range []struct {
		role string
		work func(*server)
	}{{"rollcall_migrate", migrates}, {"rollcall_ingest", ingests}, {"rollcall_rollup", rollsUp},
		{"rollcall_export", exports}} {
		if !t.Run(step.role, func(t *testing.T) {
			s := serve(t, dir, roles[step.role])
			step.work(s)
			s.Stop()
		}) {
			return // the next one has nothing to work on
		}
	}
}

func migrates(s *server) {
	if applied, err := tables.Migrate(s.Context(), s.options); err != nil || len(applied) < 7 {
		s.Fatalf("applied %v, %v", applied, err)
	}
	if err := tables.Check(s.Context(), s.conn); err != nil {
		s.Error(err)
	}
	s.refuses("DROP TABLE rollcall.events", "DROP DATABASE rollcall", "TRUNCATE TABLE rollcall.keys",
		"CREATE DATABASE other")
}

func ingests(s *server) {
	ctx := s.Context()
	if _, err := tables.Secret(ctx, s.conn, secret); err != nil {
		s.Fatal(err)
	}
	kafka := kafkatest.Open(s.T, "usage.messages")
	for i, value := range []string{
		`{"specversion":"1.0","id":"1","source":"t","type":"usage.message.v1","time":"` + day +
			`T12:00:00Z","data":{"org_id":"acme","user_id":"ada","channel":"chat"}}`,
		`{"specversion":"1.0","id":"3","source":"t","type":"usage.message.v1","time":"` + day +
			`T12:00:00Z","data":{"org_id":"acme","user_id":"bob","channel":"chat"}}`,
		`{"specversion":"1.0","id":"2","source":"t","type":"usage.entity.v1","time":"` + day +
			`T12:00:00Z","data":{"org_id":"acme","kind":"user","id":"ada","name":"Ada"}}`,
		`not an event`,
	} {
		kafka.Produce(&kgo.Record{Topic: "usage.messages", Partition: int32(i % 3), Value: []byte(value)})
	}
	i, err := ingest.New(ingest.Config{
		Brokers: []string{kafka.Addr}, Topics: []string{"usage.messages"}, Secret: secret, BatchAge: 20 * time.Millisecond,
		ProgressEvery: 50 * time.Millisecond,
	},
		s.options, s.log(), prometheus.NewRegistry())
	if err != nil {
		s.Fatal(err)
	}
	s.while(i.Run, func() bool {
		rows := "SELECT (SELECT count() FROM events) + (SELECT count() FROM entities) + (SELECT count() FROM rejects)"
		return s.count(rows) == 4 && s.count("SELECT count() FROM progress WHERE through > 0") > 0
	})
	// Ingest does this where an erasure races a batch (ingest TestErasureRacesABatch).
	for _, table := range []string{"events", "entities", "rejects"} {
		if err := s.conn.Exec(ctx, s.options.DeleteFrom(table)+" WHERE 0"); err != nil {
			s.Error(err)
		}
	}
	s.refuses("SELECT * FROM keys", "SELECT * FROM export_audit", "SELECT * FROM message_daily",
		"INSERT INTO slices (org_id) VALUES ('acme')", "DELETE FROM marks WHERE 1", "DROP TABLE events")
}

func rollsUp(s *server) {
	r, err := rollup.New(rollup.Config{
		SettleTime: time.Nanosecond, SweepEvery: time.Nanosecond, VerifyEvery: time.Nanosecond, Poll: 50 * time.Millisecond,
	}, s.options.OnShard(), s.log(), prometheus.NewRegistry())
	if err != nil {
		s.Fatal(err)
	}
	rolledUp := func() bool { return s.count("SELECT count() FROM slices FINAL WHERE dead = 0") == 1 }
	if s.options.Cluster == "" {
		s.while(r.Run, rolledUp)
	} else if _, err := r.Once(s.Context()); err != nil || !rolledUp() { // Run wants replicated tables
		s.Errorf("nothing is rolled up: %v", err)
	}
	n, err := r.Verify(s.Context(), rollup.Filter{}, func(d rollup.Difference) { s.Errorf("%+v", d) }, nil)
	if err != nil || n != 1 {
		s.Errorf("verified %d, %v", n, err)
	}
	if _, err := r.Rebuild(s.Context(), rollup.Filter{}, nil); err != nil {
		s.Error(err)
	}
	if err := r.Sweep(s.Context()); err != nil {
		s.Error(err)
	}
	if err := r.Forget(s.Context(), secret, "acme", "bob", nil); err != nil {
		s.Error(err)
	}
	if n := s.count("SELECT count() FROM events WHERE user_id = 'bob'"); n != 0 {
		s.Errorf("%d events left of an erased person", n)
	}
	s.refuses("DROP TABLE message_daily", "TRUNCATE TABLE events", "INSERT INTO keys (key_id) VALUES ('k')",
		"SELECT * FROM keys", "SELECT * FROM export_audit", "ALTER TABLE message_daily UPDATE messages = 0 WHERE 1")
}

func exports(s *server) {
	e, err := export.New(export.Config{Secret: secret}, s.options, s.log(), prometheus.NewRegistry())
	if err != nil {
		s.Fatal(err)
	}
	if _, err := tables.Secret(s.Context(), s.conn, secret); err != nil {
		s.Error(err)
	}
	keys := access.OpenKeys(s.conn)
	id, key, err := keys.Create(s.Context(), "acme", "", 0)
	if err != nil {
		s.Fatal(err)
	}
	web := httptest.NewServer(e.Handler())
	defer web.Close()
	s.while(e.Run, func() bool {
		request, _ := http.NewRequest("GET", web.URL+"/v1/exports/users?from="+day+"&to="+day, nil)
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			s.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != 200 || !strings.Contains(string(body), `"acme","ada","Ada"`) {
			s.Fatalf("%d %s", response.StatusCode, body)
		}
		return s.count("SELECT count() FROM export_audit FINAL WHERE outcome = 'complete'") > 0
	})
	if err := keys.Revoke(s.Context(), id); err != nil {
		s.Error(err)
	}
	for _, table := range []string{
		"events", "entities", "marks", "slices", "message_daily", "rejects", "erasures", "migrations",
	} {
		s.refuses("INSERT INTO "+table+" SELECT * FROM "+table, "ALTER TABLE "+table+" DELETE WHERE 1")
	}
	s.refuses("ALTER TABLE export_audit DELETE WHERE 1", "ALTER TABLE keys DELETE WHERE 1", "DROP TABLE keys",
		"CREATE TABLE t (a Int8) ENGINE = Memory")
}

// while runs a stage until holds returns true, then stops it.
func (s *server) while(run func(context.Context) error, holds func() bool) {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	for deadline := time.Now().Add(60 * time.Second); !holds(); <-time.After(50 * time.Millisecond) {
		select {
		case err := <-done:
			s.Fatalf("the stage ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			s.Fatal("waited 60 s for the stage in vain")
		}
	}
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		s.Errorf("the stage ended with %v", err)
	}
}

func (s *server) count(query string) (n uint64) {
	s.Helper()
	if err := s.shard.QueryRow(context.Background(), query).Scan(&n); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return n
}

// log fails the test at a stage's errors: a missing grant shows there first.
func (s *server) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(deniedIn{s.T}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type deniedIn struct{ *testing.T }

func (d deniedIn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "ACCESS_DENIED") || strings.Contains(string(p), "Not enough privileges") {
		d.Errorf("a right is missing: %s", p)
	}
	return len(p), nil
}

// ClickHouse can parse every statement of the file.
func TestUsersFileIsParsed(t *testing.T) {
	statements, _ := readRoles(t, "users.sql")
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range statements {
		var formatted string
		row := conn.QueryRow(t.Context(), "SELECT formatQuery({s:String})", clickhouse.Named("s", s))
		if err := row.Scan(&formatted); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// Limits whose overflow would cut results silently are errors here, whatever the user's profile
// says, because each statement sets the overflow mode itself.
func TestRowLimitsNeverCut(t *testing.T) {
	_, roles := readRoles(t, "users.sql")
	dir := t.TempDir()
	cutting := &role{grants: []string{"GRANT ALL ON *.*"}, profile: map[string]string{}}
	admin := serve(t, dir, cutting)
	if _, err := tables.Migrate(t.Context(), admin.options); err != nil {
		t.Fatal(err)
	}
	var modes []struct {
		Name string `ch:"name"`
	}
	const overflowModes = "SELECT name FROM system.settings WHERE name LIKE '%overflow_mode%'"
	if err := admin.conn.Select(t.Context(), &modes, overflowModes); err != nil || len(modes) < 10 {
		t.Fatalf("%v, %v", modes, err)
	}
	for user := range 20 {
		event := fmt.Sprintf(`INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel)
			VALUES ('acme', '%s', 'message', '%016d', 2, '%s 12:00:00', 's', '%d', 'user%d', 'chat')`,
			day, user, day, user, user)
		if err := admin.conn.Exec(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	mark := "INSERT INTO marks (org_id, day, writer, seq) SELECT 'acme', '" + day + "', generateUUIDv4(), 1"
	if err := admin.conn.Exec(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	admin.Stop()
	for name, limits := range map[string]map[string]string{
		"none": {}, "of users.sql": roles["rollcall_export"].profile, "result rows": {"max_result_rows": "15"},
		"rows to read": {"max_rows_to_read": "15"},
		"groups":       {"max_rows_to_group_by": "15"}, "sorted rows": {"max_rows_to_sort": "15"},
	} {
		t.Run(name, func(t *testing.T) {
			cutting.profile = map[string]string{}
			for _, mode := range modes {
				cutting.profile[mode.Name] = "break"
			}
			for setting, value := range limits {
				cutting.profile[setting] = value
			}
			s := serve(t, dir, cutting)
			defer s.Stop()
			if n := s.count("SELECT count() FROM system.settings WHERE name LIKE '%overflow_mode%' AND value = 'break'"); n != 0 {
				t.Errorf("%d overflow modes cut", n)
			}
			users, whole := s.exportUsers()
			if fits := name == "none" || name == "of users.sql"; whole != fits || fits && users != 20 {
				t.Errorf("%d users of 20, whole: %v", users, whole)
			}
		})
	}
}

// exportUsers returns how many users the export has, and whether it is whole: answered with 200 and
// read to its end.
func (s *server) exportUsers() (users int, whole bool) {
	s.Helper()
	e, err := export.New(export.Config{Secret: secret}, s.options, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		s.Fatal(err)
	}
	_, key, err := access.OpenKeys(s.conn).Create(s.Context(), "acme", "", 0)
	if err != nil {
		s.Fatal(err)
	}
	web := httptest.NewServer(e.Handler())
	defer web.Close()
	request, _ := http.NewRequest("GET", web.URL+"/v1/exports/users?from="+day+"&to="+day, nil)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return strings.Count(string(body), `"acme",`), err == nil && response.StatusCode == 200
}
