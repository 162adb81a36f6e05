package main

import (
	"context"
	"log/slog"
)

type forgetCommand struct {
	clickhouseFlags `embed:""`
	secretFlags     `embed:""`
	Org             string `help:"The person's workspace." required:""`
	User            string `help:"The person's user_id." required:""`
}

func (c *forgetCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	r, _, err := repairer(c.clickhouseFlags, sliceFlags{}, log)
	if err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	secret, err := c.secret(ctx, o)
	if err != nil {
		return err
	}
	report := newProgress(std.err, "steps")
	err = r.Forget(ctx, secret, c.Org, c.User, report.at)
	report.done()
	return err
}
