package ingest

import (
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"rollcall/deploy/test/certtest"
	"rollcall/ingest/kafka"
)

// Ingest joins its group, fetches and commits over TLS with a client certificate, and with each
// SASL mechanism. With a wrong password it does not.
func TestTLSAndSASL(t *testing.T) {
	certificate, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mechanism, kfake, password string
		tls                              bool
		joins                            bool
	}{
		{"mTLS", "none", "", "", true, true},
		{"plain", "plain", "PLAIN", "right", false, true},
		{"scram-sha-256", "scram-sha-256", "SCRAM-SHA-256", "right", false, true},
		{"scram-sha-512 over mTLS", "scram-sha-512", "SCRAM-SHA-512", "right", true, true},
		{"plain with a wrong password", "plain", "PLAIN", "wrong", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "usage.messages")}
			h := newDatabase(t)
			h.connect([]string{"usage.messages"}, "127.0.0.1:0")
			if c.tls {
				options = append(options, kfake.TLS(certificate.Server()))
				h.config.TLS = certificate.Client
			}
			if c.kfake != "" {
				options = append(options, kfake.EnableSASL(), kfake.Superuser(c.kfake, "rollcall", "right"))
			}
			cluster, err := kfake.NewCluster(options...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			h.config.Brokers = cluster.ListenAddrs()
			if h.config.SASL, err = SASL(c.mechanism, "rollcall", c.password); err != nil {
				t.Fatal(err)
			}
			m := h.start()
			if !c.joins {
				h.eventually("it is refused", func() bool { return m.metric("retries_total", "step=fetch") >= 3 })
				if m.ingest.Ready(t.Context()) == nil {
					t.Error("it is ready nevertheless")
				}
				return
			}
			w := &kafkago.Writer{Addr: kafkago.TCP(h.config.Brokers...), Topic: "usage.messages", BatchTimeout: time.Millisecond,
				Transport: &kafkago.Transport{Dial: kafka.Dial(h.config.TLS), SASL: h.config.SASL}}
			t.Cleanup(func() { w.Close() })
			if err := w.WriteMessages(t.Context(), kafkago.Message{Value: []byte(message("a", "ann", time.Now()))}); err != nil {
				t.Fatal(err)
			}
			h.stored(1)
			h.eventually("no lag", func() bool { return m.ingest.Ready(t.Context()) == nil && m.metric("lag_records") == 0 })
		})
	}
}

func TestUnknownSASLMechanism(t *testing.T) {
	if _, err := SASL("kerberos", "u", "p"); err == nil {
		t.Error("an unknown mechanism was accepted")
	}
}
