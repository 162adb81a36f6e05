package ingest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"rollcall/ingest/kafka"
	"rollcall/ingest/kafka/recordbatch"
)

// These defaults of Config are also defaults of the command's settings.
const (
	DefaultGroup         = "rollcall"
	DefaultBatchRows     = 200_000
	DefaultBatchBytes    = 64 << 20
	DefaultBatchAge      = 250 * time.Millisecond
	DefaultInsertTimeout = time.Minute
)

// Config says what to read, how to reach it, and how much to hold in memory (see MemoryLimit).
// Brokers and Topics are required. A zero field takes its default.
type Config struct {
	Brokers []string // host:port of some brokers; the others are learned from them
	Topics  []string // a missing one is waited for while the others are read
	Group   string   // consumer group; "": DefaultGroup. A new group starts at the first offset
	// the TLS of a new connection; nil: plain TCP. With a client certificate in it: mTLS
	TLS  func() *tls.Config
	SASL sasl.Mechanism // nil: none. See SASL

	// A batch is full when it has this many rows (0: DefaultBatchRows; 1 … 10,000,000) or this many
	// bytes of columns (0: DefaultBatchBytes; at least 1 MiB). A full batch is stored.
	BatchRows  int
	BatchBytes int
	// A batch that is not full is stored when its first record is this old and the batch before it is
	// stored. 0: DefaultBatchAge
	BatchAge time.Duration

	// bytes asked of a broker in one request; default 8 MiB, at least 64 KiB. A single larger record
	// batch is still read whole
	FetchBytes int
	// how long a broker may wait for the first byte; default 500 ms. Idle partitions advance the
	// watermark this often
	FetchWait time.Duration
	// the largest record batch, uncompressed, that is held in memory; default 32 MiB. A larger one is
	// read as a stream
	InflateBytes int

	// an insert that was not acknowledged within this time is sent again; 0: DefaultInsertTimeout
	InsertTimeout time.Duration
	// after this silence the group gives a member's partitions to other members; default 10 s (brokers
	// refuse less than 6 s)
	SessionTimeout time.Duration
	// how long a stop or a rebalance may wait for the batch in hand; default 8 s. After that the batch
	// is dropped, and its records are delivered again
	StopTimeout   time.Duration
	ProgressEvery time.Duration // how often the watermark is stored; default 1 s
	// how old the list of erased persons may be while nothing is stored; default 10 s
	ErasuresEvery time.Duration

	// record batches to leave out because they cannot be read, each as topic/partition/offset. A named
	// batch that can be read is not left out
	PassOver []string

	// the key of the hashes of erased persons. Without it, ingest stops if there are erasures
	Secret []byte

	Traces trace.TracerProvider // where the spans of batches go; nil: none are made
}

// clusterConfig says how the brokers are reached. clock gives the times of their responses.
func (c Config) clusterConfig(clock func() time.Time) kafka.Config {
	return kafka.Config{Brokers: c.Brokers, Topics: c.Topics, TLS: c.TLS, SASL: c.SASL, Clock: clock}
}

func (c Config) withDefaults() (Config, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if c.Group == "" {
		c.Group = DefaultGroup
	}
	if c.Traces == nil {
		c.Traces = noop.NewTracerProvider()
	}
	def(&c.BatchRows, DefaultBatchRows)
	def(&c.BatchBytes, DefaultBatchBytes)
	def(&c.FetchBytes, 8<<20)
	def(&c.InflateBytes, 32<<20)
	wait(&c.BatchAge, DefaultBatchAge)
	wait(&c.FetchWait, 500*time.Millisecond)
	wait(&c.InsertTimeout, DefaultInsertTimeout)
	wait(&c.SessionTimeout, 10*time.Second)
	wait(&c.StopTimeout, 8*time.Second)
	wait(&c.ProgressEvery, time.Second)
	wait(&c.ErasuresEvery, 10*time.Second)
	return c, c.check()
}

// MemoryLimit is the most memory that ingest needs, in bytes, whatever it reads. It is meant for
// the runtime's memory limit (debug.SetMemoryLimit), so that garbage is collected before it adds to
// that. It is the sum of:
//
//   - for each of two batches, the columns and their encoding: three times BatchBytes;
//   - two responses of each of a few brokers;
//   - one record batch, uncompressed, twice while its buffer grows; and the window of a compressed
//     stream;
//   - what the process needs besides.
func (c Config) MemoryLimit() int64 {
	c, _ = c.withDefaults()
	const (
		brokers = 4
		beside  = 64 << 20
	)
	return 6*int64(c.BatchBytes) + 2*brokers*int64(c.FetchBytes) + 2*int64(c.InflateBytes) + recordbatch.MaxWindow + beside
}

// Check checks all settings, as New does.
func (c Config) Check() error {
	if _, err := c.withDefaults(); err != nil {
		return err
	}
	_, err := parsePassOver(c.PassOver)
	return err
}

func (c Config) check() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("no Kafka broker is named; give at least one as host:port")
	case len(c.Topics) == 0:
		return errors.New("no Kafka topic is named; give at least one")
	case c.BatchRows < 1 || c.BatchRows > 10_000_000:
		return fmt.Errorf("a batch of %d rows is out of range; give 1 to 10000000", c.BatchRows)
	case c.BatchBytes < 1<<20 || c.BatchBytes > maxBatchBytes:
		return fmt.Errorf("a batch of %d bytes is out of range; give 1 MiB to 1 GiB", c.BatchBytes)
	case c.FetchBytes < 64<<10 || c.FetchBytes > 1<<28:
		return fmt.Errorf("fetches of %d bytes are out of range; give 64 KiB to 256 MiB", c.FetchBytes)
	case c.InflateBytes < 2<<20 || c.InflateBytes > 1<<30:
		return fmt.Errorf("record batches of %d bytes are out of range; give 2 MiB to 1 GiB", c.InflateBytes)
	case c.BatchAge < 0 || c.FetchWait < 0 || c.InsertTimeout < 0 || c.SessionTimeout < 0 || c.StopTimeout < 0 ||
		c.ProgressEvery < 0 || c.ErasuresEvery < 0:
		return errors.New("a duration is negative; give a positive one")
	case c.StopTimeout > 12*time.Second:
		return fmt.Errorf("a stop of %s is too long; give 12s or less, since a stop has 15 s in all", c.StopTimeout)
	}
	seen := map[string]bool{}
	for _, topic := range c.Topics {
		if topic == "" || seen[topic] {
			return fmt.Errorf("the topic %q is empty or named twice", topic)
		}
		seen[topic] = true
	}
	return nil
}

// SASL makes the mechanism of a name: "plain", "scram-sha-256" or "scram-sha-512", in lower or
// upper case. For "" and "none" it returns nil.
func SASL(name, user, password string) (sasl.Mechanism, error) {
	switch name {
	case "", "none":
		return nil, nil
	case "plain", "PLAIN":
		return plain.Mechanism{Username: user, Password: password}, nil
	case "scram-sha-256", "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, user, password)
	case "scram-sha-512", "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, user, password)
	}
	return nil, fmt.Errorf("the SASL mechanism %q is unknown; use plain, scram-sha-256 or scram-sha-512", name)
}

const noBatchNamed = "%q names no record batch to pass over; write topic/partition/offset, as the log does"

// parsePassOver reads Config.PassOver.
func parsePassOver(all []string) (map[kafka.TopicPartition][]int64, error) {
	passOver := map[kafka.TopicPartition][]int64{}
	for _, text := range all {
		parts := strings.Split(text, "/")
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf(noBatchNamed, text)
		}
		partition, err1 := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return nil, fmt.Errorf(noBatchNamed, text)
		}
		s := kafka.TopicPartition{Topic: parts[0], Partition: int32(partition)}
		passOver[s] = append(passOver[s], offset)
	}
	return passOver, nil
}
