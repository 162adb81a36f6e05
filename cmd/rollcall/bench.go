package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"rollcall/deploy/bench"
)

type benchCommand struct {
	Ingest benchIngestCommand `cmd:"" help:"From Kafka to the log: events per second, CPU and memory, with embedded parts in processes of their own."`
	Delay  benchDelayCommand  `cmd:"" help:"How long after it was produced an event is in the log, at a steady rate."`
	Export benchExportCommand `cmd:"" help:"Each data type over a month and a year: from rollups, from the log, and by the bare engine."`
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
	Events []int `help:"Events of the workspace, over a year: sizes, one after the other." default:"1000000,10000000"`
	Users  int   `help:"Users that they are of." default:"1000"`
	Repeat int   `help:"How often each export runs; the median counts." default:"5"`
	JSON   bool  `name:"json" help:"Print the figures as JSON."`
}

func (c *benchExportCommand) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
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
			Events: events, Users: c.Users, Repeat: c.Repeat, Dir: own, Progress: progress,
		})
	}
	return each
}

func (c *benchExportCommand) print(out io.Writer, results []bench.ExportResult) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(results)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "events\ttype\tperiod\tMB\tfirst byte ms\tservice ms\tbare engine ms\tfrom the log ms\t"+
		"service / engine\tlog / rollups\t")
	for _, r := range results {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.1f\t\n", r.Events, r.Type, r.Period,
			float64(r.Bytes)/1e6, r.FirstByte*1e3, r.Service*1e3, r.BareEngine*1e3, r.FromLog*1e3, r.OverEngine, r.LogOverRoll)
	}
	return w.Flush()
}
