package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"text/tabwriter"
	"time"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/sample"
	"rollcall/export/access"
	"rollcall/schema/tables"
)

type demoCommand struct {
	adminFlags     `embed:""`
	DataDir        string `help:"Where the broker and the engine keep their data; a restart goes on from there." default:"data" type:"path"`
	KafkaAddr      string `help:"Where the embedded broker listens, on loopback only." default:"127.0.0.1:9092"`
	ClickhouseAddr string `help:"Where the embedded engine listens, on loopback only." default:"127.0.0.1:8123"`
	HTTPAddr       string `name:"http-addr" help:"Where exports are served." default:"127.0.0.1:8080"`
	Sample         string `help:"Sample workspaces: ${enum}. They go on arriving." enum:"none,small,year" default:"small"`
}

// Run starts the parts of the demo in this order, and stops them in the opposite order at a signal:
//
//	broker ─► engine ─► tables ─► ingest, rollup, export ─► sample ─► keys and addresses are printed
func (c *demoCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	log = log.With("command", "demo")
	broker, err := embedded.StartBroker(ctx, c.brokerOptions(log))
	if err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	defer broker.Close() // last: a consumer that is closed after its broker remains a member of the group
	engine, err := embedded.StartEngine(ctx, c.engineOptions(log))
	if err != nil {
		return fmt.Errorf("start the embedded engine: %w", err)
	}
	defer engine.Close()

	clickhouse := clickhouseFlags{ClickhouseURL: engine.URL() + "/rollcall"}
	if _, err := tables.Migrate(ctx, tables.Options{URL: clickhouse.ClickhouseURL}); err != nil {
		return err
	}
	s, err := newService(ctx, "demo", c.traceFlags, log)
	if err != nil {
		return err
	}
	if err := c.addStages(ctx, s, clickhouse); err != nil {
		return err
	}
	usage := c.usage()
	usage.ready = func(workspaces []sample.Config) error {
		if s.waitUntilReady(ctx) != nil {
			return nil // it was stopped before
		}
		return c.announce(ctx, std, clickhouse, workspaces)
	}
	s.add(ctx, "sample", usage)
	return s.run(ctx, c.AdminAddr)
}

func (c *demoCommand) brokerOptions(log *slog.Logger) embedded.BrokerOptions {
	return embedded.BrokerOptions{
		Dir: filepath.Join(c.DataDir, "kafka"), Addr: c.KafkaAddr, Topics: sample.Topics(), Log: log,
	}
}

func (c *demoCommand) engineOptions(log *slog.Logger) embedded.EngineOptions {
	return embedded.EngineOptions{Dir: filepath.Join(c.DataDir, "clickhouse"), Addr: c.ClickhouseAddr, Log: log}
}

// usage returns the sample workspaces, without the function that is called when they are ready.
func (c *demoCommand) usage() *sampleUsage {
	return &sampleUsage{profile: sample.Profile(c.Sample), brokers: []string{c.KafkaAddr}}
}

// stages returns the three commands as if each had been called by itself.
func (c *demoCommand) stages(clickhouse clickhouseFlags) (ingestCommand, rollupCommand, exportCommand) {
	kafka := kafkaFlags{KafkaBrokers: []string{c.KafkaAddr}, KafkaSASL: "none"}
	topics := ingestFlags{KafkaTopics: sample.Topics(), KafkaGroup: "rollcall"}
	addresses := exportFlags{HTTPAddr: c.HTTPAddr, PublicURL: "http://" + c.HTTPAddr, MaxConnections: demoConnections}
	return ingestCommand{clickhouseFlags: clickhouse, kafkaFlags: kafka, ingestFlags: topics},
		rollupCommand{clickhouseFlags: clickhouse},
		exportCommand{clickhouseFlags: clickhouse, exportFlags: addresses}
}

func (c *demoCommand) addStages(ctx context.Context, s *service, clickhouse clickhouseFlags) error {
	ingestion, rollups, exports := c.stages(clickhouse)
	i, err := ingestion.build(s)
	if err != nil {
		return err
	}
	r, err := rollups.build(s)
	if err != nil {
		return err
	}
	s.add(ctx, "ingest", i)
	s.add(ctx, "rollup", r)
	return exports.addTo(ctx, s)
}

// demoConnections is enough for the browsers and scripts of one machine.
const demoConnections = 256

// demoKey is the name of the keys that the demo makes. A start revokes the keys of the last one.
const demoKey = "demo"

// announce prints each workspace with a fresh key, the page's address and a curl line.
func (c *demoCommand) announce(
	ctx context.Context, std streams, clickhouse clickhouseFlags, workspaces []sample.Config,
) error {
	return withKeys(clickhouse, func(keys *access.Keys) error {
		old, err := keys.List(ctx, "")
		if err != nil {
			return err
		}
		for _, k := range old {
			if k.Name == demoKey && k.RevokedAt == nil {
				if err := keys.Revoke(ctx, k.ID); err != nil {
					return err
				}
			}
		}
		w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		var last string
		fmt.Fprintln(w, "\nRollcall is ready.\n\nworkspace\tkey")
		for _, workspace := range workspaces {
			_, key, err := keys.Create(ctx, workspace.Org, demoKey, 0)
			if err != nil {
				return err
			}
			if last == "" {
				last = key
			}
			fmt.Fprintf(w, "%s\t%s\n", workspace.Org, key)
		}
		fmt.Fprintf(w, "\npage\thttp://%s/\n", c.HTTPAddr)
		fmt.Fprintf(w, "Kafka\t%s\nClickHouse\thttp://%s/\nmetrics\thttp://%s/metrics\n", c.KafkaAddr, c.ClickhouseAddr,
			c.AdminAddr)
		if last != "" {
			fmt.Fprintf(w, "\ncurl -H 'Authorization: Bearer %s' 'http://%s/v1/exports/users?range=this_month'\n", last,
				c.HTTPAddr)
		} else {
			fmt.Fprintln(w, "\nNo sample workspaces: make a key with `rollcall keys create --org ID`.")
		}
		return w.Flush()
	})
}

// sampleUsage sends the history of the sample workspaces, calls ready, and then sends their usage
// as it arrives.
type sampleUsage struct {
	profile sample.Profile
	brokers []string
	ready   func([]sample.Config) error
}

func (u *sampleUsage) Ready(context.Context) error { return nil }

func (u *sampleUsage) Run(ctx context.Context) error {
	workspaces, err := u.profile.Workspaces(time.Now())
	if err != nil {
		return err
	}
	for _, w := range workspaces {
		if _, err := sample.Produce(ctx, u.brokers, nil, sample.Events(w), nil); err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	if err := u.ready(workspaces); err != nil {
		return err
	}
	for _, w := range workspaces {
		go sample.Live(ctx, u.brokers, nil, w)
	}
	<-ctx.Done()
	return nil
}
