package main

import (
	"context"
	"log/slog"
	"time"

	"rollcall/export"
)

type exportCommand struct {
	clickhouseFlags `embed:""`
	secretFlags     `embed:""`
	adminFlags      `embed:""`
	exportFlags     `embed:""`
}

// exportFlags are the flags that only export has.
type exportFlags struct {
	HTTPAddr            string        `name:"http-addr" help:"Where exports are served." default:"127.0.0.1:8080"`
	PublicURL           string        `name:"public-url" help:"The address that clients use, for download links; by default the one they called." placeholder:"URL"`
	HTTPCertFile        string        `name:"http-cert-file" help:"PEM certificate, to serve TLS." type:"path" placeholder:"FILE"`
	HTTPKeyFile         string        `name:"http-key-file" help:"PEM key of the certificate." type:"path" placeholder:"FILE"`
	RatePerMinute       int           `help:"Requests per minute and key; more are answered 429. Each process counts for itself." default:"${rate_per_minute}"`
	MaxConnections      int           `help:"Connections at the same time, of all clients; further requests wait until one ends." default:"4096"`
	MaxConcurrentPerOrg int           `help:"Queries of one workspace at the same time; more are answered 429. Each process counts for itself." default:"${max_concurrent_per_org}"`
	MaxConcurrent       int           `help:"Queries of all workspaces at the same time; more are answered 429. Each process counts for itself." default:"${max_concurrent}"`
	FirstByteTimeout    time.Duration `help:"An export that has not begun after this long, like 50s, is answered 503, so that nobody waits for an engine that is frozen. Longer lets larger exports be read from the log; keep it below the time of the proxies in front." default:"${first_byte_timeout}"`
}

func (c *exportCommand) Run(ctx context.Context, log *slog.Logger) error {
	s, err := newService(ctx, "export", c.traceFlags, log)
	if err != nil {
		return err
	}
	if err := c.addTo(ctx, s); err != nil {
		return err
	}
	return s.run(ctx, c.AdminAddr)
}

// addTo makes the export service a part of s and starts to listen. Clients are told to come back
// while the service waits for ClickHouse.
func (c *exportCommand) addTo(ctx context.Context, s *service) error {
	if err := c.exportFlags.check(); err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	s.certs.watch("clickhouse-cert-file", c.ClickhouseCertFile, c.ClickhouseKeyFile)
	s.certs.watchAuthorities("clickhouse-ca-file", c.ClickhouseCAFile)
	s.certs.watch("http-cert-file", c.HTTPCertFile, c.HTTPKeyFile)
	if _, err := c.given(); err != nil {
		return err
	}
	config := c.exportFlags.config(nil)
	config.Traces = s.traces
	if err := config.Check(); err != nil {
		return settingsError{err}
	}
	var handler lateHandler
	handler.become(export.Waiting())
	s.add(ctx, "export", &awaited{
		needs: needs{o, &c.secretFlags},
		begin: func(secret []byte) (part, error) {
			config.Secret = secret
			e, err := export.New(config, o, s.log, s.reg)
			if err == nil {
				handler.become(e.Handler())
			}
			return e, err
		},
	})
	return s.serve(c.HTTPAddr, guarded(&handler), c.MaxConnections, c.HTTPCertFile, c.HTTPKeyFile)
}

// check checks the settings that export.New does not take.
func (f exportFlags) check() error {
	if f.MaxConnections < 1 {
		return badSetting("--max-connections: at least one connection must be allowed, not %d", f.MaxConnections)
	}
	return nil
}

// config returns the settings that export.New takes.
func (f exportFlags) config(secret []byte) export.Config {
	return export.Config{
		PublicURL: f.PublicURL, Secret: secret, RatePerMinute: f.RatePerMinute, MaxConcurrentPerOrg: f.MaxConcurrentPerOrg,
		MaxConcurrent: f.MaxConcurrent, FirstByteTimeout: f.FirstByteTimeout,
	}
}
