package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/rollup"
	"rollcall/schema"
)

type rollupCommand struct {
	clickhouseFlags `embed:""`
	adminFlags      `embed:""`
	rollupFlags     `embed:""`
}

// rollupFlags are the flags that only rollup has.
type rollupFlags struct {
	SettleTime  time.Duration `help:"A workspace's day is rolled up once nothing was added to it for this long, like 30s. Shorter does the work more often; exports are exact either way." default:"${settle_time}"`
	VerifyEvery time.Duration `help:"How often the next 250 rolled up slices are compared with the log, like 10m. Each costs about what its recompute did." default:"${verify_every}"`
}

func (c *rollupCommand) Run(ctx context.Context, log *slog.Logger) error {
	s, err := newService(ctx, "rollup", c.traceFlags, log)
	if err != nil {
		return err
	}
	r, err := c.build(s)
	if err != nil {
		return err
	}
	s.add(ctx, "rollup", r)
	return s.run(ctx, c.AdminAddr)
}

func (c *rollupCommand) build(s *service) (part, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	s.certs.watch("clickhouse-cert-file", c.ClickhouseCertFile, c.ClickhouseKeyFile)
	s.certs.watchAuthorities("clickhouse-ca-file", c.ClickhouseCAFile)
	config := c.config()
	config.Traces = s.traces
	o = o.OnShard()
	r, err := rollup.New(config, o, s.log, s.reg)
	if err != nil {
		return nil, settingsError{err}
	}
	return &awaited{needs: needs{options: o}, begin: func([]byte) (part, error) { return r, nil }}, nil
}

// config returns all that rollup.New takes.
func (f rollupFlags) config() rollup.Config {
	return rollup.Config{SettleTime: f.SettleTime, VerifyEvery: f.VerifyEvery}
}

// sliceFlags choose slices.
type sliceFlags struct {
	Org  string `help:"Only this workspace's."`
	From string `help:"Only days from this one on, YYYY-MM-DD." placeholder:"DATE"`
	To   string `help:"Only days up to this one, YYYY-MM-DD." placeholder:"DATE"`
}

func (f sliceFlags) filter() (rollup.Filter, error) {
	from, err := day("from", f.From)
	if err != nil {
		return rollup.Filter{}, err
	}
	to, err := day("to", f.To)
	if err == nil && f.From != "" && f.To != "" && to < from {
		err = badSetting("--to %s is before --from %s", f.To, f.From)
	}
	return rollup.Filter{Org: f.Org, From: from, To: to}, err
}

func day(flag, text string) (schema.Day, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, badSetting("--%s: %q is not a date; write it like 2026-10-31", flag, text)
	}
	return schema.DayOf(t), nil
}

type verifyCommand struct {
	clickhouseFlags `embed:""`
	sliceFlags      `embed:""`
	Duplicates      bool `help:"Instead, report event ids that were sent with the times of two days: each counts on both."`
}

func (c *verifyCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	r, filter, err := repairer(c.clickhouseFlags, c.sliceFlags, log)
	if err != nil {
		return err
	}
	if c.Duplicates {
		return printDuplicates(ctx, r, filter, std)
	}
	return printDifferences(ctx, r, filter, std)
}

func printDuplicates(ctx context.Context, r *rollup.Rollup, filter rollup.Filter, std streams) error {
	found := 0
	err := r.Duplicates(ctx, filter, func(d rollup.Duplicate) {
		found++
		fmt.Fprintf(std.out, "%s: %s from %s with id %s is on %v\n", shown(d.Org), shown(d.Type), shown(d.Source),
			shown(d.ID), d.Days)
	})
	if err == nil {
		fmt.Fprintf(std.err, "%d event ids are on more than one day\n", found)
	}
	return err
}

func printDifferences(ctx context.Context, r *rollup.Rollup, filter rollup.Filter, std streams) error {
	found := 0
	report := newProgress(std.err, "slices compared")
	compared, err := r.Verify(ctx, filter, func(d rollup.Difference) {
		found++
		when := d.Day.String()
		truth := "the log"
		if d.Month {
			when = "month to " + when
			truth = "its days"
		}
		fmt.Fprintf(std.out, "%s %s %s: %s: rolled up {%s}, by %s {%s}\n", shown(d.Org), when, d.Table, shown(d.Key),
			oneLine(d.Rolled), truth, oneLine(d.Log))
	}, report.at)
	report.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d slices compared, %d differences\n", compared, found)
	if found > 0 {
		return fmt.Errorf("%d differences between the rollups and the log; `rollcall rebuild` repairs them", found)
	}
	if compared == 0 { // a check that has seen nothing must not pass for a check
		return errors.New("nothing was compared: none of these slices is rolled up; " +
			"wait for the rollup worker, or run `rollcall rebuild` with the same flags")
	}
	return nil
}

type rebuildCommand struct {
	clickhouseFlags `embed:""`
	sliceFlags      `embed:""`
}

func (c *rebuildCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	r, filter, err := repairer(c.clickhouseFlags, c.sliceFlags, log)
	if err != nil {
		return err
	}
	report := newProgress(std.err, "slices recomputed")
	done, err := r.Rebuild(ctx, filter, report.at)
	report.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d slices are read from new rollups", done.Slices)
	if done.Live > 0 {
		fmt.Fprintf(std.err, ", %d from the log: they changed while they were rebuilt, and are rolled up once they rest",
			done.Live)
	}
	if done.Old > 0 {
		fmt.Fprintf(std.err, ", %d from the log: they are older than rollups are kept", done.Old)
	}
	fmt.Fprintln(std.err)
	return nil
}

func repairer(c clickhouseFlags, s sliceFlags, log *slog.Logger) (*rollup.Rollup, rollup.Filter, error) {
	filter, err := s.filter()
	if err != nil {
		return nil, filter, err
	}
	o, err := c.options()
	if err != nil {
		return nil, filter, err
	}
	r, err := rollup.New(rollup.Config{}, o.OnShard(), log, prometheus.NewRegistry())
	return r, filter, err
}
