package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
)

// The page of settings is made from the source.
func TestSettingsPage(t *testing.T) {
	var c commands
	parser, err := newParser(&c, streams{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Settings\n\nEach flag is also an environment variable; a flag wins. A `ROLLCALL_` variable that no command knows is refused. " +
		"Made from the source by `make generate`.\n")
	for _, leaf := range parser.Model.Leaves(true) {
		section(&page, leaf)
	}
	const file = "../../deploy/SETTINGS.md"
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != page.String() {
		t.Error("deploy/SETTINGS.md is not what the source says; run make generate")
	}
}

func section(page *strings.Builder, leaf *kong.Node) {
	fmt.Fprintf(page, "\n## rollcall %s\n\n%s\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n",
		strings.TrimPrefix(leaf.FullPath(), "rollcall "), leaf.Help)
	for _, group := range leaf.AllFlags(true) {
		for _, flag := range group {
			if flag.Name == "help" {
				continue
			}
			def := flag.Default
			if flag.Required {
				def = "required"
			} else if def != "" {
				def = "`" + def + "`"
			}
			fmt.Fprintf(page, "| `--%s` | `%s` | %s | %s |\n", flag.Name, strings.Join(flag.Envs, ", "), def, flag.Help)
		}
	}
}

// units matches what the number of a setting can count. For a duration it matches an example of
// one.
var units = regexp.MustCompile(`(?i)\brows|bytes|requests|queries|partitions|replicas|days|people|events|how often|seed|users|like \d+(ms|s|m|h|d)\b|like 90d`)

// The help of each setting has whole sentences, and a number has its unit.
func TestSettingsAreExplained(t *testing.T) {
	var c commands
	parser, err := newParser(&c, streams{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		for _, group := range leaf.AllFlags(true) {
			for _, flag := range group {
				name := leaf.FullPath() + " --" + flag.Name
				first, _ := utf8.DecodeRuneInString(flag.Help)
				if !unicode.IsUpper(first) && flag.Name != "log-format" ||
					flag.Name != "help" && !strings.HasSuffix(flag.Help, ".") {
					t.Errorf("%s: %q is no sentence", name, flag.Help)
				}
				switch flag.Target.Kind() {
				case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
					if !units.MatchString(flag.Help) {
						t.Errorf("%s: %q says no unit", name, flag.Help)
					}
				}
			}
		}
	}
}

// config check checks the settings of every stage before it connects to anything, then what the
// settings point to.
func TestConfigCheck(t *testing.T) {
	for variable, value := range map[string]string{
		"ROLLCALL_BATCH_ROWS": "0x", "ROLLCALL_BATCH_BYTES": "1", "ROLLCALL_KAFKA_SASL": "kerberos",
		"ROLLCALL_KAFKA_TOPICS": "a,a", "ROLLCALL_SETTLE_TIME": "soon", "ROLLCALL_PUBLIC_URL": "usage.example.com",
		"ROLLCALL_RATE_PER_MINUTE": "-1", "ROLLCALL_MAX_CONNECTIONS": "0", "ROLLCALL_HTTP_CERT_FILE": "/nowhere.pem",
		"ROLLCALL_OTLP_ENDPOINT": "collector", "ROLLCALL_CLUSTER": "a b", "ROLLCALL_CLICKHOUSE_URL": "x",
		"ROLLCALL_LOG_LEVEL": "loud",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			code, out, stderr := call(t, "", "config", "check")
			if code != badSettings || out != "" || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q, %q; want 2 and one line", code, out, stderr)
			}
		})
	}
	options := embedded.BrokerOptions{
		Dir: t.TempDir(), Addr: processtest.FreeAddr(t), Topics: []string{"usage.messages"},
	}
	broker, err := embedded.StartBroker(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	clickhouse := enginetest.Database(t).URL
	check := func(want int, lines string, args ...string) {
		t.Helper()
		all := append([]string{"config", "check", "--kafka-brokers", broker.Addr(), "--clickhouse-url", clickhouse}, args...)
		code, out, stderr := call(t, "", all...)
		if code != want || !regexp.MustCompile("^"+lines+"$").MatchString(out) {
			t.Errorf("%q: exit code %d\n%s%s", args, code, out, stderr)
		}
	}
	check(ok, "settings +ok\nclickhouse +ok\nschema +ok\nsecret +ok\nkafka +ok\n", "--kafka-topics", "usage.messages")
	check(failed, "settings +ok\nclickhouse +ok\nschema +ok\nsecret +ok\nkafka +failed: topic usage.nothing: .+\n",
		"--kafka-topics", "usage.messages,usage.nothing")
	check(failed, "settings +ok\nclickhouse +ok\nschema +ok\nsecret +failed: the secret is not the one .+\nkafka +ok\n",
		"--kafka-topics", "usage.messages", "--secret", strings.Repeat("other", 8))
	check(failed, "settings +ok\nclickhouse +failed: .+\nkafka +ok\n",
		"--kafka-topics", "usage.messages", "--clickhouse-url", "http://127.0.0.1:1/rollcall")
	check(failed, "settings +ok\nclickhouse +ok\nschema +failed: .+rollcall migrate.+\nkafka +ok\n",
		"--kafka-topics", "usage.messages",
		"--clickhouse-url", clickhouse[:strings.LastIndex(clickhouse, "/")]+"/default")
}

// The log is text on a terminal and JSON elsewhere, unless the setting asks for one of them.
func TestLogFormat(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		format string
		to     io.Writer
		text   bool
	}{
		{"auto", terminal, true}, {"auto", file, false}, {"auto", io.Discard, false}, {"json", terminal, false},
		{"text", file, true},
	} {
		flags := logFlags{LogLevel: "info", LogFormat: c.format}
		if _, text := flags.logger(c.to).Handler().(*slog.TextHandler); text != c.text {
			t.Errorf("%s to %T: text is %t", c.format, c.to, text)
		}
	}
}
