package main

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificates reports when the certificates and the authorities of a process end. It reads their
// files anew whenever the metrics are read, and so also says in the log when a replaced file cannot
// be used.
type certificates struct {
	ends *prometheus.GaugeVec
	log  *slog.Logger

	mu      sync.Mutex
	watched map[string]certificateFile // by flag
	useless map[string]time.Time       // flag → since when the file cannot be read
}

// A certificateFile is the file of a setting. end reads when the certificate in it ends.
type certificateFile struct {
	name string
	end  func() (time.Time, error)
}

func newCertificates(log *slog.Logger) *certificates {
	return &certificates{
		ends: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_certificate_expiry_timestamp_seconds",
			Help: "Unix time at which the certificate of a setting ends; of several authorities in a file, the last one. " +
				"A replaced file counts at once.",
		}, []string{"setting"}),
		log: log, watched: map[string]certificateFile{}, useless: map[string]time.Time{},
	}
}

// watch adds a certificate. It does nothing if the setting names no file.
func (c *certificates) watch(setting, cert, key string) {
	if cert != "" {
		c.watched[setting] = certificateFile{cert, func() (time.Time, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return time.Time{}, err
			}
			return pair.Leaf.NotAfter, nil
		}}
	}
}

// watchAuthorities adds the authorities of a --*-ca-file. It does nothing if the setting names no
// file.
func (c *certificates) watchAuthorities(setting, file string) {
	if file != "" {
		c.watched[setting] = certificateFile{file, func() (time.Time, error) {
			all, err := readAuthorities(file)
			return all.end(), err
		}}
	}
}

func (c *certificates) Describe(to chan<- *prometheus.Desc) { c.ends.Describe(to) }

func (c *certificates) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for setting, file := range c.watched {
		end, err := file.end()
		since, failed := c.useless[setting]
		switch {
		case err == nil:
			c.ends.WithLabelValues(setting).Set(float64(end.Unix()))
			if failed {
				delete(c.useless, setting)
				c.log.Info("the certificate can be read again", "setting", setting, "after", time.Since(since).Round(time.Second))
			}
		case !failed:
			c.useless[setting] = time.Now()
			c.log.Error("the certificate cannot be read; the one before stays in use until it ends: put a certificate there, "+
				"and its key beside it if it is not an authority", "setting", setting, "file", file.name, "error", err)
		}
	}
	c.ends.Collect(to)
}
