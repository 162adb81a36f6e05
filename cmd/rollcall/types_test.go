package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A typePlace is a place that must know each type of event. Its text is a pattern in which the
// names of the type are inserted.
type typePlace struct {
	file    string // a glob from the root
	text    string // GO, EVENT, NAME and NUMBER stand for the type's constant, names and value
	missing string // what to do
	usage   bool   // only types of the log: entities have a table of their own
}

var typePlaces = []typePlace{
	{"SPEC.md", "`EVENT`", "say what the event means, and its fields", false},
	{"schema/judge.go", `case "EVENT":`, "let the envelope know the type", false},
	{"schema/data.go", `case GO:`, "judge its fields; new ones get a key in keys.go and a field in Event", false},
	{"schema/identity.go", `case .*\bGO\b`, "take its fields into the version", false},
	{"schema/jsonschema/EVENT.json", `"const": "EVENT"`, "describe it as a JSON Schema", false},
	{"schema/PRODUCERS.md", "`EVENT`", "tell producers of it", false},
	{"schema/testdata/identities.txt", `"EVENT"`, "add an event, for its identity and version stay for ever", false},
	{"schema/tables/migrations/*.sql", `'NAME' = NUMBER\b`,
		"a new migration: the type in the log's Enum8, its fields, its rollup table, its row counts in slices and months",
		true},
	{"schema/tables/daily.go", `\bschema\.GO\b`, "describe its rollup table, and add it to dailies", true},
	{"ingest/rows/events.go", `case .*\bschema\.GO\b`, "write its fields as columns", true},
	{"deploy/test/suite/oracle/event.go", `"EVENT"`, "read it by hand once more: the oracle shares no code", false},
	{"deploy/test/suite/traffic/event.go", `"EVENT"`, "make some, so that the suite compares exports with it", true},
	{"deploy/demo/sample/cloudevent.go", `"EVENT"`, "let the demo send some", false},
}

// If some place does not know a type of event, its events would be lost there, and nothing else
// would report it. This test is the list of what a new type needs; CONTRIBUTING.md has it as a
// recipe.
func TestEventTypesAreKnownWhereverTheyMustBe(t *testing.T) {
	const root = "../.."
	for _, typ := range schema.Types() {
		constant := constantOf(t, root, typ)
		for _, place := range typePlaces {
			if place.usage && typ == schema.EntityState {
				continue
			}
			names := strings.NewReplacer("EVENT", typ.CloudEvent(), "NAME", typ.String(),
				"NUMBER", fmt.Sprint(uint8(typ)), "GO", constant)
			file := names.Replace(place.file)
			pattern := names.Replace(place.text)
			if !anyHas(t, root, file, regexp.MustCompile(strings.ReplaceAll(pattern, ".v1", `\.v1`))) {
				t.Errorf("%s: %s has nothing that matches %q: %s", typ.CloudEvent(), file, pattern, place.missing)
			}
		}
	}
	for _, d := range tables.Dailies() {
		grant := "GRANT SELECT, INSERT, ALTER DELETE ON rollcall." + d.Table + " TO rollcall_rollup;"
		if !anyHas(t, root, "deploy/clickhouse/users.sql", regexp.MustCompile(regexp.QuoteMeta(grant))) {
			t.Errorf("%s: deploy/clickhouse/users.sql does not let the workers write its rollup: %s", d.Type.CloudEvent(), grant)
		}
	}
}

// constantOf is the name of the type's constant: the constants' comments name the events.
func constantOf(t *testing.T, root string, typ schema.Type) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, "schema/event.go"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\t(\w+) .*// ` + regexp.QuoteMeta(typ.CloudEvent())).FindSubmatch(source)
	if line == nil {
		t.Fatalf("schema/event.go: the constant of %s has no comment that begins with this name", typ.CloudEvent())
	}
	return string(line[1])
}

// anyHas says whether one of the files that the glob matches has the text.
func anyHas(t *testing.T, root, glob string, text *regexp.Regexp) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, glob))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text.Match(source)
	})
}
