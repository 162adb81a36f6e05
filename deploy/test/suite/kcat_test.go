//go:build kcat || containers

package suite

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

var update = flag.Bool("update", false, "write the golden files of testdata/kcat instead of comparing with them")

// Records of a client that is not ours: kcat writes the events of testdata/kcat, in both content
// modes, and the exports are the committed files. Sending the same events again changes no byte.
// YYYY-MM in the test data stands for the last month, so that the events never get too old, and
// NEXT-MM for the month after it.
func TestEventsWrittenByKcatGiveTheGoldenFiles(t *testing.T) {
	b := newBed(t)
	month := time.Date(b.now.UTC().Year(), b.now.UTC().Month()-1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
	for range 2 {
		b.kcat(month)
		b.golden(month)
		_, err := b.roll().Once(t.Context())
		b.must(err)
		b.golden(month)
	}
	n := b.count("SELECT count() FROM rejects FINAL WHERE reason = 'invalid_value' AND detail LIKE '%channel%'")
	if n != 2 {
		t.Errorf("%d rejects of the broken message that was sent twice", n)
	}
}

// kcat sends every file: structured events line by line, binary ones with the headers in a file
// beside them. Then it waits until they are ingested.
func (b *bed) kcat(month string) {
	b.t.Helper()
	structured, err := filepath.Glob("testdata/kcat/structured/*.jsonl")
	b.must(err)
	for _, file := range structured {
		b.run("kcat", append([]string{"-P", "-b", b.broker, "-t", topics[0], "-z", "lz4", "-l", b.dated(file, month)},
			security.kcat...)...)
		for line := range bytes.Lines(b.text(file, month)) {
			b.oracle.Add(oracle.Record{Value: line}, b.now)
		}
	}
	binary, err := filepath.Glob("testdata/kcat/binary/*.json")
	b.must(err)
	for _, file := range binary {
		args := []string{"-P", "-b", b.broker, "-t", topics[1], "-k", "acme"}
		record := oracle.Record{Value: b.text(file, month)}
		for _, header := range strings.Fields(string(b.text(strings.TrimSuffix(file, ".json")+".headers", month))) {
			args = append(args, "-H", header)
			name, value, _ := strings.Cut(header, "=")
			record.Headers = append(record.Headers, oracle.Header{Key: name, Value: []byte(value)})
		}
		b.run("kcat", append(append(args, security.kcat...), b.dated(file, month))...)
		b.oracle.Add(record, b.now)
	}
	b.ingest(nil)
}

// golden compares one file of each data type with the committed one, and with the oracle.
func (b *bed) golden(month string) {
	b.t.Helper()
	for _, dataType := range dataTypes {
		a := ask{Query: oracle.Query{Org: "acme", Type: dataType, From: month + "-01", To: month + "-28"}}
		if err := b.check(a); err != nil {
			b.t.Errorf("%s: %v", dataType, err)
		}
		status, body := b.answer(a)
		b.must(statusError(status, body, http.StatusOK))
		file := "testdata/kcat/" + dataType + ".csv"
		if *update {
			written := bytes.ReplaceAll(body, []byte(month), []byte("YYYY-MM"))
			b.must(os.WriteFile(file, bytes.ReplaceAll(written, []byte(after(month)), []byte("NEXT-MM")), 0o644))
		}
		if want := b.text(file, month); !bytes.Equal(body, want) {
			b.t.Errorf("%s: want\n%s\ngot\n%s", dataType, want, body)
		}
	}
}

func (b *bed) text(file, month string) []byte {
	b.t.Helper()
	text, err := os.ReadFile(file)
	b.must(err)
	text = bytes.ReplaceAll(text, []byte("YYYY-MM"), []byte(month))
	return bytes.ReplaceAll(text, []byte("NEXT-MM"), []byte(after(month)))
}

// after is the next month.
func after(month string) string {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		panic(err) // the test made it
	}
	return first.AddDate(0, 1, 0).Format("2006-01")
}

// dated copies the file and replaces YYYY-MM by the month.
func (b *bed) dated(file, month string) string {
	b.t.Helper()
	copied := filepath.Join(b.t.TempDir(), filepath.Base(file))
	b.must(os.WriteFile(copied, b.text(file, month), 0o644))
	return copied
}

func (b *bed) run(name string, args ...string) {
	b.t.Helper()
	if output, err := exec.CommandContext(b.t.Context(), name, args...).CombinedOutput(); err != nil {
		b.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}
