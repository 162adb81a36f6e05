package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
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
		"Made from the source by `go test ./cmd/rollcall -run SettingsPage -update`.\n")
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
		t.Error("deploy/SETTINGS.md is not what the source says; run this test with -update")
	}
}

func section(page *strings.Builder, leaf *kong.Node) {
	fmt.Fprintf(page, "\n## rollcall %s\n\n%s\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n", strings.TrimPrefix(leaf.FullPath(), "rollcall "), leaf.Help)
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

// Each setting has a sentence of help, and is told apart from the others by its name alone.
func TestSettingsAreExplained(t *testing.T) {
	var c commands
	parser, err := newParser(&c, streams{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		for _, group := range leaf.AllFlags(true) {
			for _, flag := range group {
				if flag.Help == "" {
					t.Errorf("%s --%s has no help", leaf.FullPath(), flag.Name)
				}
			}
		}
	}
}
