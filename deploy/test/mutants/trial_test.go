package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestMain lets the test binary act as the go command, as the program does.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "go" {
		os.Exit(shim(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func try(t *testing.T, share int) result {
	t.Helper()
	tools := t.TempDir()
	if err := buildGremlins(tools); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("testdata/module")
	if err != nil {
		t.Fatal(err)
	}
	r, err := trial{root: root, pkg: "p", tools: tools, share: share, workers: 1}.run()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTrial(t *testing.T) {
	want := result{pkg: "p", tried: 3, killed: 2, uncovered: 1, broken: 1, survivors: []survivor{
		{"p/p.go", "CONDITIONALS_BOUNDARY", "func longer(a, b int) bool { return a > b } // its boundary is not caught", 8}}}
	if got := try(t, 100); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNothingOfASampleOfNothing(t *testing.T) {
	want := result{pkg: "p", uncovered: 1, left: 4}
	if got := try(t, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The table has a reason for each survivor, under the key that the program prints.
func TestReasons(t *testing.T) {
	s := survivor{"p/p.go", "INVERT_LOGICAL", "if a || b {", 8}
	path := filepath.Join(t.TempDir(), "MUTANTS.md")
	if err := os.WriteFile(path, []byte("| file | fault |\n| "+s.key()+" | it is the same |\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	reasons, err := readReasons(path)
	if err != nil || reasons[s.key()] != "it is the same" {
		t.Errorf("got %q, %v", reasons, err)
	}
}

// Every test is in one group; the first group has all tests that the others do not have. Tests that
// are left out are in no group.
func TestGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "times")
	printed := "--- PASS: TestA (0.49s)\n    --- PASS: TestB/part (9.00s)\n--- PASS: TestB (9.01s)\n" +
		"--- PASS: TestC (0.50s)\n--- PASS: TestD (3.00s)\n--- PASS: TestE (2.99s)\n"
	want := []string{"-test.skip=^(TestB|TestC|TestD|TestE)$", "-test.run=^(TestC|TestE)$", "-test.run=^(TestB|TestD)$"}
	quick := "--- PASS: TestA (0.00s)\nPASS\n"
	for _, c := range []struct {
		printed string
		skip    []string
		want    []string
	}{
		{printed, nil, want},
		{quick, nil, []string{"-test.skip="}},
		{quick, []string{"TestF.*"}, []string{"-test.skip=^(TestF.*)$"}},
	} {
		if err := os.WriteFile(path, []byte(c.printed), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := (orders{Times: path}).groups(c.skip); !reflect.DeepEqual(got, c.want) {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
