package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"rollcall/export"
	"rollcall/ingest"
	ingestkafka "rollcall/ingest/kafka"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Check the settings, then ClickHouse, the schema, the secret and Kafka behind them; exit code 1 names what fails."`
}

// configCheckCommand has the settings of all stages. Usually they come from the environment.
type configCheckCommand struct {
	kafkaFlags      `embed:""`
	clickhouseFlags `embed:""`
	secretFlags     `embed:""`
	adminFlags      `embed:""`
	ingestFlags     `embed:""`
	rollupFlags     `embed:""`
	exportFlags     `embed:""`
}

// build makes all stages as their commands do, and starts none.
func (c *configCheckCommand) build(ctx context.Context, o tables.Options) (ingest.Config, error) {
	log := slog.New(slog.DiscardHandler)
	reg := prometheus.NewRegistry()
	kafkaConfig, err := c.ingestFlags.config(c.kafkaFlags)
	if err != nil {
		return kafkaConfig, err
	}
	if err := c.exportFlags.check(); err != nil {
		return kafkaConfig, err
	}
	traces, err := c.traceFlags.open(ctx, "check", log)
	if err != nil {
		return kafkaConfig, err
	}
	traces.close()
	_, err = ingest.New(kafkaConfig, o, log, reg)
	if err == nil {
		_, err = rollup.New(c.rollupFlags.config(), o, log, reg)
	}
	if err == nil {
		// a dummy secret: the real one is checked with the database
		_, err = export.New(c.exportFlags.config(make([]byte, 32)), o, log, reg)
	}
	if err == nil && (c.HTTPCertFile != "" || c.HTTPKeyFile != "") {
		_, err = tls.LoadX509KeyPair(c.HTTPCertFile, c.HTTPKeyFile)
	}
	if err != nil {
		return kafkaConfig, settingsError{err}
	}
	return kafkaConfig, nil
}

// checkPatience is how long one check may take.
const checkPatience = 10 * time.Second

func (c *configCheckCommand) Run(ctx context.Context, std streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	kafkaConfig, err := c.build(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%-12s ok\n", "settings")
	var vain []string
	check := func(name string, do func(context.Context) error) bool {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		if err := do(ctx); err != nil {
			fmt.Fprintf(std.out, "%-12s failed: %s\n", name, oneLine(err.Error()))
			vain = append(vain, name)
			return false
		}
		fmt.Fprintf(std.out, "%-12s ok\n", name)
		return true
	}
	if check("clickhouse", func(ctx context.Context) error { return ping(ctx, o) }) &&
		check("schema", func(ctx context.Context) error { return checkSchema(ctx, o) }) {
		check("secret", func(ctx context.Context) error { _, err := c.secret(ctx, o); return err })
	}
	transport := &kafka.Transport{Dial: ingestkafka.Dial(kafkaConfig.TLS), SASL: kafkaConfig.SASL}
	defer transport.CloseIdleConnections()
	check("kafka", func(ctx context.Context) error { return haveTopics(ctx, transport, c.KafkaBrokers, c.KafkaTopics) })
	if len(vain) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(vain, ", "))
	}
	return nil
}

func ping(ctx context.Context, o tables.Options) error {
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	var one uint8
	return conn.QueryRow(ctx, "SELECT 1").Scan(&one)
}

// haveTopics asks the brokers for the topics. Ingest would only wait for a missing one, so the
// check reports it.
func haveTopics(ctx context.Context, transport *kafka.Transport, brokers, topics []string) error {
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return err
	}
	var missing error
	for _, t := range metadata.Topics {
		if t.Error != nil {
			missing = errors.Join(missing, fmt.Errorf("topic %s: %w", t.Name, t.Error))
		}
	}
	return missing
}
