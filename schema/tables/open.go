package tables

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say how to reach ClickHouse. Only URL is required.
type Options struct {
	URL      string        // http(s)://user@host:8123/database
	Password string        // instead of one in the URL
	TLS      *tls.Config   // for https; nil takes the system's
	MaxConns int           // at most this many connections; default 16
	Timeout  time.Duration // of one answer's first byte; default 5 min

	Cluster  string // its name in the servers' remote_servers; "" is one server
	Replicas int    // with Cluster: of each shard; an insert is acknowledged when so many have it
	shard    bool   // see OnShard
}

// settings are those on which exactness rests; defaults moved in 2025–26, so each is said with every statement.
var settings = clickhouse.Settings{
	"async_insert":       0,         // an acknowledged insert is in the table
	"deduplicate_insert": "disable", // a repeated insert is the log's business, by identity, never by token
	"do_not_merge_across_partitions_select_final": 1, // the day is part of every key
	"optimize_move_to_prewhere_if_final":          0, // a copy that lost must lose before it is filtered
	"enable_shared_storage_snapshot_in_query":     1, // one statement sees one state of each table,
	"optimize_trivial_count_query":                0, // and counts in it: a count taken from the parts' sizes is of a later state
	"optimize_use_implicit_projections":           0, // likewise
	"output_format_json_quote_64bit_integers":     0,
	"session_timezone":                            "UTC",

	// A limit of the user's profile that is reached fails the statement. With 'break', which a profile may say, the result would be short and look whole.
	"read_overflow_mode": "throw", "read_overflow_mode_leaf": "throw", "result_overflow_mode": "throw", "group_by_overflow_mode": "throw",
	"sort_overflow_mode": "throw", "distinct_overflow_mode": "throw", "set_overflow_mode": "throw", "join_overflow_mode": "throw",
	"transfer_overflow_mode": "throw", "timeout_overflow_mode": "throw", "timeout_overflow_mode_leaf": "throw",
}

// Open connects to the database that the URL names. It does not talk to the server yet.
func Open(o Options) (driver.Conn, error) {
	opt, err := o.client()
	if err != nil {
		return nil, err
	}
	return connect(opt)
}

// address is the URL, judged, and the database that it names.
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
	if opt.ReadTimeout == 0 {
		opt.ReadTimeout = 5 * time.Minute
	}
	if u.Scheme == "https" {
		opt.TLS = o.TLS
		if opt.TLS == nil {
			opt.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	return opt, nil
}
