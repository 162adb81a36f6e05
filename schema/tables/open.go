package tables

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say how to reach ClickHouse. Only URL is required.
type Options struct {
	URL      string // http(s)://user@host:8123/database
	Password string // in place of the one in the URL
	// the password at the time of a request, where it may change; nil: it does not
	PasswordNow func() string
	// the TLS of a new connection, for https; nil: the system's certificates. It returns the same
	// pointer until the configuration changes
	TLS      func() *tls.Config
	MaxConns int           // at most this many connections; default 16
	Timeout  time.Duration // until an answer's first byte; default 5 min

	Failures *Failures // counts failed statements; nil: nothing is counted

	Cluster  string // the cluster's name in the servers' remote_servers; "": one server
	Replicas int    // with Cluster: replicas per shard; an insert is acknowledged when so many have it
	shard    bool   // see OnShard
}

// Open connects to the database that the URL names. It does not talk to the server yet.
func Open(o Options) (driver.Conn, error) {
	opt, err := o.client()
	if err != nil {
		return nil, err
	}
	return connect(opt, o.Failures)
}

// address parses and checks the URL, and returns the database that it names.
func (o Options) address() (u *url.URL, database string, err error) {
	u, err = url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
		return nil, "", fmt.Errorf("the ClickHouse URL must look like http://user@host:8123/rollcall (https for TLS)")
	}
	database = strings.Trim(u.Path, "/")
	if database == "" || strings.Contains(database, "/") {
		return nil, "", fmt.Errorf("the ClickHouse URL must end with a database, like http://user@host:8123/rollcall")
	}
	return u, database, nil
}

func (o Options) client() (*clickhouse.Options, error) {
	u, database, err := o.address()
	if err != nil {
		return nil, err
	}
	with := settings
	if c, err := o.cluster(); err != nil {
		return nil, err
	} else if c != nil {
		if o.shard {
			database = c.local()
		}
		with = clusterSettings(o.Replicas)
		maps.Copy(with, settings)
	}
	password, _ := u.User.Password()
	if o.Password != "" {
		password = o.Password
	}
	user := u.User.Username()
	if user == "" {
		user = "default"
	}
	opt := &clickhouse.Options{
		Protocol:     clickhouse.HTTP,
		Addr:         []string{u.Host},
		Auth:         clickhouse.Auth{Database: database, Username: user, Password: password},
		Settings:     with,
		MaxOpenConns: max(o.MaxConns, 16),
		MaxIdleConns: max(o.MaxConns, 16),
		ReadTimeout:  o.Timeout,
	}
	opt.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) {
		var to transport = t
		if o.TLS != nil && u.Scheme == "https" {
			to = &renewedTLS{current: o.TLS, config: t.TLSClientConfig, to: t}
		}
		if o.PasswordNow != nil {
			to = passwords{to, o.PasswordNow}
		}
		return forms{to}, nil
	}
	if opt.ReadTimeout == 0 {
		opt.ReadTimeout = 5 * time.Minute
	}
	if u.Scheme == "https" {
		opt.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.TLS != nil {
			opt.TLS = o.TLS()
		}
	}
	return opt, nil
}
