package main

import (
	"fmt"

	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/muesli/roff"
)

// manCommand prints the manual page, which is made from the definition of the commands.
type manCommand struct{}

func (c *manCommand) Run(std streams, app *kong.Kong) error {
	_, err := fmt.Fprintln(std.out, mangokong.NewManPage(1, app.Model).Build(roff.NewDocument()))
	return err
}

// completionCommand prints shell code. With it a shell asks this binary for completions.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

func (c *completionCommand) Run(parsed *kong.Context) error {
	library := kongcompletion.Completion{Shell: c.Shell, Code: true}
	return library.Run(parsed)
}
