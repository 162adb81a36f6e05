package main

import (
	"encoding/json"
	"strings"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
)

// A fatal error comes in the format of the log, also if the command line itself is wrong. Commands
// for people say it in a sentence.
func TestFatalErrorsAreLinesOfTheLog(t *testing.T) {
	admin := processtest.FreeAddr(t)
	const (
		sentence = "rollcall: "
		text     = `time=`
		object   = `{"time":"`
	)
	for _, c := range []struct {
		name, variable string
		code           int
		begins, says   string
		args           []string
	}{
		{"a stage", "", badSettings, object, "unknown flag --broker", []string{"ingest", "--broker", "x"}},
		{"a stage that cannot go on", "", failed, object, "leave --cluster out", []string{"ingest", "--log-level", "error",
			"--clickhouse-url", enginetest.Database(t).URL, "--cluster", "prod", "--admin-addr", admin}},
		{"a stage with text", "", badSettings, text, "unknown flag --broker",
			[]string{"--log-format", "text", "rollup", "--broker", "x"}},
		{"a stage with text, by a variable", "text", badSettings, text, "unknown flag --broker",
			[]string{"rollup", "--broker", "x"}},
		{"a stage with a format that is none", "", badSettings, object, "--log-format",
			[]string{"rollup", "--log-format", "xml"}},
		{"a command", "", badSettings, sentence, "unexpected argument", []string{"serve"}},
		{"a command with text", "", badSettings, sentence, "missing flags: --org",
			[]string{"keys", "create", "--log-format=text"}},
		{"a command with JSON", "", badSettings, object, "missing flags: --org",
			[]string{"keys", "create", "--log-format=json"}},
		{"a command with JSON, by a variable", "json", failed, object, "does not answer",
			[]string{"keys", "list", "--clickhouse-url", "http://127.0.0.1:1/rollcall"}},
		{"a flag beats the variable", "json", badSettings, sentence, "missing flags: --org",
			[]string{"keys", "create", "--log-format=text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv("ROLLCALL_LOG_FORMAT", c.variable)
			}
			code, _, stderr := call(t, "", c.args...)
			if code != c.code || !strings.HasPrefix(stderr, c.begins) || !strings.Contains(stderr, c.says) ||
				strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, says %q; want %d and one line %s… with %q", code, stderr, c.code, c.begins, c.says)
			}
			if c.begins != object {
				return
			}
			var line struct {
				Level, Msg, Error string
				ExitCode          int `json:"exit_code"`
			}
			if err := json.Unmarshal([]byte(stderr), &line); err != nil || line.Level != "ERROR" || line.ExitCode != code ||
				!strings.HasPrefix(line.Msg, "rollcall "+c.args[0]) || line.Error == "" {
				t.Errorf("%q is %+v, %v", stderr, line, err)
			}
		})
	}
}
