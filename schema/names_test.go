package schema

import (
	"fmt"
	"strings"
	"testing"
)

// The table finds exactly the names that the switches of keys.go know. Each name is tried, and
// others that are nearly the same, also where the record ends soon after the name.
func TestNameTable(t *testing.T) {
	lookup := [...]func(name string) key{
		inEnvelope: func(name string) key { return orObject(name, "data", dataObject, envelopeKey) },
		inData:     func(name string) key { return orObject(name, "settings", settingsObject, dataKey) },
		inSettings: func(name string) key { return settingsKey([]byte(name)) },
	}
	for in, table := range names {
		found := map[key]bool{}
		for _, qualified := range append(keyNames[1:], "data", "settings") {
			for _, name := range alike(lastPart(qualified)) {
				for _, rest := range []string{"", ":", ":1", `:""}`, `:"text"`, `:"a longer text"}}`, `""""""""`} {
					b := `{"` + name + `"` + rest
					want := lookup[in](name)
					end := 2 + len(name)
					if k, at := table.find([]byte(b), 2); k != want || at != end {
						t.Errorf("place %d: %q in %q is key %d and ends at %d; want %d and %d", in, name, b, k, at, want, end)
					}
					found[want] = true
				}
			}
		}
		for _, n := range table.places {
			if !found[n.key] {
				t.Errorf("place %d: the table has key %d, which no name is", in, n.key)
			}
		}
	}
}

// A name that does not end, or has an escape, a control character or invalid UTF-8, gives doubt.
func TestNameTableDoubts(t *testing.T) {
	for _, b := range []string{
		"", "i", "id", "cached_p", "cached_prompt_tokens", "\x00\"", "\x00\x00\x00\x00\x00\x00\x00\x00\"", `i\u0064"`,
		`org\"id"`, "user_id\xff\"", "user_id\x1f\"",
	} {
		for in, table := range names {
			if k, end := table.find([]byte(`{"`+b), 2); k != noKey || end != doubt {
				t.Errorf("place %d: %q is key %d and ends at %d; want doubt", in, b, k, end)
			}
		}
	}
}

func orObject(name, object string, k key, others func([]byte) key) key {
	if name == object {
		return k
	}
	return others([]byte(name))
}

func lastPart(qualified string) string { return qualified[strings.LastIndexByte(qualified, '.')+1:] }

// alike returns a name and others that differ from it in one byte, are shorter or are longer.
func alike(name string) []string {
	all := []string{name, name + "x", name + name, name + "\x7f"}
	for i := range name {
		all = append(all, name[:i]+name[i+1:], name[:i], fmt.Sprintf("%s%c%s", name[:i], name[i]^1, name[i+1:]))
	}
	return all
}
