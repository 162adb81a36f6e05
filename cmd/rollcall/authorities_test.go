package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/certtest"
	"rollcall/deploy/test/processtest"
	ingestkafka "rollcall/ingest/kafka"
	"rollcall/schema/tables"
)

// A secured is what a test changes about a server over TLS: its certificate, and the connections
// that it has.
type secured struct {
	certificate atomic.Pointer[tls.Certificate]

	mu   sync.Mutex
	open []net.Conn
}

func (s *secured) config() *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.certificate.Load(), nil
	}}
}

// serves gives the server another certificate and cuts its connections, as a restart does.
func (s *secured) serves(c *tls.Certificate) {
	s.certificate.Store(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.open {
		conn.Close()
	}
	s.open = nil
}

func (s *secured) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return securedListener{l, s}, err
}

type securedListener struct {
	net.Listener
	of *secured
}

func (l securedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.of.mu.Lock()
		defer l.of.mu.Unlock()
		l.of.open = append(l.of.open, conn)
	}
	return conn, err
}

// securedKafka starts a broker over TLS, and returns its host and port.
func securedKafka(t *testing.T) (*secured, string) {
	t.Helper()
	s := &secured{}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "usage.messages"),
		kfake.TLS(s.config()), kfake.ListenFn(s.listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return s, cluster.ListenAddrs()[0]
}

// securedEngine is the tests' engine behind TLS, with a database of its own.
func securedEngine(t *testing.T) (s *secured, address string, plain tables.Options) {
	t.Helper()
	plain = enginetest.Database(t)
	s = &secured{}
	server := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(
		&url.URL{Scheme: "http", Host: parsed(t, plain.URL).Host}))
	server.Listener.Close()
	var err error
	if server.Listener, err = s.listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server.TLS = s.config()
	// httptest puts its own certificate first, which a GetCertificate would never replace
	server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.config(), nil }
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return s, server.Listener.Addr().String(), plain
}

func newAuthority(t *testing.T, name string) *certtest.Authority {
	t.Helper()
	a, err := certtest.NewAuthority(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *certtest.Authority, hosts ...string) *tls.Certificate {
	t.Helper()
	c, err := a.Issue(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An asker asks a server over TLS, with a client that reads its authorities from a file.
type asker func(t *testing.T, host string) error

// kafkaAsker opens a connection of its own for each question. Its flags are read once.
func kafkaAsker(t *testing.T, addr, caFile string) asker {
	config, _, err := kafkaFlags{KafkaCAFile: caFile}.security()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	dialer := kafka.Dialer{DialFunc: ingestkafka.Dial(config)}
	return func(t *testing.T, host string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.ReadPartitions("usage.messages")
		return err
	}
}

// engineAsker has one connection pool per host.
func engineAsker(t *testing.T, addr string, plain tables.Options, caFile string) asker {
	_, port, _ := net.SplitHostPort(addr)
	opened := map[string]tables.Options{}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		o, err := clickhouseFlags{
			ClickhouseURL:    "https://default@" + net.JoinHostPort(host, port) + parsed(t, plain.URL).Path,
			ClickhouseCAFile: caFile,
		}.options()
		if err != nil {
			t.Fatal(err)
		}
		opened[host] = o
	}
	conns := map[string]func(context.Context) error{}
	for host, o := range opened {
		conn, err := tables.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns[host] = func(ctx context.Context) error { return conn.Exec(ctx, "SELECT 1") }
	}
	return func(t *testing.T, host string) (err error) {
		for range 3 { // a connection that was cut is noticed by the request that uses it
			if err = conns[host](t.Context()); err == nil || errors.As(err, new(*tls.CertificateVerificationError)) {
				break
			}
		}
		return err
	}
}

// The authorities of Kafka and ClickHouse are replaced while a client runs. It trusts what the file
// has at that time, and goes on verifying the host, be it a name or an IP address. A file that
// turns bad changes nothing.
func TestAuthoritiesAreReplaced(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, caFile string) (*secured, asker){
		"kafka": func(t *testing.T, caFile string) (*secured, asker) {
			s, addr := securedKafka(t)
			return s, kafkaAsker(t, addr, caFile)
		},
		"clickhouse": func(t *testing.T, caFile string) (*secured, asker) {
			s, addr, plain := securedEngine(t)
			return s, engineAsker(t, addr, plain, caFile)
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, second, other := newAuthority(t, "first"), newAuthority(t, "second"), newAuthority(t, "other")
			file := filepath.Join(t.TempDir(), "ca.pem")
			write(t, file, first.PEM)
			server, ask := start(t, file)
			untrusted := func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }
			misnamed := func(err error) bool { return errors.As(err, new(x509.HostnameError)) }
			trusts := func(a *certtest.Authority) {
				t.Helper()
				server.serves(issue(t, a, "127.0.0.1", "localhost"))
				for _, host := range []string{"127.0.0.1", "localhost"} {
					if err := ask(t, host); err != nil {
						t.Errorf("%s is refused: %v", host, err)
					}
				}
			}
			refuses := func(certificate *tls.Certificate, host string, why func(error) bool) {
				t.Helper()
				server.serves(certificate)
				if err := ask(t, host); !why(err) {
					t.Errorf("%s is asked: %v", host, err)
				}
			}
			trusts(first)
			refuses(issue(t, second, "127.0.0.1", "localhost"), "127.0.0.1", untrusted)

			write(t, file, first.PEM+second.PEM)
			server.serves(issue(t, second, "127.0.0.1", "localhost"))
			eventually(t, "the second authority is trusted", func() bool {
				return ask(t, "127.0.0.1") == nil && ask(t, "localhost") == nil
			})
			trusts(first)
			trusts(second)

			write(t, file, second.PEM)
			server.serves(issue(t, first, "127.0.0.1", "localhost"))
			eventually(t, "the first authority is not trusted", func() bool {
				server.serves(server.certificate.Load()) // no connection from before
				return untrusted(ask(t, "127.0.0.1")) && untrusted(ask(t, "localhost"))
			})
			trusts(second)
			refuses(issue(t, first, "127.0.0.1", "localhost"), "localhost", untrusted)
			refuses(issue(t, other, "127.0.0.1", "localhost"), "127.0.0.1", untrusted)
			refuses(issue(t, second, "127.0.0.2", "localhost"), "127.0.0.1", misnamed)
			refuses(issue(t, second, "127.0.0.1", "elsewhere"), "localhost", misnamed)

			for what, spoil := range map[string]func(){
				"empty":       func() { write(t, file, "") },
				"not PEM":     func() { write(t, file, "no certificate") },
				"only a part": func() { write(t, file, second.PEM+other.PEM[:200]) },
				"gone":        func() { _ = os.Remove(file) },
			} {
				spoil()
				// the client looks at the file once a second, when it is asked
				for until := time.Now().Add(renewalAge * 3 / 2); time.Now().Before(until); <-time.After(renewalAge / 4) {
					trusts(second)
				}
				if t.Failed() {
					t.Fatalf("with a file that is %s", what)
				}
			}
			refuses(issue(t, other, "127.0.0.1", "localhost"), "127.0.0.1", untrusted)

			write(t, file, other.PEM)
			eventually(t, "the file is read again", func() bool { return ask(t, "127.0.0.1") == nil })
		})
	}
}

// While ingest runs, Kafka and ClickHouse change over to another authority. Ingest goes on, and
// stores each event once; its metrics say when the authorities end, and its log names a file that
// it cannot read.
func TestIngestGoesOnWhileAuthoritiesAreReplaced(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	dir := t.TempDir()
	files := map[string]string{
		"kafka": filepath.Join(dir, "kafka.pem"), "clickhouse": filepath.Join(dir, "clickhouse.pem"),
	}
	trust := func(pem string) {
		for _, file := range files {
			write(t, file, pem)
		}
	}
	trust(first.PEM)
	broker, brokerAddr := securedKafka(t)
	engine, engineAddr, plain := securedEngine(t)
	serve := func(a *certtest.Authority) {
		broker.serves(issue(t, a, "127.0.0.1"))
		engine.serves(issue(t, a, "127.0.0.1"))
	}
	serve(first)
	clickhouse := []string{
		"--clickhouse-url", "https://default@" + engineAddr + parsed(t, plain.URL).Path, "--clickhouse-ca-file", files["clickhouse"],
	}
	if code, _, stderr := call(t, "", concat([]string{"migrate"}, clickhouse)...); code != ok {
		t.Fatal(stderr)
	}
	admin := processtest.FreeAddr(t)
	ctx, stop := context.WithCancel(context.Background())
	var log safeBuffer
	done := make(chan int, 1)
	args := concat([]string{"ingest", "--admin-addr", admin, "--kafka-brokers", brokerAddr, "--kafka-topics",
		"usage.messages", "--kafka-ca-file", files["kafka"], "--secret-file", secretFile(t, serviceSecret)}, clickhouse)
	go func() { done <- run(ctx, args, streams{in: strings.NewReader(""), out: &log, err: &log}) }()
	defer func() {
		stop()
		if code := <-done; code != ok {
			t.Errorf("exit code %d, log %s", code, log.String())
		}
	}()

	conn, err := tables.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	both, produced := certPool(first, second), 0
	produceAndFind := func() {
		t.Helper()
		w := &kafka.Writer{
			Addr: kafka.TCP(brokerAddr), Topic: "usage.messages", BatchTimeout: time.Millisecond,
			Transport: &kafka.Transport{TLS: &tls.Config{RootCAs: both}},
		}
		defer w.Close()
		produced++
		if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte(fmt.Sprintf(`{"specversion":"1.0","id":"%d",`+
			`"source":"test","type":"usage.message.v1","time":%q,"data":{"org_id":"acme","user_id":"ann","channel":"chat"}}`,
			produced, time.Now().UTC().Format(time.RFC3339Nano)))}); err != nil {
			t.Fatal(err)
		}
		var n uint64
		eventually(t, fmt.Sprintf("%d events are stored", produced), func() bool {
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM events FINAL").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n >= uint64(produced)
		})
		if n != uint64(produced) {
			t.Errorf("%d events are stored, not %d", n, produced)
		}
	}
	metrics := func() string {
		response, err := http.Get("http://" + admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	produceAndFind()
	trust(first.PEM + second.PEM)
	serve(second)
	produceAndFind()
	trust(second.PEM)
	serve(second)
	produceAndFind()

	for server := range files {
		want := fmt.Sprintf(`rollcall_certificate_expiry_timestamp_seconds{setting="%s-ca-file"} %v`, server,
			float64(second.End().Unix()))
		if text := metrics(); !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s: %s", want, text)
		}
	}
	trust("no certificate")
	metrics()
	metrics()
	serve(second)
	produceAndFind()
	trust(second.PEM)
	metrics()
	for server := range files {
		for _, says := range []string{"the certificate cannot be read", "the certificate can be read again"} {
			n := 0
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, says) && strings.Contains(line, `"setting":"`+server+`-ca-file"`) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d lines of %s say %q: %s", n, server, says, log.String())
			}
		}
	}
}

func certPool(all ...*certtest.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range all {
		pool.AppendCertsFromPEM([]byte(a.PEM))
	}
	return pool
}
