package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// packages are those whose tests depend on the date.
var packages = []string{
	"./deploy/test/clocks", "./schema", "./schema/tables", "./ingest", "./ingest/kafka/recordbatch", "./ingest/rows",
	"./rollup", "./export/query", "./export", "./deploy/test/browser",
	"./deploy/demo/sample", "./deploy/clickhouse", "./deploy/test/upgrade", "./deploy/test/suite", "./cmd/rollcall",
}

func main() {
	names := flag.String("clocks", strings.Join(clockNames(), ","), "which clocks")
	short := flag.Bool("short", false, "go test -short")
	flag.Parse()
	if err := run(strings.Split(*names, ","), *short, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "clocks:", err)
		os.Exit(1)
	}
}

func run(names []string, short bool, tested []string) error {
	if len(tested) == 0 {
		tested = packages
	}
	dir, err := os.MkdirTemp("", "rollcall-clocks-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	library, err := compile(dir)
	if err != nil {
		return err
	}
	failed := 0
	// One package after the other, so that each has the machine, and a midnight, to itself.
	for _, pkg := range tested {
		binary := filepath.Join(dir, strings.NewReplacer("/", "_", ".", "").Replace(pkg)+".test")
		build := exec.Command("go", "test", "-c", "-vet=off", "-o", binary)
		build.Dir = pkg // deploy/test/browser is a module of its own
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, out)
		}
		for _, name := range names {
			ok, err := test(library, binary, pkg, name, short)
			if err != nil {
				return err
			}
			if !ok {
				failed++
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed", failed, len(tested)*len(names))
	}
	return nil
}

// compile builds the library that moves the clock, and checks that it moves it.
func compile(dir string) (library string, err error) {
	library = filepath.Join(dir, "clock.so")
	compiler := exec.Command("cc", "-O2", "-Wall", "-shared", "-fPIC", "-fno-stack-protector", "-o", library,
		"deploy/test/clocks/testdata/clock.c", "-ldl")
	if out, err := compiler.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile deploy/test/clocks/testdata/clock.c (run this where go.mod is): %w\n%s", err, out)
	}
	moved := exec.Command("date", "-u", "+%F")
	moved.Env = environment(library, 400*24*time.Hour)
	out, err := moved.CombinedOutput()
	want := time.Now().UTC().AddDate(0, 0, 400).Format(time.DateOnly)
	if err != nil || strings.TrimSpace(string(out)) != want {
		return "", fmt.Errorf("the clock cannot be moved to %s: %s %w", want, out, err)
	}
	return library, nil
}

func environment(library string, shift time.Duration) []string {
	return append(os.Environ(), "LD_PRELOAD="+library, "TEST_CLOCK_SHIFT="+strconv.Itoa(int(shift/time.Second)))
}

// test runs one package's tests under one clock. Output of a run that failed is shown.
func test(library, binary, pkg, name string, short bool) (ok bool, err error) {
	at, err := clock(name, time.Now().UTC())
	if err != nil {
		return false, err
	}
	args := []string{"-test.timeout=15m"}
	if short {
		args = append(args, "-test.short")
	}
	if pkg == "./deploy/test/browser" {
		args = append(args, "-test.skip=Screenshots")
	}
	command := exec.Command(binary, args...)
	command.Dir = pkg
	command.Env = environment(library, time.Until(at))
	var out bytes.Buffer
	command.Stdout = &out
	command.Stderr = &out
	started := time.Now()
	err = command.Run()
	verdict := "ok  "
	if err != nil {
		verdict = "FAIL"
		fmt.Printf("%s\n%v\n", out.String(), err)
	}
	fmt.Printf("%s %-20s %s %s %s\n", verdict, pkg, at.Format("Mon 2006-01-02 15:04:05"), name,
		time.Since(started).Round(100*time.Millisecond))
	return err == nil, nil
}

// moments gives for each clock the time when a run begins, at or after now.
var moments = map[string]func(now time.Time) time.Time{
	"sunday": func(now time.Time) time.Time {
		return next(now, "00:30", func(t time.Time) bool { return t.Weekday() == time.Sunday })
	},
	"monday": func(now time.Time) time.Time {
		return next(now, "00:30", func(t time.Time) bool { return t.Weekday() == time.Monday })
	},
	"first-of-month": func(now time.Time) time.Time {
		return next(now, "00:30", func(t time.Time) bool { return t.Day() == 1 })
	},
	"last-of-month": func(now time.Time) time.Time {
		return next(now, "23:00", func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 })
	},
	"leap-day": func(now time.Time) time.Time {
		return next(now, "12:00", func(t time.Time) bool { return t.Month() == time.February && t.Day() == 29 })
	},
	"new-years-eve": func(now time.Time) time.Time {
		return next(now, "22:00", func(t time.Time) bool { return t.YearDay() >= 365 && t.AddDate(0, 0, 1).YearDay() == 1 })
	},
	"before-midnight": func(now time.Time) time.Time {
		return next(now, "23:55", func(time.Time) bool { return true })
	},
	"midnight": func(now time.Time) time.Time { // midnight passes while the first tests run
		return next(now, "23:59", func(time.Time) bool { return true }).Add(55 * time.Second)
	},
}

// next is the first day from tomorrow on for which is returns true, at a time of the day.
func next(now time.Time, clock string, is func(time.Time) bool) time.Time {
	day := now.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for !is(day) {
		day = day.AddDate(0, 0, 1)
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err) // the callers' constants can be parsed
	}
	return day.Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
}

func clockNames() (names []string) {
	for name := range moments {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func clock(name string, now time.Time) (time.Time, error) {
	if moments[name] == nil {
		return time.Time{}, fmt.Errorf("there is no clock %q; there are %s", name, strings.Join(clockNames(), ", "))
	}
	return moments[name](now), nil
}
