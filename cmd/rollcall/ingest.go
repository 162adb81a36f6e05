package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"rollcall/ingest"
)

// kafkaFlags say how to reach the brokers.
type kafkaFlags struct {
	KafkaBrokers      []string `help:"Brokers to start from, host:port, comma-separated." default:"127.0.0.1:9092"`
	KafkaTLS          bool     `name:"kafka-tls" help:"Speak TLS to the brokers."`
	KafkaCAFile       string   `name:"kafka-ca-file" help:"PEM certificates that sign the brokers', where the system does not know them. A replaced file is read within a second, for new connections." type:"path" placeholder:"FILE"`
	KafkaCertFile     string   `help:"PEM client certificate (mTLS)." type:"path" placeholder:"FILE"`
	KafkaKeyFile      string   `help:"PEM key of the client certificate." type:"path" placeholder:"FILE"`
	KafkaSASL         string   `name:"kafka-sasl" help:"How to sign in: ${enum}." enum:"none,plain,scram-sha-256,scram-sha-512" default:"none"`
	KafkaUser         string   `help:"SASL user."`
	KafkaPassword     string   `help:"SASL password." placeholder:"PASSWORD"`
	KafkaPasswordFile string   `help:"File that holds the SASL password." type:"path" placeholder:"FILE"`
}

type ingestCommand struct {
	kafkaFlags      `embed:""`
	clickhouseFlags `embed:""`
	secretFlags     `embed:""`
	adminFlags      `embed:""`
	ingestFlags     `embed:""`
}

// ingestFlags are the flags that only ingest has.
type ingestFlags struct {
	KafkaTopics   []string      `help:"Topics to read, comma-separated. One that does not exist yet is waited for while the others are read." default:"usage.messages,usage.actions,usage.tokens,usage.workflows,usage.entities"`
	KafkaGroup    string        `help:"Consumer group. A new one starts at the first offset, which stores again what is stored and counts nothing twice." default:"${kafka_group}"`
	KafkaPassOver []string      `help:"Corrupt record batches to leave out, topic/partition/offset each, comma-separated, as ingest's log names them. Their records are counted as a gap; a batch that can be read is never left out." placeholder:"TOPIC/PARTITION/OFFSET"`
	BatchRows     int           `help:"A batch is stored once it has this many rows, 1 to 10000000. More make fewer, larger inserts and take more memory." default:"${batch_rows}"`
	BatchBytes    int           `help:"A batch is stored once it has this many bytes of columns, 1 MiB to 1 GiB. The process takes about six times as much." default:"${batch_bytes}"`
	BatchAge      time.Duration `help:"A batch is stored once its first record is this old, like 250ms. Longer makes exports later, and inserts fewer where little arrives." default:"${batch_age}"`
	InsertTimeout time.Duration `help:"An insert that was not answered for so long, like 60s, is sent again. Too short a time only makes load: what was stored twice counts once." default:"${insert_timeout}"`
}

func (c *ingestCommand) Run(ctx context.Context, log *slog.Logger) error {
	s, err := newService(ctx, "ingest", c.traceFlags, log)
	if err != nil {
		return err
	}
	i, err := c.build(s)
	if err != nil {
		return err
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(ingest.Config{BatchBytes: c.BatchBytes}.MemoryLimit())
	}
	s.add(ctx, "ingest", i)
	return s.run(ctx, c.AdminAddr)
}

// build makes the ingest stage. It connects to nothing yet.
func (c *ingestCommand) build(s *service) (part, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	s.certs.watch("clickhouse-cert-file", c.ClickhouseCertFile, c.ClickhouseKeyFile)
	s.certs.watchAuthorities("clickhouse-ca-file", c.ClickhouseCAFile)
	s.certs.watch("kafka-cert-file", c.KafkaCertFile, c.KafkaKeyFile)
	s.certs.watchAuthorities("kafka-ca-file", c.KafkaCAFile)
	config, err := c.ingestFlags.config(c.kafkaFlags)
	if err != nil {
		return nil, err
	}
	config.Traces = s.traces
	if _, err := c.given(); err != nil {
		return nil, err
	}
	if err := config.Check(); err != nil {
		return nil, settingsError{err}
	}
	return &awaited{
		needs: needs{o, &c.secretFlags},
		begin: func(secret []byte) (part, error) {
			config.Secret = secret
			return ingest.New(config, o, s.log, s.reg)
		},
	}, nil
}

// config returns all that ingest.New takes, except the secret.
func (f ingestFlags) config(brokers kafkaFlags) (ingest.Config, error) {
	config, err := brokers.config()
	config.Topics = f.KafkaTopics
	config.Group = f.KafkaGroup
	config.PassOver = f.KafkaPassOver
	config.BatchRows = f.BatchRows
	config.BatchBytes = f.BatchBytes
	config.BatchAge = f.BatchAge
	config.InsertTimeout = f.InsertTimeout
	return config, err
}

// config returns how to reach the brokers, in the form that ingest takes.
func (f kafkaFlags) config() (ingest.Config, error) {
	tlsConfig, mechanism, err := f.security()
	return ingest.Config{Brokers: f.KafkaBrokers, TLS: tlsConfig, SASL: mechanism}, err
}

func (f kafkaFlags) security() (func() *tls.Config, sasl.Mechanism, error) {
	tlsConfig, err := clientTLS(f.KafkaCAFile, f.KafkaCertFile, f.KafkaKeyFile)
	if err != nil {
		return nil, nil, badSetting("--kafka-*-file: %w", err)
	}
	if tlsConfig == nil && f.KafkaTLS {
		plain := &tls.Config{MinVersion: tls.VersionTLS12}
		tlsConfig = func() *tls.Config { return plain }
	}
	mechanism, err := newRenewed(f.mechanism, filesOf(f.KafkaPasswordFile)...)
	if err != nil || mechanism.get() == nil {
		return tlsConfig, nil, err
	}
	return tlsConfig, renewedMechanism{mechanism}, nil
}

func (f kafkaFlags) mechanism() (sasl.Mechanism, error) {
	password, err := secretOf("kafka-password", f.KafkaPassword, f.KafkaPasswordFile)
	if err != nil {
		return nil, err
	}
	m, err := ingest.SASL(f.KafkaSASL, f.KafkaUser, password)
	if err != nil {
		return nil, badSetting("--kafka-sasl: %w", err)
	}
	return m, nil
}

// A renewedMechanism signs in with the password of that moment.
type renewedMechanism struct{ *renewed[sasl.Mechanism] }

func (m renewedMechanism) Name() string { return m.get().Name() }

func (m renewedMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return m.get().Start(ctx)
}
