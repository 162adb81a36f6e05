package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

// commands is the whole command line. Each command is a struct of its flags with a method Run. Each
// flag can also be set by the variable ROLLCALL_<FLAG>.
type commands struct {
	Demo     demoCommand     `cmd:"" help:"Everything in one process: embedded Kafka and ClickHouse, sample workspaces, ingest, rollup, export."`
	Ingest   ingestCommand   `cmd:"" help:"Bring events from Kafka into the event log."`
	Rollup   rollupCommand   `cmd:"" help:"Keep the daily rollups up to date."`
	Export   exportCommand   `cmd:"" help:"Serve the exports, the drop-in API and the analytics page."`
	Migrate  migrateCommand  `cmd:"" help:"Create the tables, or upgrade them."`
	Keys     keysCommand     `cmd:"" help:"Make, list and revoke the workspaces' keys."`
	Generate generateCommand `cmd:"" help:"Send sample events to Kafka."`
	Validate validateCommand `cmd:"" help:"Check events (one JSON per line) as ingest would, and say what is wrong where."`
	Rejects  rejectsCommand  `cmd:"" help:"List or replay the records that were rejected."`
	Topics   topicsCommand   `cmd:"" help:"List the topics that the watermark waits for, or retire one."`
	Verify   verifyCommand   `cmd:"" help:"Compare the rollups with the event log."`
	Rebuild  rebuildCommand  `cmd:"" help:"Recompute rollups from the event log."`
	Forget   forgetCommand   `cmd:"" help:"Erase a person: usage, attributes and rejects."`
	Config   configCommand   `cmd:"" help:"Check the settings and what they point to."`
	Health   healthCommand   `cmd:"" help:"Ask the stage at the admin address whether it is ready: exit code 1 if not. For container health checks."`
	Version  versionCommand  `cmd:"" help:"Print the version, the commit, and the versions of Go and of the schema."`

	Bench    benchCommand    `cmd:"" help:"Measure ingest, export and what many workspaces cost, on this machine."`
	Embedded embeddedCommand `cmd:"" hidden:"" help:"One embedded part alone, in a process of its own."`

	Completion completionCommand `cmd:"" help:"Print what has a shell complete commands and flags: source <(rollcall completion bash)."`
	Man        manCommand        `cmd:"" help:"Print the manual page: rollcall man | man -l -."`

	Log logFlags `embed:""`
}

// settingsError says that the settings are wrong: the process exits with code 2 before anything
// starts.
type settingsError struct{ error }

func badSetting(format string, a ...any) error { return settingsError{fmt.Errorf(format, a...)} }

// errHelpShown ends a command line that only asked for a text of kong: the help, or the answer to a
// shell's completion.
var errHelpShown = errors.New("help shown")

// parse turns arguments and environment into the command to run.
func parse(args []string, std streams) (command func(context.Context) error, err error) {
	var c commands
	defer catchExit(&err)
	parser, err := newParser(&c, std)
	if err != nil {
		return nil, err
	}
	kongcompletion.Register(parser) // if the shell asks for completion, it answers and exits
	if err := unknownVariables(parser.Model, os.Environ()); err != nil {
		return nil, err
	}
	if isGroup(parser.Model.Node, args) {
		args = append(args, "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return nil, settingsError{err}
	}
	if err := checkFlags(parsed.Flags()); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (err error) {
		defer catchExit(&err)
		parsed.BindTo(ctx, (*context.Context)(nil))
		return parsed.Run(std, c.Log.logger(std.err))
	}, nil
}

// newParser makes the parser of all commands. The tags of the flags say everything about a setting.
func newParser(c *commands, std streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("rollcall"),
		kong.Description("Rollcall turns the usage events of an AI workspace product into exact usage exports.\n\n"+
			"Every flag is also an environment variable: --kafka-brokers is ROLLCALL_KAFKA_BROKERS. "+
			"Secrets are best given by file or environment; a flag shows in the process list."),
		kong.UsageOnError(),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.DefaultEnvars("ROLLCALL"),
		stageDefaults,
		kong.TypeMapper(typeOf[days](), daysMapper),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Summary: true}),
	)
}

// exit is the value with which kong's Exit panics, because kong calls Exit in the middle of its
// work.
type exit int

// catchExit is for defer. It turns an exit without a failure into errHelpShown.
func catchExit(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if code, isExit := p.(exit); !isExit || code != 0 {
		panic(p)
	}
	*err = errHelpShown
}

// isGroup says whether the arguments name a group of commands and none of the commands in it:
// rollcall, rollcall keys.
func isGroup(node *kong.Node, args []string) bool {
	for _, arg := range args {
		i := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == arg })
		if i < 0 {
			return false
		}
		node = node.Children[i]
	}
	return len(node.Children) > 0
}

// checkFlags checks what all settings have in common. No number or duration may be negative. None
// may be 0, which the stages would take for "the default", unless its default is 0 or the flag's
// tag zero says that 0 has a meaning. A required setting must not be empty.
func checkFlags(flags []*kong.Flag) error {
	for _, flag := range flags {
		value := flag.Target
		number := value.CanInt() || value.CanFloat()
		// written so that NaN counts as negative, too
		negative := value.CanInt() && value.Int() < 0 || value.CanFloat() && !(value.Float() >= 0)
		switch {
		case !flag.Set:
		case negative:
			return badSetting("--%s must not be negative: %v", flag.Name, value)
		case number && value.IsZero() && flag.Default != "0" && !flag.Tag.Has("zero"):
			return badSetting("--%s must be more than 0", flag.Name)
		case flag.Required && value.IsZero():
			return badSetting("--%s must not be empty", flag.Name)
		}
	}
	return nil
}

// unknownVariables refuses ROLLCALL_* variables that no command knows. A misspelt setting that is
// silently ignored is worse than an error.
func unknownVariables(model *kong.Application, environ []string) error {
	known := map[string]bool{}
	_ = kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if flag, isFlag := node.(*kong.Flag); isFlag {
			for _, name := range flag.Envs {
				known[name] = true
			}
		}
		return next(nil)
	})
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "ROLLCALL_") && !strings.HasPrefix(name, "ROLLCALL_TEST_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	return badSetting("no setting is called %s; `rollcall --help` lists them", strings.Join(unknown, ", "))
}
