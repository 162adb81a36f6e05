package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Gremlins runs "go test" for each fault. It cannot take a sample of the faults or choose tests. It
// treats the packages below a package as part of it, and counts a fault that does not compile as
// caught. So this program takes the place of its go command. It leaves faults out, compiles first,
// and runs the tests that the package's entry in choices names, quick tests first.

const ordersVariable = "MUTANTS_ORDERS"

// orders are what the program must know when gremlins runs it as its go command.
type orders struct {
	Go      string // the real command
	Package string
	Seed    int
	Share   int // of 100 faults
	Journal string
	Times   string // the file of the tests' output, which has the time that each test took
}

// Notes of the journal, one on each line.
const (
	noteLeft   = "left out"
	noteBroken = "does not compile"
	noteLate   = "too late"
)

// Exit codes as gremlins reads them.
const (
	exitSurvived  = 0
	exitCaught    = 1
	exitNotViable = 2
)

// A choice says how a package's tests run.
type choice struct {
	arguments []string      // of the test binary
	skip      []string      // tests that do not run: patterns of their names
	without   []string      // files of tests that are slow to link and that need not catch any fault
	patience  time.Duration // a fault counts as caught after this time
}

var choices = map[string]choice{
	"schema": {
		without:  []string{"example_test.go", "example_broker_test.go"},
		patience: 30 * time.Second,
	},
	"ingest/rows":              {patience: 30 * time.Second},
	"ingest/kafka/recordbatch": {patience: 2 * time.Minute},
	// The tests that are left out take two thirds of the time. They repeat one promise over very
	// many requests, or wait for sockets. A fault that only they would catch counts as not caught,
	// so the result is not overstated.
	"export": {
		arguments: usual.arguments,
		skip: []string{"TestClientGoes", "TestCutStream.*", "TestExportsWhileEventsArrive", "TestLinksPassAnyProxy",
			"TestNoAuditNoData", "TestNoSignatureIsKept", "TestOddWorkspaces", "TestOpenAPIClient", "TestRubbish.*"},
		patience: 15 * time.Minute,
	},
}

var usual = choice{arguments: []string{"-test.short"}, patience: 10 * time.Minute}

func shim(arguments []string) int {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(ordersVariable)), &o); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 3
	}
	c, ok := choices[o.Package]
	if !ok {
		c = usual
	}
	switch i := slices.Index(arguments, "-coverprofile"); {
	case len(arguments) == 0 || arguments[0] != "test":
		return o.pass(arguments...)
	case i >= 0: // the run without a fault, with which gremlins finds the lines that tests run
		chosen := []string{"test", "-v", "-timeout", "2h", "-cover", "-coverprofile", arguments[i+1], "./" + o.Package}
		chosen = append(append(chosen, "-args", "-test.skip="+oneOf(c.skip)), c.arguments...)
		return o.watch(chosen...)
	}
	return o.try(c)
}

// watch runs a command as pass does, and keeps what it prints, for the order of the tests.
func (o orders) watch(arguments ...string) int {
	times, err := os.Create(o.Times)
	if err != nil {
		panic(err)
	}
	defer times.Close()
	cmd := exec.Command(o.Go, arguments...)
	cmd.Stdout = io.MultiWriter(os.Stdout, times)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return exitCaught
	}
	return 0
}

func (o orders) pass(arguments ...string) int {
	cmd := exec.Command(o.Go, arguments...)
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return exitCaught
	}
	return 0
}

// try runs the tests with one fault. The current directory is the package's, in a copy of the
// module that has the fault.
func (o orders) try(c choice) int {
	if !o.chosen() {
		return o.end(noteLeft, exitNotViable)
	}
	bin, err := os.MkdirTemp("", "mutant-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(bin)
	tests := filepath.Join(bin, "package.test")
	overlay := filepath.Join(bin, "overlay.json")
	c.leaveOut(overlay)
	build := exec.Command(o.Go, "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", tests, ".")
	if err := build.Run(); err != nil {
		return o.end(noteBroken, exitNotViable)
	}
	// The context limits the whole run. The time-out of a test binary would begin with the first
	// test, but a fault may make the package's initialisation endless.
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	for _, group := range o.groups(c.skip) {
		chosen := append([]string{"-test.failfast", "-test.timeout=0", group}, c.arguments...)
		err := exec.CommandContext(ctx, tests, chosen...).Run()
		switch {
		case ctx.Err() != nil:
			return o.end(noteLate, exitCaught)
		case err != nil:
			return exitCaught
		}
	}
	return exitSurvived
}

// leaveOut writes an overlay for the go command, which hides the choice's files.
func (c choice) leaveOut(overlay string) {
	files := map[string]string{}
	for _, file := range c.without {
		path, err := filepath.Abs(file)
		if err != nil {
			panic(err)
		}
		files[path] = ""
	}
	text, err := json.Marshal(map[string]any{"Replace": files})
	if err == nil {
		err = os.WriteFile(overlay, text, 0o644)
	}
	if err != nil {
		panic(err)
	}
}

// chosen tells whether a fault is in the sample. That depends only on the seed and on the package's
// text with the fault in it.
func (o orders) chosen() bool {
	files, err := filepath.Glob("*.go")
	if err != nil {
		panic(err)
	}
	hash := fnv.New64a()
	fmt.Fprintln(hash, o.Seed)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		hash.Write(content)
	}
	return hash.Sum64()%100 < uint64(o.Share)
}

// groupsFrom are the lower limits of the groups in which tests run, by the time that each test took
// without a fault. A quick test catches most faults, so few faults have to wait for a slow test.
var groupsFrom = []time.Duration{500 * time.Millisecond, 3 * time.Second}

var testTook = regexp.MustCompile(`(?m)^--- PASS: (\S+) \((\S+s)\)$`)

// groups returns a flag of the test binary for each group. Tests whose time is unknown are in the
// first group.
func (o orders) groups(skip []string) []string {
	printed, err := os.ReadFile(o.Times)
	if err != nil {
		panic(err)
	}
	var slow []string
	groups := make([][]string, len(groupsFrom))
	for _, match := range testTook.FindAllStringSubmatch(string(printed), -1) {
		took, err := time.ParseDuration(match[2])
		if err != nil || took < groupsFrom[0] {
			continue
		}
		slow = append(slow, match[1])
		last := len(groupsFrom) - 1
		for took < groupsFrom[last] {
			last--
		}
		groups[last] = append(groups[last], match[1])
	}
	flags := []string{"-test.skip=" + oneOf(append(slow, skip...))}
	for _, names := range groups {
		if len(names) > 0 {
			flags = append(flags, "-test.run="+oneOf(names))
		}
	}
	return flags
}

// oneOf is a pattern that matches these tests. Without tests it is empty, and skips nothing.
func oneOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

func (o orders) end(note string, code int) int {
	journal, err := os.OpenFile(o.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer journal.Close()
	fmt.Fprintln(journal, note)
	return code
}
