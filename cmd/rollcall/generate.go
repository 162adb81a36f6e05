package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/demo/sample"
	ingestkafka "rollcall/ingest/kafka"
)

type generateCommand struct {
	kafkaFlags  `embed:""`
	sampleFlags `embed:""`
}

// sampleFlags say which events are sent.
type sampleFlags struct {
	Org   string  `help:"The workspace's org_id." default:"org-sample"`
	Users int     `help:"How many people it has." default:"50"`
	Days  int     `help:"UTC days of history up to now, today included; 0 sends none." default:"30" zero:""`
	Seed  uint64  `help:"Another seed, other people and other usage; the same seed sends the same events." default:"1"`
	Rate  float64 `help:"Events per second that go on arriving after the history, until the command is stopped; 0 ends it there." default:"0"`
}

func (f sampleFlags) config(now time.Time) sample.Config {
	return sample.Config{Org: f.Org, Users: f.Users, Days: f.Days, Seed: f.Seed, Rate: f.Rate, Now: now}
}

func (c *generateCommand) Run(ctx context.Context, std streams) error {
	config := c.sampleFlags.config(time.Now())
	if err := config.Check(); err != nil {
		return settingsError{err}
	}
	transport, err := c.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	report := newProgress(std.err, "events produced")
	produced, err := sample.Produce(ctx, c.KafkaBrokers, transport, sample.Events(config), func(n int) { report.at(n, 0) })
	report.done()
	switch {
	case err != nil && produced > 0:
		return fmt.Errorf("%d events were acknowledged, then: %w", produced, err)
	case err != nil:
		return err
	case c.Rate > 0:
		return sample.Live(ctx, c.KafkaBrokers, transport, config)
	}
	return nil
}

// transport is how kafka-go's Writer reaches the brokers.
func (f kafkaFlags) transport() (*kafka.Transport, error) {
	tlsConfig, mechanism, err := f.security()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{Dial: ingestkafka.Dial(tlsConfig), SASL: mechanism}, nil
}
