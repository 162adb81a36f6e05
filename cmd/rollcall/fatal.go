package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// The values of --log-format.
const (
	formatAuto = "auto"
	formatText = "text"
	formatJSON = "json"
)

// tellFatal writes the one line of an error that ends the process.
//
// It is a line of the log, in the format of the log, if the command is a stage, whose standard
// error is read by programs, or if JSON was asked for. Else it is a sentence for the person who
// called the command. The command line is looked at again, because an error may be that it cannot
// be parsed.
func tellFatal(w io.Writer, args []string, code int, err error) {
	command, format := commandAndFormat(args, os.Getenv("ROLLCALL_LOG_FORMAT"))
	stage := slices.Contains([]string{"ingest", "rollup", "export"}, command)
	if format == formatAuto && stage && !isTerminal(w) {
		format = formatJSON
	}
	if format != formatJSON && (format != formatText || !stage) {
		fmt.Fprintf(w, "rollcall: %s\n", oneLine(err.Error()))
		return
	}
	what := strings.TrimSpace("rollcall " + command + " ended")
	if code == badSettings {
		what = strings.TrimSpace("rollcall "+command) + " did not start: its settings are wrong"
	}
	logFlags{LogFormat: format}.logger(w).Error(what, "error", oneLine(err.Error()), "exit_code", code)
}

// commandAndFormat returns the command that the arguments name, and the format of the log that they
// or the variable ask for.
func commandAndFormat(args []string, variable string) (command, format string) {
	format = formatAuto
	if variable == formatText || variable == formatJSON {
		format = variable
	}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		switch {
		case name == "--log-format" || name == "--log-level":
			if !given && i+1 < len(args) {
				i++
				value = args[i]
			}
			if name == "--log-format" && (value == formatText || value == formatJSON || value == formatAuto) {
				format = value
			}
		case command == "" && !strings.HasPrefix(args[i], "-"):
			command = args[i]
		}
	}
	return command, format
}
