package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs a command line in this process.
func call(t *testing.T, in string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, streams{in: strings.NewReader(in), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// Bad settings end the process before anything starts, with one clear line and exit code 2.
func TestBadSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, says string
		args       []string
	}{
		{"unknown command", "unexpected argument", []string{"serve"}},
		{"unknown flag", "unknown flag --broker", []string{"ingest", "--broker", "x"}},
		{"not a ClickHouse URL", "http://user@host:8123/rollcall", []string{"migrate", "--clickhouse-url", "localhost"}},
		{"no database", "must end with a database", []string{"migrate", "--clickhouse-url", "http://localhost:8123"}},
		{"password twice", "give one",
			[]string{"migrate", "--clickhouse-password", "a", "--clickhouse-password-file", empty}},
		{"empty password file", "is empty", []string{"migrate", "--clickhouse-password-file", empty}},
		{"missing file", "no such file", []string{"migrate", "--clickhouse-ca-file", "/nowhere.pem"}},
		{"short secret", "at least 32", []string{"forget", "--org", "o", "--user", "u", "--secret", "short"}},
		{"no org", "missing flags: --org", []string{"keys", "create"}},
		{"an empty org", "--org must not be empty", []string{"forget", "--org", "", "--user", "ada"}},
		{"not a duration", "90d", []string{"keys", "create", "--org", "o", "--expires", "soon"}},
		{"not a scope", `a scope is written like USAGE_EXPORT_API, not "export all"`,
			[]string{"keys", "create", "--org", "o", "--scopes", "export all"}},
		{"a key's long name", "at most 256 bytes",
			[]string{"keys", "create", "--org", "o", "--name", strings.Repeat("n", 257)}},
		{"not a date", "2026-10-31", []string{"verify", "--from", "yesterday"}},
		{"no days", "--to 2026-10-01 is before --from 2026-10-31",
			[]string{"rebuild", "--from", "2026-10-31", "--to", "2026-10-01"}},
		{"not a number", "--users", []string{"generate", "--users", "many"}},
		{"no file", `expected "<file> ..."`, []string{"validate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := call(t, "", c.args...)
			if code != badSettings || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, says %q; want 2 and one line with %q", code, stderr, c.says)
			}
		})
	}
}

func TestUnknownVariableIsRefused(t *testing.T) {
	t.Setenv("ROLLCALL_KAFKA_BROKER", "x")
	code, _, stderr := call(t, "", "migrate")
	if code != badSettings || !strings.Contains(stderr, "ROLLCALL_KAFKA_BROKER") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestVariablesAreSettings(t *testing.T) {
	t.Setenv("ROLLCALL_CLICKHOUSE_URL", "ftp://x")
	if code, _, stderr := call(t, "", "migrate"); code != badSettings || !strings.Contains(stderr, "--clickhouse-url") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

// A failed check exits 1.
func TestValidate(t *testing.T) {
	code, out, stderr := call(t, `{"specversion":"1.0"}`+"\n", "validate", "-")
	if code != failed || !strings.Contains(out, "-:1: not_cloudevent: ") ||
		!strings.Contains(out, "1 events, 0 valid, 1 rejected") || !strings.Contains(stderr, "1 of 1") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, _ := call(t, "\n", "validate", "-"); code != ok || !strings.Contains(out, "0 events") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestUnreachableClickHouseExits1(t *testing.T) {
	code, _, stderr := call(t, "", "migrate", "--clickhouse-url", "http://127.0.0.1:1/rollcall")
	if code != failed || !strings.Contains(stderr, "127.0.0.1:1") || strings.Count(stderr, "\n") != 1 ||
		len(stderr) > 200 {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestHelpIsOnStandardOutput(t *testing.T) {
	code, out, _ := call(t, "", "ingest", "--help")
	if code != ok || !strings.Contains(out, "ROLLCALL_KAFKA_BROKERS") || !strings.Contains(out, "127.0.0.1:9092") {
		t.Errorf("exit code %d, %q", code, out)
	}
}
