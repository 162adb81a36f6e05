package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/certtest"
	"rollcall/deploy/test/processtest"
)

// replace puts the files of a certificate in place of another's.
func replace(t *testing.T, old, by *certtest.Certificate) {
	t.Helper()
	for to, from := range map[string]string{old.CertFile: by.CertFile, old.KeyFile: by.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually asks until it is so, for a minute at most.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// While the export runs, its certificate and its password of ClickHouse are replaced. It uses the
// new ones, and its metrics say when the certificate ends. Files that hold no certificate change
// nothing but the log.
func TestRenewalWithoutARestart(t *testing.T) {
	engine := newCertificate(t)
	served := newCertificate(t)
	var password atomic.Value
	password.Store(clickhousePassword)
	passwordFile := secretFile(t, clickhousePassword)
	address := engineOverTLS(t, engine, func() string { return password.Load().(string) })
	access := concat([]string{"--clickhouse-url", address, "--clickhouse-password-file", passwordFile},
		certificateFlags("clickhouse", engine))
	if code, _, stderr := call(t, "", concat([]string{"migrate"}, access)...); code != ok {
		t.Fatal(stderr)
	}
	addr := processtest.FreeAddr(t)
	admin := processtest.FreeAddr(t)
	ctx, stop := context.WithCancel(context.Background())
	var log safeBuffer
	done := make(chan int, 1)
	args := concat([]string{"export", "--http-addr", addr, "--admin-addr", admin, "--http-cert-file", served.CertFile,
		"--http-key-file", served.KeyFile, "--secret-file", secretFile(t, serviceSecret)}, access)
	go func() { done <- run(ctx, args, streams{in: strings.NewReader(""), out: &log, err: &log}) }()
	defer func() {
		stop()
		if code := <-done; code != ok {
			t.Errorf("exit code %d, log %s", code, log.String())
		}
	}()
	answers := func(c *certtest.Certificate, status int) bool {
		client := http.Client{
			Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Pool}},
		}
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + addr + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == status
	}
	eventually(t, "the export is ready", func() bool { return answers(served, http.StatusOK) })

	next := newCertificate(t)
	replace(t, served, next)
	eventually(t, "the new certificate is served", func() bool { return answers(next, http.StatusOK) })

	password.Store("pw-next")
	eventually(t, "the old password is refused", func() bool { return answers(next, http.StatusServiceUnavailable) })
	if err := os.WriteFile(passwordFile, []byte("pw-next\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new password is used", func() bool { return answers(next, http.StatusOK) })

	if err := os.WriteFile(served.CertFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
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
	metrics()
	if !strings.Contains(log.String(), "the certificate cannot be read") || !answers(next, http.StatusOK) {
		t.Errorf("with a file that is no certificate: %s", log.String())
	}
	replace(t, served, newCertificate(t))
	if text := metrics(); !strings.Contains(text, `rollcall_certificate_expiry_timestamp_seconds{setting="http-cert-file"}`) ||
		!strings.Contains(text, `rollcall_certificate_expiry_timestamp_seconds{setting="clickhouse-cert-file"}`) {
		t.Errorf("the metrics have no end of a certificate: %s", text)
	}
	if !strings.Contains(log.String(), "the certificate can be read again") {
		t.Errorf("the log does not say that the certificate can be read again: %s", log.String())
	}
}

// A key without its certificate, or the other way round, must not be served as plain text.
func TestHalfACertificate(t *testing.T) {
	c := newCertificate(t)
	for _, half := range [][]string{{"--http-key-file", c.KeyFile}, {"--http-cert-file", c.CertFile}} {
		code, _, stderr := call(t, "", concat([]string{"export", "--clickhouse-url", enginetest.Database(t).URL,
			"--http-addr", processtest.FreeAddr(t), "--admin-addr", processtest.FreeAddr(t)}, half)...)
		if code != badSettings || !strings.Contains(stderr, "--http-key-file") {
			t.Errorf("%s: exit code %d, says %q", half[0], code, stderr)
		}
	}
}

// A client presents the certificate that its files hold when it is asked for one, and signs in to
// Kafka with the password of then.
func TestClientsUseRenewedFiles(t *testing.T) {
	old := newCertificate(t)
	flags := kafkaFlags{
		KafkaSASL: "plain", KafkaUser: "u", KafkaPasswordFile: secretFile(t, "pw-old"),
		KafkaCAFile: old.CertFile, KafkaCertFile: old.CertFile, KafkaKeyFile: old.KeyFile,
	}
	conf, mechanism, err := flags.security()
	if err != nil {
		t.Fatal(err)
	}
	presented := func() string {
		pair, err := conf().GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(pair.Certificate[0])
	}
	signsIn := func() string {
		_, first, err := mechanism.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(first)
	}
	before := presented()
	if !strings.Contains(signsIn(), "pw-old") {
		t.Errorf("signs in with %q", signsIn())
	}
	replace(t, old, newCertificate(t))
	if err := os.WriteFile(flags.KafkaPasswordFile, []byte("pw-new"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate is presented", func() bool { return presented() != before })
	eventually(t, "the new password is used", func() bool { return strings.Contains(signsIn(), "pw-new") })
}
