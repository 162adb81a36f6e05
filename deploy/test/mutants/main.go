// Command mutants puts small faults into packages, one at a time, and counts how many of them the
// packages' own tests catch. Such faults are: a comparison turned round, a boundary moved by one, a
// sum made a difference, "and" made "or".
//
//	go run . -seed 1 -share 10 schema/tables ingest
//
// The tool gremlins, a dependency of this module, makes the faults. For its runs of the go command,
// gremlins gets this program instead (see shim.go). A package fails if its tests catch less than 85
// of 100 faults, or if MUTANTS.md gives no reason for a fault that they did not catch.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// least is how many of 100 faults the tests have to catch.
const least = 85

func main() {
	if filepath.Base(os.Args[0]) == "go" {
		os.Exit(shim(os.Args[1:]))
	}
	share := flag.Int("share", 100, "how many of 100 faults are tried")
	seed := flag.Int("seed", 1, "which ones, if not all are")
	workers := flag.Int("workers", 2, "how many faults are tried at a time")
	flag.Parse()
	if err := run(flag.Args(), *seed, *share, *workers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(packages []string, seed, share, workers int) error {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	reasons, err := readReasons("MUTANTS.md")
	if err != nil {
		return err
	}
	tools, err := os.MkdirTemp("", "mutants-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tools)
	if err := buildGremlins(tools); err != nil {
		return err
	}
	failed := false
	for _, pkg := range packages {
		trial := trial{root: root, pkg: pkg, tools: tools, seed: seed, share: share, workers: workers}
		result, err := trial.run()
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		fmt.Println(result.summary())
		for _, s := range result.survivors {
			if reasons[s.key()] == "" {
				fmt.Printf("line %d, without a reason in MUTANTS.md: | %s | |\n", s.number, s.key())
				failed = true
			}
		}
		failed = failed || result.caught() < least
	}
	if failed {
		return fmt.Errorf("less than %d of 100 faults are caught, or a survivor has no reason in MUTANTS.md", least)
	}
	return nil
}

func buildGremlins(dir string) error {
	const tool = "github.com/go-gremlins/gremlins/cmd/gremlins"
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "gremlins"), tool).CombinedOutput(); err != nil {
		return fmt.Errorf("build gremlins: %w\n%s", err, out)
	}
	return nil
}
