package schema

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// testdata/identities.txt has events of every type with their two hashes, as existing logs hold
// them. Lines may be added to it, but none may ever change: an event that is sent again would be
// stored as another one and counted twice.
func TestIdentitiesAndVersionsStayWhatTheyAre(t *testing.T) {
	file, err := os.ReadFile("testdata/identities.txt")
	if err != nil {
		t.Fatal(err)
	}
	types := map[Type]bool{}
	for line := range strings.Lines(string(file)) {
		id, rest, _ := strings.Cut(line, " ")
		version, value, _ := strings.Cut(rest, " ")
		ev := decoded(t, &Record{Value: []byte(value)})
		types[ev.Type] = true
		nowID := fmt.Sprintf("%x", ev.EventID)
		nowVersion := fmt.Sprintf("%016x", ev.Version)
		if nowID != id || nowVersion != version {
			t.Errorf("now %s %s, was %s", nowID, nowVersion, line)
		}
	}
	for _, typ := range Types() {
		if !types[typ] {
			t.Errorf("testdata/identities.txt has no %s", typ.CloudEvent())
		}
	}
}
