package main

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificates reports when the certificates of a process end. It reads their files anew whenever
// the metrics are read, and so also says in the log when a replaced file cannot be used.
type certificates struct {
	ends *prometheus.GaugeVec
	log  *slog.Logger

	mu      sync.Mutex
	pairs   map[string][2]string // flag → files of the certificate and its key
	useless map[string]time.Time // flag → since when the files cannot be read
}

func newCertificates(log *slog.Logger) *certificates {
	return &certificates{
		ends: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_certificate_expiry_timestamp_seconds",
			Help: "Unix time at which the certificate of a setting ends. A replaced file counts at once.",
		}, []string{"setting"}),
		log: log, pairs: map[string][2]string{}, useless: map[string]time.Time{},
	}
}

// watch adds a certificate. It does nothing if the setting names no file.
func (c *certificates) watch(setting, cert, key string) {
	if cert != "" {
		c.pairs[setting] = [2]string{cert, key}
	}
}

func (c *certificates) Describe(to chan<- *prometheus.Desc) { c.ends.Describe(to) }

func (c *certificates) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for setting, files := range c.pairs {
		pair, err := tls.LoadX509KeyPair(files[0], files[1])
		since, failed := c.useless[setting]
		switch {
		case err == nil:
			c.ends.WithLabelValues(setting).Set(float64(pair.Leaf.NotAfter.Unix()))
			if failed {
				delete(c.useless, setting)
				c.log.Info("the certificate can be read again", "setting", setting, "after", time.Since(since).Round(time.Second))
			}
		case !failed:
			c.useless[setting] = time.Now()
			c.log.Error("the certificate cannot be read; the one before stays in use until it ends: put a certificate and its key there",
				"setting", setting, "file", files[0], "error", err)
		}
	}
	c.ends.Collect(to)
}
