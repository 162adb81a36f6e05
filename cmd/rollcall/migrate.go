package main

import (
	"context"
	"fmt"
	"strings"

	"rollcall/schema/tables"
)

type migrateCommand struct {
	clickhouseFlags `embed:""`
	Check           bool `help:"Only compare: exit code 1 if the database is not this binary's."`
	Print           bool `help:"Only print the statements that make all tables on an empty server or cluster."`
}

func (c *migrateCommand) Run(ctx context.Context, std streams) error {
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
	applied, err := tables.Migrate(ctx, o)
	for _, name := range applied {
		fmt.Fprintf(std.out, "applied %s\n", name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(std.out, "the schema is up to date")
	}
	return err
}

func checkSchema(ctx context.Context, o tables.Options) error {
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	return tables.Check(ctx, conn)
}
