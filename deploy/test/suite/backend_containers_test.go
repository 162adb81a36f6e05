//go:build containers

package suite

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/segmentio/kafka-go"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"rollcall/deploy/test/certtest"
	"rollcall/deploy/test/ports"
	"rollcall/schema/tables"
)

// With the build tag containers, the suite runs against these servers: the images of
// deploy/compose.yaml.
const (
	kafkaImage      = "apache/kafka:4.1.0"
	clickhouseImage = "clickhouse/clickhouse-server:26.5"
)

var overTLS = flag.Bool("tls", false, "speak TLS to both servers, instead of plain HTTP and Kafka")

// servers are started by the first test that needs them, and removed when the test binary has
// ended, however it ended (backend_removal_test.go).
var servers struct {
	sync.Once
	broker string
	engine tables.Options // without a database
	err    error
}

// backend gives a test a Kafka broker with empty topics and a ClickHouse server with an empty,
// migrated database, both in containers.
func backend(t *testing.T, topics ...string) (broker string, ch tables.Options) {
	t.Helper()
	servers.Do(func() { servers.err = startServers(context.Background()) })
	if servers.err != nil {
		t.Fatalf("the containers of the suite did not start; "+
			"they need a running Docker (or run the suite without the build tag containers): %v", servers.err)
	}
	createTopics(t, topics)
	ch = servers.engine
	ch.URL += "/suite_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := tables.Migrate(t.Context(), ch); err != nil {
		t.Fatalf("migrate a test database: %v", err)
	}
	return servers.broker, ch
}

func startServers(ctx context.Context) (err error) {
	var secured *certtest.Certificate
	if *overTLS {
		dir, err := os.MkdirTemp("", "rollcall-suite-")
		if err != nil {
			return err
		}
		if secured, err = certtest.New(dir); err != nil {
			return err
		}
		client := secured.Client()
		security.tls = func() *tls.Config { return client }
		security.kcat = []string{"-X", "security.protocol=ssl", "-X", "ssl.ca.location=" + secured.CertFile}
	}
	if err := startClickHouse(ctx, secured); err != nil {
		return err
	}
	return startKafka(ctx, secured)
}

func startClickHouse(ctx context.Context, secured *certtest.Certificate) error {
	scheme := "http"
	port := "8123/tcp"
	files := []testcontainers.ContainerFile(nil)
	if secured != nil {
		scheme = "https"
		port = "8443/tcp"
		files = append(files, fileOf("/etc/clickhouse-server/tls.pem", secured.PEM),
			fileOf("/etc/clickhouse-server/config.d/tls.xml", clickhouseTLS))
	}
	server, err := testcontainers.Run(ctx, clickhouseImage, ofRun(thisRun),
		testcontainers.WithExposedPorts("8123/tcp", "8443/tcp"), testcontainers.WithFiles(files...),
		testcontainers.WithEnv(map[string]string{
			"CLICKHOUSE_USER": "suite", "CLICKHOUSE_PASSWORD": "suite", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1",
		}),
		testcontainers.WithWaitStrategyAndDeadline(3*time.Minute, wait.ForHTTP("/ping").WithPort("8123/tcp")))
	if err != nil {
		return err
	}
	endpoint, err := server.PortEndpoint(ctx, port, "")
	if err != nil {
		return err
	}
	servers.engine = tables.Options{URL: scheme + "://suite@" + endpoint, Password: "suite"}
	if secured != nil {
		servers.engine.TLS = security.tls
	}
	return nil
}

// clickhouseTLS adds a port for HTTPS.
const clickhouseTLS = `<clickhouse><https_port>8443</https_port><openSSL><server>
<certificateFile>/etc/clickhouse-server/tls.pem</certificateFile><privateKeyFile>/etc/clickhouse-server/tls.pem</privateKeyFile><verificationMode>none</verificationMode>
</server></openSSL></clickhouse>`

// fileOf makes a file that every user can read, because the server may run as any user. That is
// harmless: the certificate of the key lives as long as the test.
func fileOf(path, text string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: strings.NewReader(text), ContainerFilePath: path, FileMode: 0o644}
}

// startKafka starts one KRaft node. A broker tells clients its address, so its port must be known
// before it starts: a free port of this machine. The clients' listener is not called SSL, because
// then the image's scripts would ask for a Java key store, which a PEM file is not.
func startKafka(ctx context.Context, secured *certtest.Certificate) error {
	free, _, err := ports.Claim()
	if err != nil {
		return err
	}
	port := strconv.Itoa(free)
	servers.broker = "127.0.0.1:" + port
	inside := network.MustParsePort("9092/tcp")
	settings := map[string]string{
		"KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":         "1@localhost:9093",
		"KAFKA_LISTENERS":                        "CLIENTS://:9092,CONTROLLER://:9093",
		"KAFKA_ADVERTISED_LISTENERS":             "CLIENTS://" + servers.broker,
		"KAFKA_INTER_BROKER_LISTENER_NAME":       "CLIENTS",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":   "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES":        "CONTROLLER",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":    "1",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0", "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
		"KAFKA_MESSAGE_MAX_BYTES": "16777216",
	}
	var files []testcontainers.ContainerFile
	if secured != nil {
		files = append(files, fileOf("/tmp/tls.pem", secured.PEM))
		for name, value := range map[string]string{
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:SSL,CONTROLLER:PLAINTEXT", "KAFKA_SSL_KEYSTORE_TYPE": "PEM",
			"KAFKA_SSL_KEYSTORE_LOCATION": "/tmp/tls.pem",
			"KAFKA_SSL_TRUSTSTORE_TYPE":   "PEM", "KAFKA_SSL_TRUSTSTORE_LOCATION": "/tmp/tls.pem",
		} {
			settings[name] = value
		}
	}
	_, err = testcontainers.Run(ctx, kafkaImage, ofRun(thisRun), testcontainers.WithExposedPorts("9092/tcp"),
		testcontainers.WithFiles(files...),
		testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
			c.PortBindings = network.PortMap{inside: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: port}}}
		}),
		testcontainers.WithEnv(settings),
		testcontainers.WithWaitStrategyAndDeadline(3*time.Minute, wait.ForLog("Kafka Server started")))
	return err
}

// createTopics deletes the topics of an earlier test and creates them with four partitions. A
// broker deletes in the background, so createTopics repeats the request until it succeeds.
func createTopics(t *testing.T, topics []string) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(servers.broker), Transport: transport(t), Timeout: 10 * time.Second}
	if _, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: topics}); err != nil {
		t.Fatal(err)
	}
	var wanted []kafka.TopicConfig
	for _, topic := range topics {
		wanted = append(wanted, kafka.TopicConfig{Topic: topic, NumPartitions: 4, ReplicationFactor: 1})
	}
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(time.Minute); len(wanted) > 0; <-poll.C {
		created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: wanted[:1]})
		if err == nil {
			err = created.Errors[wanted[0].Topic]
		}
		switch {
		case err == nil:
			wanted = wanted[1:]
		case !errors.Is(err, kafka.TopicAlreadyExists) || time.Now().After(deadline):
			t.Fatalf("create the topic %s: %v", wanted[0].Topic, err)
		}
	}
}
