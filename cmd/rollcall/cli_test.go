package main

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// No number or duration of any command can be negative. None can be 0, unless 0 is its default or
// its help says what 0 does. Such a value is refused before anything starts, in one line that names
// the setting, whether it came as a flag or as a variable.
func TestNumbersAreAboveZero(t *testing.T) {
	var c commands
	parser, err := newParser(&c, streams{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	settings := 0
	for _, leaf := range parser.Model.Leaves(false) {
		command := strings.Fields(strings.TrimPrefix(leaf.FullPath(), "rollcall "))
		for range leaf.Positional {
			command = append(command, "x")
		}
		for _, flag := range leaf.Flags {
			if flag.Required {
				command = append(command, "--"+flag.Name+"=x")
			}
		}
		for _, flag := range leaf.Flags {
			bad := notAboveZero(flag)
			settings += min(1, len(bad))
			for _, value := range bad {
				t.Run(strings.Join(append(command, "--"+flag.Name+"="+value), " "), func(t *testing.T) {
					refused(t, flag.Name, append(command, "--"+flag.Name+"="+value)...)
					t.Setenv(flag.Envs[0], value)
					refused(t, flag.Name, command...)
				})
			}
		}
	}
	if settings < 20 {
		t.Errorf("only %d settings are numbers or durations: the test does not find them", settings)
	}
}

// notAboveZero returns the values of a flag that must be refused: none if the flag takes neither a
// number nor a duration.
func notAboveZero(flag *kong.Flag) (values []string) {
	switch {
	case flag.Target.Type() == reflect.TypeFor[days]():
		values = []string{"-1h", "0d"}
	case flag.Target.Type() == reflect.TypeFor[time.Duration]():
		values = []string{"-1s", "0s"}
	case flag.Target.CanInt():
		values = []string{"-1", "0"}
	case flag.Target.CanFloat():
		values = []string{"-0.5", "NaN", "0"}
	}
	if len(values) > 0 && (flag.Default == "0" || strings.Contains(flag.Help, "0 sends none")) {
		values = values[:len(values)-1]
	}
	return values
}

func refused(t *testing.T, name string, args ...string) {
	t.Helper()
	code, out, stderr := call(t, "", args...)
	if code != badSettings || out != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "--"+name) {
		t.Errorf("%q: exit code %d, %q, %q; want 2 and one line with --%s", args, code, out, stderr, name)
	}
}
