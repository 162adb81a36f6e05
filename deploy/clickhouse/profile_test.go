package clickhouse

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/export/access"
	"rollcall/schema/tables"
)

// hostile gives settings that Rollcall pins a value other than the pinned one. Pinned settings that
// are missing here are Bool; hostileProfile flips them.
var hostile = map[string]string{
	"additional_result_filter": "0", "additional_table_filters": "{'rollcall.events':'0','rollcall.marks':'0'}",
	"alter_sync": "0", "mutations_sync": "0", "lightweight_deletes_sync": "0",
	"lightweight_delete_mode": "lightweight_update",
	"async_insert":            "1", "deduplicate_insert": "enable", "deduplicate_insert_select": "force_enable",
	"insert_shard_id":               "1",
	"input_format_allow_errors_num": "100", "input_format_allow_errors_ratio": "1",
	"limit": "1", "offset": "1", "ignore_cold_parts_seconds": "3600",
	"enable_parallel_replicas": "1", "automatic_parallel_replicas_mode": "1", "distributed_group_by_no_merge": "1",
	"compatibility": "21.3", "dialect": "prql", "implicit_table_at_top_level": "events", "union_default_mode": "DISTINCT",
	"join_default_strictness":       "ANY",
	"count_distinct_implementation": "uniqHLL12", "short_circuit_function_evaluation": "disable",
	"session_timezone":       "Asia/Kolkata",
	"date_time_input_format": "basic", "cast_string_to_date_time_mode": "basic", "date_time_overflow_behavior": "saturate",
	"date_time_output_format": "unix_timestamp",
	"http_response_headers":   "{'Content-Type':'text/html'}", "bool_true_representation": "1",
	"bool_false_representation": "0",
}

// A profile that sets every pinned setting to another value changes nothing of what the product
// stores and answers.
func TestAProfileChangesNothing(t *testing.T) {
	broker := kafkatest.Open(t, topic)
	now := time.Now()
	broker.Produce(records(now)...)
	all := &role{grants: []string{"GRANT ALL ON *.*"}, profile: map[string]string{}}
	try := func() answers {
		s := serve(t, t.TempDir(), all)
		defer s.Stop()
		tr := &trial{
			broker: broker, group: t.Name() + fmt.Sprint(len(all.profile)), options: s.options, plain: s.conn, now: now,
			log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		said, err := tr.run(t.Context())
		if err != nil {
			t.Fatalf("with %d settings of a profile: %v", len(all.profile), err)
		}
		return said
	}
	want := try()
	all.profile = hostileProfile(t)
	got := try()
	for _, name := range got.differences(want) {
		t.Errorf("%s\n%.2000s\nwithout the profile\n%.2000s", name, got[name], want[name])
	}
}

// hostileProfile has a value for every pinned setting, and for no other. The overflow modes are
// left out because the engine refuses them together with use_query_cache. TestRowLimitsNeverCut
// covers them.
func hostileProfile(t *testing.T) map[string]string {
	profile := map[string]string{}
	for name, value := range tables.Settings() {
		if strings.Contains(name, "overflow_mode") {
			continue
		}
		text := fmt.Sprint(value)
		other, ok := hostile[name]
		if !ok {
			other = map[string]string{"0": "1", "1": "0"}[text]
		}
		if other == "" || other == text {
			t.Fatalf("%s = %s has no other value in this test", name, text)
		}
		profile[name] = other
	}
	for name := range hostile {
		if _, pinned := profile[name]; !pinned {
			t.Fatalf("%s is not pinned", name)
		}
	}
	return profile
}

// A profile that forbids a statement to set settings, or to write, is refused with one sentence
// that says what to do.
func TestAProfileThatForbidsSettingsIsRefused(t *testing.T) {
	dir := t.TempDir()
	admin := serve(t, dir, &role{grants: []string{"GRANT ALL ON *.*"}})
	if _, err := tables.Migrate(t.Context(), admin.options); err != nil {
		t.Fatal(err)
	}
	admin.Stop()
	for _, c := range []struct {
		name, says string
		role       role
	}{
		{"it only reads", "neither readonly = 1", role{profile: map[string]string{"readonly": "1"}}},
		{"it only reads, and may change settings", "take readonly out of it",
			role{profile: map[string]string{"readonly": "2"}}},
		{"it has a setting that nobody may change", "limit",
			role{profile: map[string]string{"limit": "1"}, fixed: []string{"limit"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.role.grants = []string{"GRANT ALL ON *.*"}
			s := serve(t, dir, &c.role)
			defer s.Stop()
			_, _, err := access.OpenKeys(s.conn).Create(t.Context(), "acme", "", 0)
			if !errors.Is(err, tables.ErrProfile) || !strings.Contains(err.Error(), c.says) ||
				strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
				t.Errorf("%v; it must say %q", err, c.says)
			}
		})
	}
}

// oldest finds the version of the server in deploy/compose.yaml.
var oldest = regexp.MustCompile(`clickhouse/clickhouse-server:(\d+)\.(\d+)`)

// Every server version that Rollcall supports, from the one of compose.yaml on, knows the pinned
// settings. A server that does not know one of them would fail every statement.
func TestPinnedSettingsAreKnown(t *testing.T) {
	compose, err := os.ReadFile("../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	version := oldest.FindSubmatch(compose)
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var newer []string
	err = conn.QueryRow(t.Context(),
		`SELECT groupUniqArray(change.name) FROM system.settings_changes ARRAY JOIN changes AS change
		WHERE type = 'Session' AND arrayMap(x -> toUInt32(x), splitByChar('.', version)) > [{major:UInt32}, {minor:UInt32}]
		AND change.reason ILIKE '%new%setting%'`, clickhouse.Named("major", string(version[1])),
		clickhouse.Named("minor", string(version[2]))).Scan(&newer)
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	err = conn.QueryRow(t.Context(), "SELECT groupArray(name) FROM system.settings WHERE NOT is_obsolete").Scan(&known)
	if err != nil {
		t.Fatal(err)
	}
	if len(newer) < 10 || len(known) < 1000 {
		t.Fatalf("%d settings, %d new ones", len(known), len(newer))
	}
	for name := range tables.Settings() {
		if slices.Contains(newer, name) {
			t.Errorf("%s is newer than ClickHouse %s.%s", name, version[1], version[2])
		}
		if !slices.Contains(known, name) {
			t.Errorf("the engine has no setting %s", name)
		}
	}
}

// The pinned settings go with each request in its first line. Proxies limit that line: nginx and
// HAProxy to 8 or 16 KiB by default.
func TestPinnedSettingsAreShort(t *testing.T) {
	values := url.Values{}
	for name, value := range tables.Settings() {
		values.Set(name, fmt.Sprint(value))
	}
	if n := len(values.Encode()); n > 4096 {
		t.Errorf("the settings are %d bytes of each request's address", n)
	} else {
		t.Logf("%d settings, %d bytes of each request's address", len(values), n)
	}
}
