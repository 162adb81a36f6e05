package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/schema/tables"
)

// The list of topics says what has to be done about each. A topic that nobody reads can be retired.
// Its records that were never read are named, and left out only on request.
func TestTopics(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	broker := kafkatest.Open(t, "usage.old")
	broker.Produce(&kgo.Record{Topic: "usage.old", Value: []byte("a")},
		&kgo.Record{Topic: "usage.old", Value: []byte("b")})
	for _, topic := range []string{"usage.old", "usage.gone"} {
		enginetest.Insert(t, conn, "progress",
			map[string]any{"topic": topic, "partition": 0, "through": "2026-11-01 10:00:00.000", "end_offset": 0, "gone": 0})
	}
	topics := func(want int, args ...string) (out, stderr string) {
		t.Helper()
		args = append([]string{"topics"}, append(args, "--clickhouse-url", o.URL, "--kafka-brokers", broker.Addr)...)
		code, out, stderr := call(t, "", args...)
		if code != want {
			t.Errorf("%q: exit code %d, %s%s", args, code, out, stderr)
		}
		return out, stderr
	}
	states := func(want ...string) {
		t.Helper()
		out, _ := topics(ok, "list")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for i, line := range lines[1:] {
			if len(lines) != len(want)+1 || strings.Join(strings.Fields(line), " ") != want[i] {
				t.Errorf("listed as\n%s\nwant %q", out, want)
			}
		}
	}
	const (
		gone = "usage.gone 1 2026-11-01T10:00:00Z ? not in Kafka: the watermark waits for it"
		old  = "usage.old 1 2026-11-01T10:00:00Z 2 "
	)
	states(gone, old+"read by nobody: the watermark waits for it")
	if out, stderr := topics(failed, "retire", "usage.old"); out != "never stored: usage.old/0: offsets 0 to 1\n" ||
		!strings.Contains(stderr, "--leave-unread") {
		t.Errorf("%q, %q", out, stderr)
	}
	if _, stderr := topics(failed, "retire", "usage.nothing"); !strings.Contains(stderr, "topics list") {
		t.Errorf("%q", stderr)
	}
	if out, stderr := topics(ok, "retire", "usage.old",
		"--leave-unread"); out != "never stored: usage.old/0: offsets 0 to 1\n" || stderr != "retired usage.old\n" {
		t.Errorf("%q, %q", out, stderr)
	}
	states(gone, old+"retired")
}
