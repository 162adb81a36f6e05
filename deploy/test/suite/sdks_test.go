//go:build sdks

package suite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/suite/oracle"
)

// A sdk is a program in the folder sdks. It sends sdks/events.json twice, in every way that it
// supports. Its libraries are fetched once, by the language's own package client, into a cache
// outside the repository.
type sdk struct {
	pinned  []string                         // the files that name the libraries
	fetch   func(dir, to string) []*exec.Cmd // puts the libraries into the folder to
	produce func(dir, libraries string) *exec.Cmd
}

var sdks = map[string]sdk{
	"go": {
		[]string{"go.mod", "go.sum", "main.go"},
		func(_, to string) []*exec.Cmd {
			return []*exec.Cmd{exec.Command("go", "build", "-o", to+"/produce", ".")}
		},
		func(_, libraries string) *exec.Cmd { return exec.Command(libraries + "/produce") },
	},
	"java": {
		[]string{"pom.xml"},
		func(_, to string) []*exec.Cmd {
			return []*exec.Cmd{exec.Command("mvn", "-B", "-q", "-C", "dependency:copy-dependencies", "-DoutputDirectory="+to)}
		},
		func(dir, libraries string) *exec.Cmd {
			return exec.Command("java", "-cp", libraries+"/*", dir+"/Produce.java")
		},
	},
	"javascript": {
		[]string{"package.json", "package-lock.json"},
		func(dir, to string) []*exec.Cmd {
			return []*exec.Cmd{
				exec.Command("cp", "package.json", "package-lock.json", to),
				exec.Command("npm", "ci", "--prefix", to, "--ignore-scripts", "--no-audit", "--no-fund"),
			}
		},
		func(dir, libraries string) *exec.Cmd {
			command := exec.Command("node", dir+"/produce.js")
			command.Env = append(os.Environ(), "NODE_PATH="+libraries+"/node_modules")
			return command
		},
	},
	"python": {
		[]string{"requirements.txt"},
		func(_, to string) []*exec.Cmd {
			return []*exec.Cmd{exec.Command("python3", "-m", "pip", "install", "--quiet", "--only-binary", ":all:",
				"--disable-pip-version-check", "--no-deps", "--target", to, "-r", "requirements.txt")}
		},
		func(dir, libraries string) *exec.Cmd {
			command := exec.Command("python3", dir+"/produce.py")
			command.Env = append(os.Environ(), "PYTHONPATH="+libraries)
			return command
		},
	},
}

// ways are the SDKs, clients and modes with which the programs send. Each has a source of its own.
var ways = []string{
	"/sdks/csharp/binary", "/sdks/csharp/structured", "/sdks/csharp/structured-charset",
	"/sdks/go-franz/binary", "/sdks/go-franz/structured", "/sdks/go-sarama/binary", "/sdks/go-sarama/structured",
	"/sdks/java/binary", "/sdks/java/structured", "/sdks/javascript/binary", "/sdks/javascript/structured",
	"/sdks/python-v1/binary", "/sdks/python-v1/structured", "/sdks/python/binary", "/sdks/python/structured",
}

// Events of the official SDKs, sent through the clients that their users have, in both content
// modes, are counted: each event once, with the same content whichever SDK sent it. This test is
// the evidence for the table of schema/PRODUCERS.md.
func TestEventsOfTheOfficialSDKsAreCounted(t *testing.T) {
	b := newBed(t)
	at := b.now.UTC().Add(-time.Hour).Truncate(time.Second).Add(123 * time.Millisecond)
	for name, s := range sdks {
		dir, err := filepath.Abs(filepath.Join("sdks", name))
		b.must(err)
		command := s.produce(dir, b.libraries(name, dir, s))
		events := filepath.Join(dir, "..", "events.json")
		command.Args = append(command.Args, b.broker, topics[0], at.Format(time.RFC3339Nano), events)
		b.output(command)
	}
	sent := b.sent(topics[0])
	for _, record := range sent {
		if reason := b.oracle.Add(record, b.now); reason != "" {
			t.Errorf("%s: %s\n%v", reason, record.Value, record.Headers)
		}
	}
	if want := 2 * 6 * len(ways); len(sent) != want {
		t.Errorf("%d records were sent, not %d", len(sent), want)
	}
	b.ingest(nil) // compares the log with the oracle
	b.sourcesAre(`SELECT source FROM events FINAL GROUP BY source HAVING count() = 4 ORDER BY source`)
	b.sourcesAre(`SELECT source FROM entities FINAL GROUP BY source HAVING count() = 2 ORDER BY source`)
	const contents = `SELECT count(DISTINCT version)
		FROM (SELECT version FROM events FINAL UNION ALL SELECT version FROM entities FINAL)`
	if n := b.count(contents); n != 6 {
		t.Errorf("6 events have %d contents", n)
	}
	costs := b.count(`SELECT countIf(cost_usd = toDecimal128('0.00000035', 9)) FROM events FINAL WHERE type = 'token'`)
	if rejects := b.count("SELECT count() FROM rejects FINAL"); int(costs) != len(ways) || rejects != 0 {
		t.Errorf("%d costs of %d are 0.00000035; %d records are rejected", costs, len(ways), rejects)
	}
	for _, dataType := range dataTypes {
		day := at.Format(time.DateOnly)
		if err := b.check(ask{Query: oracle.Query{Org: "sdks", Type: dataType, From: day, To: day}}); err != nil {
			t.Errorf("%s: %v", dataType, err)
		}
	}
}

// sourcesAre checks that a query returns all ways.
func (b *bed) sourcesAre(query string) {
	b.t.Helper()
	var rows []struct {
		Source string `ch:"source"`
	}
	b.must(b.conn.Select(b.t.Context(), &rows, query))
	var got []string
	for _, row := range rows {
		got = append(got, row.Source)
	}
	if !slices.Equal(got, ways) {
		b.t.Errorf("counted in full are the events of\n%q, sent were those of\n%q", got, ways)
	}
}

// sent returns everything that a topic holds, in the oracle's form.
func (b *bed) sent(topic string) (all []oracle.Record) {
	b.t.Helper()
	partitions, err := (&kafka.Dialer{}).LookupPartitions(b.t.Context(), "tcp", b.broker, topic)
	b.must(err)
	for _, p := range partitions {
		conn, err := kafka.DialPartition(b.t.Context(), "tcp", b.broker, p)
		b.must(err)
		defer conn.Close()
		offset, last, err := conn.ReadOffsets()
		b.must(err)
		for offset < last {
			m, err := conn.ReadMessage(10 << 20)
			b.must(err)
			if string(m.Key) != "sdks" {
				b.t.Errorf("the key is %q, not the partitionkey: %s", m.Key, m.Headers)
			}
			record := oracle.Record{Value: m.Value}
			for _, h := range m.Headers {
				record.Headers = append(record.Headers, oracle.Header{Key: h.Key, Value: h.Value})
			}
			all = append(all, record)
			offset = m.Offset + 1
		}
	}
	return all
}

// libraries returns the folder with a program's libraries. The folder is there completely or not at
// all.
func (b *bed) libraries(name, dir string, s sdk) string {
	b.t.Helper()
	pinned := sha256.New()
	for _, file := range s.pinned {
		text, err := os.ReadFile(filepath.Join(dir, file))
		b.must(err)
		pinned.Write(text)
	}
	cache, err := os.UserCacheDir()
	b.must(err)
	to := filepath.Join(cache, "rollcall", "sdks", name+"-"+hex.EncodeToString(pinned.Sum(nil)[:6]))
	if _, err := os.Stat(to); err == nil {
		return to
	}
	b.must(os.MkdirAll(filepath.Dir(to), 0o755))
	work, err := os.MkdirTemp(filepath.Dir(to), ".fetch-")
	b.must(err)
	defer os.RemoveAll(work)
	for _, command := range s.fetch(dir, work) {
		command.Dir = dir
		b.output(command)
	}
	if err := os.Rename(work, to); err != nil && !errors.Is(err, fs.ErrExist) {
		b.t.Fatal(err)
	}
	return to
}

func (b *bed) output(command *exec.Cmd) {
	b.t.Helper()
	if out, err := command.CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v\n%s", command, err, bytes.TrimSpace(out))
	}
}
