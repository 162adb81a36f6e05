package main

import (
	"net/url"
	"strings"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
)

// If the database does not exist, or the server does not answer, every command that is no stage
// ends with exit code 1 and one sentence, before it prints anything else. Stages wait.
func TestWrongClickHouseIsOneSentence(t *testing.T) {
	engine, err := url.Parse(enginetest.Database(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	commands := [][]string{
		{"keys", "create", "--org", "acme"}, {"keys", "list"}, {"keys", "revoke", "abcdefghijkl"}, {"rejects", "list"},
		{"rejects", "replay"},
		{"verify"}, {"verify", "--duplicates"}, {"rebuild"}, {"forget", "--org", "acme", "--user", "ada"},
		{"migrate", "--check"},
	}
	for _, c := range []struct{ name, url, says string }{
		{"database", "http://" + engine.Host + "/no_such",
			"ClickHouse has no database no_such: correct the last part of the ClickHouse URL, or make the database with `rollcall migrate`\n"},
		{"port", "http://127.0.0.1:1/rollcall",
			"ClickHouse at 127.0.0.1:1 does not answer: dial tcp 127.0.0.1:1: connect: connection refused\n"},
		{"host", "http://no-such-host.invalid:8123/rollcall",
			"ClickHouse at no-such-host.invalid:8123 does not answer: dial tcp: lookup no-such-host.invalid"},
		{"scheme", "https://" + engine.Host + "/rollcall", "ClickHouse at " + engine.Host + " does not answer: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, command := range commands {
				code, out, stderr := call(t, "", append(command, "--clickhouse-url", c.url)...)
				says := strings.TrimSuffix(c.says, "\n")
				sentence := strings.HasPrefix(stderr, "rollcall: ") && strings.Contains(stderr, says) &&
					strings.Count(stderr, "\n") == 1 && len(stderr) < 350
				if code != failed || out != "" || !sentence {
					t.Errorf("%q: exit code %d, prints %q, says %q; want 1 and one line with %q", command, code, out, stderr, c.says)
				}
			}
		})
	}
}

// Without a subcommand, a command prints the help, which lists them.
func TestBareCommandsPrintTheHelp(t *testing.T) {
	for _, c := range []struct {
		args  []string
		lists []string
	}{
		{nil, []string{"Usage: rollcall <command>", "demo", "ingest", "rollup", "export", "validate", "verify"}},
		{[]string{"keys"}, []string{"Usage: rollcall keys <command>", "create", "list", "revoke"}},
		{[]string{"rejects"}, []string{"list", "replay"}},
		{[]string{"config"}, []string{"check"}},
		{[]string{"bench"}, []string{"ingest", "delay", "export"}},
	} {
		code, out, stderr := call(t, "", c.args...)
		for _, word := range c.lists {
			if code != ok || stderr != "" || !strings.Contains(out, word) {
				t.Errorf("%q: exit code %d, prints %q, says %q; want the help, with %q", c.args, code, out, stderr, word)
			}
		}
	}
	if code, _, stderr := call(t, "", "keys", "lend"); code != badSettings || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a command that is none: exit code %d, %q", code, stderr)
	}
}

// An event counts as produced only when a broker has acknowledged it.
func TestGenerateCountsWhatIsAcknowledged(t *testing.T) {
	code, out, stderr := call(t, "", "generate", "--org", "acme", "--users", "100", "--days", "60", "--kafka-brokers",
		"127.0.0.1:1")
	if code != failed || out != "" || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "events produced") {
		t.Errorf("exit code %d, prints %q, says %q; want 1 and one line without a number of events", code, out, stderr)
	}
}
