package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"rollcall/ingest/backoff"
	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

type migrateCommand struct {
	clickhouseFlags `embed:""`
	Check           bool          `help:"Only compare: exit code 1 if the database is not this binary's."`
	Print           bool          `help:"Only print the statements that make all tables on an empty server or cluster."`
	Wait            time.Duration `help:"For how long it tries again while ClickHouse is away or refuses, like 1h: for a job that may start before ClickHouse. 0: it tries once." default:"0"`
}

func (c *migrateCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.Print {
		statements, err := tables.Statements(o)
		if err == nil {
			fmt.Fprintln(std.out, strings.Join(statements, ";\n\n")+";")
		}
		return err
	}
	if c.Check {
		return checkSchema(ctx, o)
	}
	applied, err := c.migrate(ctx, o, log)
	for _, name := range applied {
		fmt.Fprintf(std.out, "applied %s\n", name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(std.out, "the schema is up to date")
	}
	return err
}

// migrate tries until the tables are there, the failure is one that waiting does not mend, or the
// time is over. Each attempt may repeat what an earlier one did.
func (c *migrateCommand) migrate(ctx context.Context, o tables.Options, log *slog.Logger) (all []string, err error) {
	wait := outage.Outage{
		Log: log, What: "not migrated yet; trying again", Over: "ClickHouse can be migrated",
		Do: "look whether ClickHouse runs, and whether the user may create tables (deploy/clickhouse/users.sql)",
	}
	end := time.Now().Add(c.Wait)
	for failures := 1; ; failures++ {
		applied, err := tables.Migrate(ctx, o)
		all = append(all, applied...)
		if err == nil {
			wait.Passed()
			return all, nil
		}
		pause := backoff.Delay(failures, 200*time.Millisecond, 5*time.Second)
		if (needs{}).hopeless(err) || time.Now().Add(pause).After(end) {
			return all, err
		}
		_, name := tables.Classify(err)
		wait.Failed(name, err)
		if backoff.Sleep(ctx, pause) != nil {
			return all, err
		}
	}
}

func checkSchema(ctx context.Context, o tables.Options) error {
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	return tables.Check(ctx, conn)
}
