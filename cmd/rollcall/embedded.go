package main

import (
	"context"
	"fmt"
	"log/slog"

	"rollcall/deploy/demo/embedded"
)

// embeddedCommand runs one embedded part in a process of its own, which can be measured and killed.
type embeddedCommand struct {
	Broker embeddedBrokerCommand `cmd:"" help:"The embedded Kafka broker."`
	Engine embeddedEngineCommand `cmd:"" help:"The embedded ClickHouse engine."`
}

type embeddedBrokerCommand struct {
	DataDir    string `help:"Where records and offsets rest." required:"" type:"path"`
	KafkaAddr  string `help:"Where it listens, on loopback only." default:"127.0.0.1:9092"`
	Partitions int    `help:"Partitions of each topic that is created." default:"4"`
}

func (c *embeddedBrokerCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	broker, err := embedded.StartBroker(ctx, c.options(log))
	if err != nil {
		return err
	}
	defer broker.Close()
	fmt.Fprintln(std.out, broker.Addr())
	<-ctx.Done()
	return nil
}

func (c *embeddedBrokerCommand) options(log *slog.Logger) embedded.BrokerOptions {
	return embedded.BrokerOptions{Dir: c.DataDir, Addr: c.KafkaAddr, Partitions: c.Partitions, Log: log}
}

type embeddedEngineCommand struct {
	DataDir        string `help:"Where its data rests." required:"" type:"path"`
	ClickhouseAddr string `help:"Where it listens, on loopback only." default:"127.0.0.1:8123"`
	ConfigFile     string `help:"A ClickHouse configuration file: users, profiles, where backups may go." type:"path" placeholder:"FILE"`
}

func (c *embeddedEngineCommand) Run(ctx context.Context, std streams, log *slog.Logger) error {
	engine, err := embedded.StartEngine(ctx, c.options(log))
	if err != nil {
		return err
	}
	defer engine.Close()
	fmt.Fprintln(std.out, engine.URL())
	<-ctx.Done()
	return nil
}

func (c *embeddedEngineCommand) options(log *slog.Logger) embedded.EngineOptions {
	return embedded.EngineOptions{Dir: c.DataDir, Addr: c.ClickhouseAddr, Config: c.ConfigFile, Log: log}
}
