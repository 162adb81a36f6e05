package schema

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var topicTypes = map[string]Type{
	"usage.messages": Message, "usage.actions": Action, "usage.tokens": Token, "usage.workflows": WorkflowRun,
	"usage.entities": EntityState,
}

// The files that PRODUCERS.md sends are valid events of their topic's type at noon of 31 October
// 2026, for the decoder and for the JSON Schemas.
func TestTestdataIsValid(t *testing.T) {
	for topic, typ := range topicTypes {
		value := readFile(t, "structured", topic+".jsonl")
		lines, rejected, err := ValidateLines(bytes.NewReader(value), topic, benchNow,
			func(line int, rej *Rejection) { t.Errorf("%s:%d: %+v", topic, line, rej) })
		if err != nil || lines == 0 || rejected > 0 {
			t.Errorf("%s: %d of %d lines are rejected, error %v", topic, rejected, lines, err)
		}
		ids := map[EventID]bool{}
		for scan := bufio.NewScanner(bytes.NewReader(value)); scan.Scan(); {
			ev, rej := decodeBoth(t, &Record{Value: scan.Bytes()}, benchNow)
			if rej != nil || ev.Type != typ || ids[ev.EventID] {
				t.Errorf("%s: type %d, %+v, seen before: %v", scan.Text(), ev.Type, rej, ids[ev.EventID])
				continue
			}
			ids[ev.EventID] = true
			newBoth(t, typeName(t, topic)).judge(t, "testdata", scan.Bytes(), sample{decoder: true, schema: true})
		}
	}
}

// Each topic's first event in structured mode is there in binary mode too: the same identity, the
// same version.
func TestTestdataInBothModesIsOneEvent(t *testing.T) {
	for topic := range topicTypes {
		first, _, _ := bytes.Cut(readFile(t, "structured", topic+".jsonl"), []byte("\n"))
		structured, rej1 := decodeBoth(t, &Record{Value: first}, benchNow)
		binary, rej2 := decodeBoth(t, &Record{Value: readFile(t, "binary", topic+".json"), Headers: kcatHeaders(t, topic)},
			benchNow)
		if rej1 != nil || rej2 != nil || structured.EventID != binary.EventID || structured.Version != binary.Version ||
			structured.Day != binary.Day {
			t.Errorf("%s: %+v %+v, versions %x and %x", topic, rej1, rej2, structured.Version, binary.Version)
		}
	}
}

// kcatHeaders reads a file of name=value lines, each an argument of kcat -H.
func kcatHeaders(t *testing.T, topic string) (headers []Header) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, "binary", topic+".headers"))) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !found || strings.ContainsAny(value, " \t") { // the shell splits them at spaces
			t.Fatalf("%s.headers: %q", topic, line)
		}
		headers = append(headers, Header{[]byte(name), []byte(value)})
	}
	return headers
}

func typeName(t *testing.T, topic string) string {
	t.Helper()
	for _, h := range kcatHeaders(t, topic) {
		if string(h.Key) == "ce_type" {
			return string(h.Value)
		}
	}
	t.Fatalf("%s.headers has no ce_type", topic)
	return ""
}

func readFile(t *testing.T, mode, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", mode, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
