package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/export/access"
)

type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Make a key for a workspace and print it, once."`
	List   keysListCommand   `cmd:"" help:"List the keys: who they belong to and whether they are valid, never the keys themselves."`
	Revoke keysRevokeCommand `cmd:"" help:"Make a key invalid, at once and for good."`
}

type keysCreateCommand struct {
	clickhouseFlags `embed:""`
	Org             string   `help:"The workspace; it may have sent nothing yet." required:""`
	Name            string   `help:"What the key is for, as lists and the audit show it."`
	Expires         days     `help:"How long it is valid, like 90d; without it, until it is revoked." placeholder:"90d"`
	Scopes          []string `help:"What it may do." default:"${scope}"`
}

func (c *keysCreateCommand) Run(ctx context.Context, std streams) error {
	return withKeys(c.clickhouseFlags, func(keys *access.Keys) error {
		_, key, err := keys.Create(ctx, c.Org, c.Name, time.Duration(c.Expires), c.Scopes...)
		if errors.Is(err, access.ErrKeyRefused) {
			return settingsError{err}
		}
		if err == nil {
			fmt.Fprintln(std.out, key)
		}
		return err
	})
}

type keysListCommand struct {
	clickhouseFlags `embed:""`
	Org             string `help:"Only this workspace's."`
}

func (c *keysListCommand) Run(ctx context.Context, std streams) error {
	return withKeys(c.clickhouseFlags, func(keys *access.Keys) error {
		all, err := keys.List(ctx, c.Org)
		if err != nil {
			return err
		}
		var t table
		t.row("ID", "ORG", "NAME", "STATE", "CREATED", "EXPIRES")
		for _, k := range all {
			t.row(k.ID, k.Org, k.Name, k.State(time.Now()), date(&k.CreatedAt), date(k.ExpiresAt))
		}
		return t.print(std.out)
	})
}

func date(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

type keysRevokeCommand struct {
	clickhouseFlags `embed:""`
	ID              string `arg:"" help:"The key's id, as the list shows it."`
}

func (c *keysRevokeCommand) Run(ctx context.Context, std streams) error {
	return withKeys(c.clickhouseFlags, func(keys *access.Keys) error {
		if err := keys.Revoke(ctx, c.ID); err != nil {
			return err
		}
		fmt.Fprintf(std.err, "revoked %s\n", shown(c.ID))
		return nil
	})
}

func withKeys(f clickhouseFlags, do func(*access.Keys) error) error {
	return f.connected(func(conn driver.Conn) error { return do(access.OpenKeys(conn)) })
}
