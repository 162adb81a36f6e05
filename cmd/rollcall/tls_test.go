package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/certtest"
	"rollcall/deploy/test/processtest"
)

func newCertificate(t *testing.T) *certtest.Certificate {
	t.Helper()
	c, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// engineOverTLS is the tests' engine behind TLS, like a ClickHouse server behind TLS. It demands a
// client certificate, and the password in an HTTP header.
func engineOverTLS(t *testing.T, c *certtest.Certificate, password func() string) (url string) {
	t.Helper()
	target, name, _ := strings.Cut(strings.TrimPrefix(enginetest.Database(t).URL, "http://default@"), "/")
	proxy := httputil.NewSingleHostReverseProxy(parsed(t, "http://"+target))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password() && r.Header.Get("X-ClickHouse-Key") != password() {
			http.Error(w, "Code: 516. DB::Exception: Authentication failed", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	server.TLS, server.Config.ErrorLog = c.Server(), slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "https://", "https://rollcall@", 1) + "/" + name
}

// kafkaOverTLS starts a broker that demands a client certificate and a password. It returns the
// flags that name the broker, without certificates and password.
func kafkaOverTLS(t *testing.T, c *certtest.Certificate, password string) (flags []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "usage.messages"), kfake.TLS(c.Server()),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "rollcall", password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return []string{
		"--kafka-brokers", cluster.ListenAddrs()[0], "--kafka-topics", "usage.messages", "--kafka-sasl", "scram-sha-512",
		"--kafka-user", "rollcall",
	}
}

func certificateFlags(server string, c *certtest.Certificate) []string {
	return []string{
		"--" + server + "-ca-file", c.CertFile, "--" + server + "-cert-file", c.CertFile, "--" + server + "-key-file",
		c.KeyFile,
	}
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// secretFile writes a secret to a file for a flag --*-file.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	clickhousePassword = "pw-clickhouse-7c1f"
	kafkaPassword      = "pw-kafka-93ab"
	serviceSecret      = "secret-0123456789abcdef0123456789abcdef"
)

// With flags, every command reaches ClickHouse over TLS with a client certificate and a password,
// and Kafka over TLS with SCRAM and a client certificate. If one of these is missing or wrong, the
// error names no secret, at any log level.
func TestEverythingOverTLS(t *testing.T) {
	own := newCertificate(t)
	other := newCertificate(t)
	clickhouse := []string{"--clickhouse-url", engineOverTLS(t, own, func() string { return clickhousePassword }),
		"--log-level", "debug"}
	password := []string{"--clickhouse-password-file", secretFile(t, clickhousePassword)}
	kafka := append(kafkaOverTLS(t, own, kafkaPassword), "--secret-file", secretFile(t, serviceSecret))
	right := concat(clickhouse, certificateFlags("clickhouse", own), password)
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"migrate", concat([]string{"migrate"}, right), ok, "the schema is up to date"},
		{"check all", concat([]string{"config", "check"}, right, kafka, certificateFlags("kafka", own),
			[]string{"--kafka-password-file", secretFile(t, kafkaPassword)}), ok, "kafka        ok"},
		{"no authority", concat([]string{"migrate"}, clickhouse, password), failed, "certificate"},
		{"another authority", concat([]string{"migrate"}, clickhouse, certificateFlags("clickhouse", other), password),
			failed, "certificate"},
		// in TLS 1.3 the server may cut the connection while the client writes already
		{"no client certificate", concat([]string{"migrate"}, clickhouse, password,
			[]string{"--clickhouse-ca-file", own.CertFile}), failed, "does not answer"},
		{"no password", concat([]string{"migrate"}, clickhouse, certificateFlags("clickhouse", own)), failed,
			"or the password"},
		{"a wrong password of Kafka", concat([]string{"config", "check"}, right, kafka, certificateFlags("kafka", own),
			[]string{"--kafka-password-file", secretFile(t, "pw-wrong")}), failed, "kafka        failed"},
		{"Kafka without TLS", concat([]string{"config", "check"}, right, kafka,
			[]string{"--kafka-password-file", secretFile(t, kafkaPassword)}), failed, "kafka        failed"},
		{"a password in the URL", []string{
			"migrate", "--clickhouse-url", "http://rollcall:" + clickhousePassword + "@127.0.0.1:1/rollcall",
		}, failed, "127.0.0.1:1"},
		{"a password in a bad URL", []string{
			"migrate", "--clickhouse-url", "ftp://rollcall:" + clickhousePassword + "@127.0.0.1:1/rollcall",
		}, badSettings, "must look like"},
		{"a URL that cannot be read", []string{
			"migrate", "--clickhouse-url", "http://rollcall:" + clickhousePassword + "@127.0.0.1:1x/rollcall",
		}, badSettings, "must look like"},
	} {
		code, out, stderr := call(t, "", c.args...)
		if code != c.code || !strings.Contains(out+stderr, c.says) {
			t.Errorf("%s: exit code %d, %q, %q; want %d and %q", c.name, code, out, stderr, c.code, c.says)
		}
		for _, secret := range []string{clickhousePassword, kafkaPassword, serviceSecret, "pw-wrong"} {
			if strings.Contains(out+stderr, secret) {
				t.Errorf("%s: says %s: %q %q", c.name, secret, out, stderr)
			}
		}
	}
}

func concat(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// The export serves TLS 1.2 and later with the certificate of the files, and nothing without TLS on
// that port. Its log has no secret.
func TestExportServesTLS(t *testing.T) {
	c := newCertificate(t)
	addr := processtest.FreeAddr(t)
	args := []string{"export", "--clickhouse-url", enginetest.Database(t).URL, "--http-addr", addr, "--admin-addr",
		processtest.FreeAddr(t), "--http-cert-file", c.CertFile, "--http-key-file", c.KeyFile,
		"--secret-file", secretFile(t, serviceSecret), "--log-level", "debug"}
	ctx, stop := context.WithCancel(context.Background())
	var log safeBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, streams{in: strings.NewReader(""), out: &log, err: &log}) }()
	get := func(scheme string, most uint16) (*http.Response, error) {
		client := http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Pool, MaxVersion: most}},
		}
		defer client.CloseIdleConnections()
		response, err := client.Get(scheme + "://" + addr + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		return response, err
	}
	for deadline := time.Now().Add(60 * time.Second); ; <-time.After(50 * time.Millisecond) {
		if response, err := get("https", tls.VersionTLS13); err == nil && response.StatusCode == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%v\n%s", err, log.String())
		}
	}
	if _, err := get("https", tls.VersionTLS12); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := get("https", tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is served")
	}
	if response, err := get("http", 0); err == nil && response.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %d", response.StatusCode)
	}
	stop()
	if code := <-done; code != ok || strings.Contains(log.String(), serviceSecret) {
		t.Errorf("exit code %d, log %s", code, log.String())
	}
}
