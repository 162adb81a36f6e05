package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A trial is one package with each of its faults.
type trial struct {
	root, pkg, tools     string
	seed, share, workers int
}

// A survivor is a fault that no test caught.
type survivor struct {
	file, kind, line string
	number           int
}

// key identifies a survivor in MUTANTS.md. It has no line number, because other changes move lines.
func (s survivor) key() string {
	line := strings.ReplaceAll(s.line, "|", `\|`)
	return fmt.Sprintf("%s | %s | `%s`", s.file, strings.ToLower(strings.ReplaceAll(s.kind, "_", " ")), line)
}

type result struct {
	pkg                     string
	tried, killed, late     int // late: caught because the tests ran into the time-out
	uncovered, left, broken int // on a line that no test runs; not in the sample; does not compile
	survivors               []survivor
}

func (r result) caught() int { return 100 * r.killed / max(r.tried, 1) }

func (r result) summary() string {
	return fmt.Sprintf("%s: %d of %d faults caught (%d %%), %d of them by the time-out; not tried: "+
		"%d left out of the sample, %d on lines that no test runs, %d that do not compile",
		r.pkg, r.killed, r.tried, r.caught(), r.late, r.left, r.uncovered, r.broken)
}

func (t trial) run() (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	real, err := exec.LookPath("go")
	if err != nil {
		return result{}, err
	}
	bin, err := os.MkdirTemp(t.tools, "bin-*")
	if err != nil {
		return result{}, err
	}
	if err := os.Symlink(self, filepath.Join(bin, "go")); err != nil {
		return result{}, err
	}
	o := orders{Go: real, Package: t.pkg, Seed: t.seed, Share: t.share,
		Journal: filepath.Join(bin, "journal"), Times: filepath.Join(bin, "times")}
	text, err := json.Marshal(o)
	if err != nil {
		return result{}, err
	}
	output := filepath.Join(bin, "output.json")
	cmd := exec.Command(filepath.Join(t.tools, "gremlins"), "unleash", "./"+t.pkg, "--output", output,
		"--exclude-files", "/", "--workers", strconv.Itoa(t.workers),
		"--timeout-coefficient", "1000", // the shim has a time-out of its own
		"--invert-logical", "--invert-loopctrl", "--invert-assignments", "--invert-bitwise")
	cmd.Dir = t.root
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), ordersVariable+"="+string(text))
	cmd.Stdout = os.Stderr
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return result{}, err
	}
	return t.read(output, o.Journal)
}

// A report is the file that gremlins writes.
type report struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []mutation
	}
}

type mutation struct {
	Type, Status string
	Line         int
}

// read makes a result from gremlins' report and from the shim's journal.
func (t trial) read(output, journal string) (result, error) {
	content, err := os.ReadFile(output)
	if err != nil {
		return result{}, err
	}
	var report report
	if err := json.Unmarshal(content, &report); err != nil {
		return result{}, err
	}
	r := result{pkg: t.pkg}
	for _, file := range report.Files {
		name := filepath.Base(file.Name)
		lines, err := readLines(filepath.Join(t.root, t.pkg, name))
		if err != nil {
			return result{}, err
		}
		for _, m := range file.Mutations {
			r.count(m, survivor{t.pkg + "/" + name, m.Type, strings.TrimSpace(lines[m.Line-1]), m.Line})
		}
	}
	notes, err := readLines(journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result{}, err
	}
	for _, note := range notes {
		switch note {
		case noteLeft:
			r.left++
		case noteBroken:
			r.broken++
		case noteLate:
			r.late++
		}
	}
	return r, nil
}

func (r *result) count(m mutation, s survivor) {
	switch m.Status {
	case "KILLED":
		r.tried++
		r.killed++
	case "LIVED":
		r.tried++
		r.survivors = append(r.survivors, s)
	case "NOT COVERED":
		r.uncovered++
	}
}

// readReasons reads the table of survivors in a file and returns the reason of each.
func readReasons(path string) (map[string]string, error) {
	lines, err := readLines(path)
	reasons := map[string]string{}
	for _, line := range lines {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) == 4 {
			reasons[strings.Join(cells[:3], " | ")] = cells[3]
		}
	}
	return reasons, err
}

func readLines(path string) (lines []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for in := bufio.NewScanner(file); in.Scan(); {
		lines = append(lines, in.Text())
	}
	return lines, nil
}
