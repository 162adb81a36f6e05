package main

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall/deploy/test/processtest"
)

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"version"}, streams{out: &out, err: &out}); code != ok {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	want := regexp.MustCompile(`^rollcall \S+\ncommit \S+\ngo go1\S* \w+/\w+\nschema \d{4}_\w+\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("rollcall version prints %q", out.String())
	}
}

func TestCommitIsTheBuilds(t *testing.T) {
	stamped := func(settings ...debug.BuildSetting) *debug.BuildInfo { return &debug.BuildInfo{Settings: settings} }
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	for want, info := range map[string]*debug.BuildInfo{
		"abc":       stamped(revision, debug.BuildSetting{Key: "vcs.modified", Value: "false"}),
		"abc+dirty": stamped(revision, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
		"unknown":   stamped(),
	} {
		if got := commitOf(info); got != want {
			t.Errorf("commit %q, want %q", got, want)
		}
	}
}

func TestBuildInfoIsAMetric(t *testing.T) {
	reg := prometheus.NewRegistry()
	build{version: "v1.2.3", commit: "abc", goVersion: "go1.26", schema: "0001_events"}.register(reg)
	const want = `
# HELP rollcall_build_info 1, labelled with what the binary was built from: version, commit, Go's version, the schema that it needs.
# TYPE rollcall_build_info gauge
rollcall_build_info{commit="abc",go="go1.26",schema="0001_events",version="v1.2.3"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// The manual page has every command that --help has.
func TestManualPage(t *testing.T) {
	var page, errors bytes.Buffer
	if code := run(t.Context(), []string{"man"}, streams{out: &page, err: &errors}); code != ok {
		t.Fatalf("exit code %d: %s", code, errors.String())
	}
	var c commands
	parser, err := newParser(&c, streams{out: &page, err: &errors})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		command := strings.TrimPrefix(leaf.FullPath(), "rollcall ")
		if !strings.Contains(page.String(), `\fB`+command) {
			t.Errorf("the manual page lacks the command %q", command)
		}
	}
}

// A shell asks this binary for completions.
func TestCompletion(t *testing.T) {
	program := processtest.Build(t, "rollcall/cmd/rollcall")
	for line, want := range map[string]string{
		"rollcall ke":                 "keys",
		"rollcall keys create --expi": "--expires",
	} {
		shell := exec.Command(program)
		shell.Env = append(shell.Environ(), "COMP_LINE="+line)
		out, err := shell.Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q is completed to %q (%v), want %s", line, out, err, want)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"completion", "bash"}, streams{out: &out, err: &out}); code != ok ||
		!strings.Contains(out.String(), "complete") {
		t.Errorf("exit code %d, %q", code, out.String())
	}
}

// The first line of a stage's log says which version started.
func TestStartedSaysTheVersion(t *testing.T) {
	var log safeBuffer
	ctx, stop := context.WithCancel(t.Context())
	s, err := newService(ctx, "rollup", traceFlags{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := s.run(ctx, processtest.FreeAddr(t)); err != nil {
		t.Fatal(err)
	}
	b, err := thisBuild()
	if err != nil {
		t.Fatal(err)
	}
	says := "msg=started stage=rollup version=" + b.version
	if text := log.String(); !strings.Contains(text, says) || !strings.Contains(text, "schema="+b.schema) {
		t.Errorf("the log says %s; want %s and the schema %s", text, says, b.schema)
	}
}
