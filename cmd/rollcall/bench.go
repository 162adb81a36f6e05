package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"rollcall/deploy/bench"
	"rollcall/export/query"
)

type benchCommand struct {
	Ingest benchIngestCommand `cmd:"" help:"From Kafka to the log: events per second, CPU and memory, with embedded parts in processes of their own."`
	Delay  benchDelayCommand  `cmd:"" help:"How long after it was produced an event is in the log, at a steady rate."`
	Export benchExportCommand `cmd:"" help:"Each data type over a month and a year: from rollups, from the log, and by the bare engine."`
	Scale  benchScaleCommand  `cmd:"" help:"What it costs that many workspaces are there: the idle worker and its engine, a recompute, a plan, an export, verify and forget."`
}

type benchIngestCommand struct {
	Events     int    `help:"Events to produce before the clock starts." default:"1000000"`
	LogEvents  int    `help:"Events that are in the log before the clock starts, over a year." default:"0"`
	Workspaces int    `help:"Workspaces that share the events." default:"50"`
	Partitions int    `help:"Partitions of each topic." default:"4"`
	Baselines  bool   `help:"Measure the plainer ways in the same run: ClickHouse's Kafka engine with a materialized view, and a kafka-go Reader with encoding/json, row by row."`
	CPUProfile string `name:"cpu-profile" type:"path" help:"Write a CPU profile of Rollcall's own way to this file." placeholder:"FILE"`
	JSON       bool   `name:"json" help:"Print the figures as JSON."`
}

func (c *benchIngestCommand) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := c.options(dir, std.err)
	if c.CPUProfile != "" {
		file, err := os.Create(c.CPUProfile)
		if err != nil {
			return err
		}
		defer file.Close()
		o.Profile = file
	}
	results, err := bench.Ingest(ctx, o)
	if err != nil {
		return err
	}
	return c.print(std.out, results)
}

func (c *benchIngestCommand) options(dir string, progress io.Writer) bench.IngestOptions {
	return bench.IngestOptions{
		Events: c.Events, LogEvents: c.LogEvents, Workspaces: c.Workspaces, Partitions: c.Partitions,
		Baselines: c.Baselines, Dir: dir, Progress: progress,
	}
}

func (c *benchIngestCommand) print(out io.Writer, results []bench.IngestResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(results)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w,
		"way\tevents/s\tMB/s\tclient µs/event\tengine µs/event\tallocs/event\tclient peak MB\tengine peak MB\trollcall is\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.3f\t%d\t%d\t%.1f×\t\n", r.Way, r.EventsPerSecond, r.MBPerSecond,
			r.ClientCPUMicros, r.EngineCPUMicros, r.AllocationsPerItem,
			r.ClientPeakBytes>>20, r.EnginePeakBytes>>20, results[0].EventsPerSecond/r.EventsPerSecond)
	}
	return w.Flush()
}

type benchDelayCommand struct {
	Rate       int           `help:"Events per second." default:"50000"`
	For        time.Duration `help:"How long to produce, like 20s." default:"20s"`
	Partitions int           `help:"Partitions of each topic." default:"4"`
	JSON       bool          `name:"json" help:"Print the figures as JSON."`
}

func (c *benchDelayCommand) Run(ctx context.Context, std streams) error {
	if c.Rate < 50 {
		return badSetting("--rate %d: give at least 50, an event for each of the producer's calls", c.Rate)
	}
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := bench.Delay(ctx, c.options(dir, std.err))
	if err != nil {
		return err
	}
	return c.print(std.out, r)
}

func (c *benchDelayCommand) options(dir string, progress io.Writer) bench.DelayOptions {
	return bench.DelayOptions{Rate: c.Rate, For: c.For, Partitions: c.Partitions, Dir: dir, Progress: progress}
}

func (c *benchDelayCommand) print(out io.Writer, r bench.DelayResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out,
		"%.0f events/s: in the log, marked and committed after %.0f ms (median), %.0f ms (p99), %.0f ms (longest)\n",
		r.EventsPerSecond, r.P50*1e3, r.P99*1e3, r.Max*1e3)
	return err
}

type benchExportCommand struct {
	Events      []int  `help:"Events of the workspace, over a year: sizes, one after the other." default:"1000000,10000000"`
	Users       int    `help:"Users that they are of." default:"1000"`
	Repeat      int    `help:"How often each export runs; the median counts." default:"5"`
	Clients     int    `help:"How many requests run at a time, over a month, to measure exports per second. 0: one export after the other." default:"0"`
	Granularity string `help:"Also measure the year with rows for each day, week or month." enum:",day,week,month" default:"" placeholder:"day|week|month"`
	JSON        bool   `name:"json" help:"Print the figures as JSON."`
}

func (c *benchExportCommand) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c.Clients > 0 {
		return c.runLoad(ctx, dir, std)
	}
	var results []bench.ExportResult
	for _, o := range c.options(dir, std.err) {
		of, err := bench.Export(ctx, o)
		if err != nil {
			return err
		}
		results = append(results, of...)
	}
	return c.print(std.out, results)
}

// options returns the options of one measurement for each size.
func (c *benchExportCommand) options(dir string, progress io.Writer) (each []bench.ExportOptions) {
	for _, events := range c.Events {
		own := filepath.Join(dir, fmt.Sprint(events))
		each = append(each, bench.ExportOptions{
			Events: events, Users: c.Users, Repeat: c.Repeat, Clients: c.Clients,
			Granularity: query.Granularity(c.Granularity), Dir: own, Progress: progress,
		})
	}
	return each
}

func (c *benchExportCommand) runLoad(ctx context.Context, dir string, std streams) error {
	var results []bench.LoadResult
	for _, o := range c.options(dir, std.err) {
		of, err := bench.ExportLoad(ctx, o)
		if err != nil {
			return err
		}
		results = append(results, of...)
	}
	return c.printLoad(std.out, results)
}

func (c *benchExportCommand) printLoad(out io.Writer, results []bench.LoadResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(results)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "events\tclients\ttype\texports\texports/s\tp50 ms\tp99 ms\tCPU ms\t"+
		"bare engine exports/s\tp50 ms\tp99 ms\tCPU ms\tservice / engine\t")
	for _, r := range results {
		fmt.Fprintf(w, "%d\t%d\t%s\t%d\t%.1f\t%.0f\t%.0f\t%.0f\t%.1f\t%.0f\t%.0f\t%.0f\t%.2f\t\n", r.Events, r.Clients,
			r.Type, r.Service.Exports, r.Service.PerSecond, r.Service.P50*1e3, r.Service.P99*1e3, r.Service.CPU*1e3,
			r.BareEngine.PerSecond, r.BareEngine.P50*1e3, r.BareEngine.P99*1e3, r.BareEngine.CPU*1e3, r.Throughput)
	}
	return w.Flush()
}

func (c *benchExportCommand) print(out io.Writer, results []bench.ExportResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(results)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "events\ttype\tperiod\tMB\tfirst byte ms\tservice ms\tbare engine ms\tfrom the log ms\t"+
		"service / engine\tlog / rollups\tCPU ms\tbare engine CPU ms\t")
	for _, r := range results {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.1f\t%.0f\t%.0f\t\n", r.Events, r.Type, r.Period,
			float64(r.Bytes)/1e6, r.FirstByte*1e3, r.Service*1e3, r.BareEngine*1e3, r.FromLog*1e3, r.OverEngine, r.LogOverRoll,
			r.CPU*1e3, r.BareCPU*1e3)
	}
	return w.Flush()
}

type benchScaleCommand struct {
	Workspaces []int         `help:"How many workspaces there are, each with a year of days and ten people: numbers, one after the other." default:"1000,10000"`
	Idle       time.Duration `help:"How long the idle worker is watched, like 10m, so that each of its chores is done meanwhile." default:"10m"`
	Repeat     int           `help:"How often each plan and export runs, each time of another workspace; the median counts." default:"20"`
	Keep       string        `help:"Keep the filled engines in this directory. What an earlier run has filled there is not filled again. Without it, they are removed." type:"path" placeholder:"DIR"`
	JSON       bool          `name:"json" help:"Print the figures as JSON."`
}

func (c *benchScaleCommand) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var results []bench.ScaleResult
	for _, o := range c.options(dir, std.err) {
		r, err := bench.Scale(ctx, o)
		if err != nil {
			err = fmt.Errorf("%d workspaces: %w", o.Workspaces, err)
			if len(results) > 0 { // they took hours
				err = errors.Join(c.print(std.out, results), err)
			}
			return err
		}
		results = append(results, r)
		if c.Keep == "" {
			os.RemoveAll(o.Dir) // the next one needs the space
		}
	}
	return c.print(std.out, results)
}

// options returns the options of one measurement for each number of workspaces.
func (c *benchScaleCommand) options(dir string, progress io.Writer) (each []bench.ScaleOptions) {
	if c.Keep != "" {
		dir = c.Keep
	}
	for _, workspaces := range c.Workspaces {
		each = append(each, bench.ScaleOptions{
			Workspaces: workspaces, Days: 365, Idle: c.Idle, Repeat: c.Repeat,
			Dir: filepath.Join(dir, fmt.Sprint(workspaces)), Progress: progress,
		})
	}
	return each
}

// print prints a line for each figure and a column for each number of workspaces.
func (c *benchScaleCommand) print(out io.Writer, results []bench.ScaleResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(results)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, value func(r bench.ScaleResult) any) {
		fmt.Fprint(w, name)
		for _, r := range results {
			fmt.Fprintf(w, "\t"+format, value(r))
		}
		fmt.Fprintln(w)
	}
	type result = bench.ScaleResult
	line("workspaces", "%d", func(r result) any { return r.Workspaces })
	line("slices", "%d", func(r result) any { return r.Slices })
	line("events in the log", "%d", func(r result) any { return r.Events })
	line("GB on disk", "%.2f", func(r result) any { return float64(r.DiskBytes) / 1e9 })
	line("filled in s", "%.0f", func(r result) any { return r.FillSeconds })
	line("engine CPU s for that", "%.0f", func(r result) any { return r.FillCPU })
	line("idle worker: CPU s per s", "%.4f", func(r result) any { return r.WorkerIdle })
	line("its engine: CPU s per s", "%.4f", func(r result) any { return r.EngineIdle })
	line("engine without a worker: CPU s per s", "%.4f", func(r result) any { return r.EngineAlone })
	line("watched for s", "%.0f", func(r result) any { return r.IdleSeconds })
	line("first round of the worker s", "%.0f", func(r result) any { return r.FirstRound })
	line("worker resident MB", "%d", func(r result) any { return r.WorkerResident >> 20 })
	line("worker peak MB", "%d", func(r result) any { return r.WorkerPeak >> 20 })
	line("engine resident MB", "%d", func(r result) any { return r.EngineResident >> 20 })
	line("mark to manifest s", "%.1f", func(r result) any { return r.Recomputed })
	line("longest of these s", "%.1f", func(r result) any { return r.RecomputedLongest })
	line("settle time in these s", "%.0f", func(r result) any { return r.SettleTime })
	for _, step := range []struct {
		name string
		cost func(r result) bench.Cost
	}{
		{"plan", func(r result) bench.Cost { return r.Plan }}, {"export", func(r result) bench.Cost { return r.Export }},
		{"verify", func(r result) bench.Cost { return r.Verify }}, {"forget", func(r result) bench.Cost { return r.Forget }},
	} {
		line(step.name+" ms", "%.0f", func(r result) any { return step.cost(r).Seconds * 1e3 })
		line(step.name+" CPU ms", "%.0f", func(r result) any { return step.cost(r).CPU * 1e3 })
		line(step.name+" engine CPU ms", "%.0f", func(r result) any { return step.cost(r).EngineCPU * 1e3 })
	}
	line("verify peak MB", "%d", func(r result) any { return r.Verify.PeakBytes >> 20 })
	line("forget peak MB", "%d", func(r result) any { return r.Forget.PeakBytes >> 20 })
	return w.Flush()
}
