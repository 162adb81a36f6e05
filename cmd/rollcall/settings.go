package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/alecthomas/kong"

	"rollcall/schema/tables"
)

// logFlags are the flags that every command has.
type logFlags struct {
	LogLevel  string `help:"Least severe level that is logged: ${enum}. debug has a line per batch." enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"auto is text on a terminal and JSON elsewhere: ${enum}." enum:"auto,text,json" default:"auto"`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong has checked it against the enum
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == formatText || f.LogFormat == formatAuto && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// clickhouseFlags say how to reach ClickHouse.
type clickhouseFlags struct {
	ClickhouseURL          string `name:"clickhouse-url" help:"ClickHouse over HTTP: http(s)://user@host:port/database. https speaks TLS." default:"http://127.0.0.1:8123/rollcall"`
	ClickhousePassword     string `help:"Password of the URL's user." placeholder:"PASSWORD"`
	ClickhousePasswordFile string `help:"File that holds the password." type:"path" placeholder:"FILE"`
	ClickhouseCAFile       string `name:"clickhouse-ca-file" help:"PEM certificates that sign the server's, where the system does not know them. A replaced file is read within a second, for new connections." type:"path" placeholder:"FILE"`
	ClickhouseCertFile     string `help:"PEM client certificate, where the server asks for one." type:"path" placeholder:"FILE"`
	ClickhouseKeyFile      string `help:"PEM key of the client certificate." type:"path" placeholder:"FILE"`
	Cluster                string `help:"Name of the ClickHouse cluster over whose shards the tables are spread; every command says the same. Without it, one server holds them." placeholder:"NAME"`
	ClusterReplicas        int    `help:"Replicas of each shard of the cluster: an insert counts as stored when all of them have it." default:"2"`
}

func (f clickhouseFlags) options() (tables.Options, error) {
	password, err := newRenewed(func() (string, error) {
		return secretOf("clickhouse-password", f.ClickhousePassword, f.ClickhousePasswordFile)
	}, filesOf(f.ClickhousePasswordFile)...)
	if err != nil {
		return tables.Options{}, err
	}
	conf, err := clientTLS(f.ClickhouseCAFile, f.ClickhouseCertFile, f.ClickhouseKeyFile)
	if err != nil {
		return tables.Options{}, badSetting("--clickhouse-*-file: %w", err)
	}
	o := tables.Options{
		URL: f.ClickhouseURL, Password: password.get(), TLS: conf, Cluster: f.Cluster, Replicas: f.ClusterReplicas,
	}
	if o.Password != "" {
		o.PasswordNow = password.get
	}
	conn, err := tables.Open(o) // checks the URL and does not connect yet
	if err != nil {
		return tables.Options{}, badSetting("--clickhouse-url: %w", err)
	}
	return o, conn.Close()
}

// connected calls do with a connection and closes it afterwards. It is for commands that only need
// a connection.
func (f clickhouseFlags) connected(do func(driver.Conn) error) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(conn)
}

// secretFlags give the service's secret. Pseudonyms, download links, sessions and the hashes of
// erased persons depend on it, so all processes must have the same secret and it never changes.
// tables.Secret checks that.
type secretFlags struct {
	Secret     string `help:"The service's secret, at least 32 characters, the same for all processes and for good: another one is refused. Without it, one is made and kept in the database." placeholder:"SECRET"`
	SecretFile string `help:"File that holds the secret." type:"path" placeholder:"FILE"`
}

// given returns the secret of the settings, or "".
func (f secretFlags) given() (string, error) {
	given, err := secretOf("secret", f.Secret, f.SecretFile)
	if err == nil && given != "" && len(given) < 32 {
		err = badSetting("the secret has %d characters; give at least 32, for example from `openssl rand -hex 32`",
			len(given))
	}
	return given, err
}

// secret returns the service's secret: the given one, if the database has been used with it, or the
// database's own.
func (f secretFlags) secret(ctx context.Context, o tables.Options) ([]byte, error) {
	given, err := f.given()
	if err != nil {
		return nil, err
	}
	conn, err := tables.Open(o)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return tables.Secret(ctx, conn, []byte(given))
}

// filesOf is a list of the file, or empty if none is named.
func filesOf(file string) []string {
	if file == "" {
		return nil
	}
	return []string{file}
}

// secretOf reads a secret from its flag or file.
func secretOf(name, value, file string) (string, error) {
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", badSetting("--%s and --%s-file are both set; give one", name, name)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", badSetting("--%s-file: %w", name, err)
	}
	value = strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", badSetting("--%s-file: %s is empty", name, file)
	}
	return value, nil
}

// clientTLS returns the TLS of a new connection: the configuration is another one once the file of
// the authorities was replaced. It returns nil if no file is named: then the certificates of the
// system apply.
func clientTLS(ca, cert, key string) (func() *tls.Config, error) {
	if ca == "" && cert == "" && key == "" {
		return nil, nil
	}
	if (cert == "") != (key == "") {
		return nil, fmt.Errorf("a client certificate needs both its certificate and its key file")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cert != "" {
		pair, err := newRenewedCertificate(cert, key)
		if err != nil {
			return nil, err
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(), nil }
	}
	trusting, err := newRenewed(func() (*tls.Config, error) {
		if ca == "" {
			return conf, nil
		}
		all, err := readAuthorities(ca)
		if err != nil {
			return nil, err
		}
		trusting := conf.Clone()
		trusting.RootCAs = all.pool()
		return trusting, nil
	}, filesOf(ca)...)
	if err != nil {
		return nil, err
	}
	return trusting.get, nil
}

// days is a duration that also knows days: 90d, 36h.
type days time.Duration

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

var daysMapper = kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("duration")
	if err != nil {
		return err
	}
	d, err := parseDays(fmt.Sprint(token.Value))
	if err != nil {
		return err
	}
	target.SetInt(int64(d))
	return nil
})

// parseDays reads a duration that may be in days.
func parseDays(text string) (time.Duration, error) {
	if n, isDays := strings.CutSuffix(text, "d"); isDays {
		if count, err := strconv.ParseUint(n, 10, 16); err == nil {
			return time.Duration(count) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration; write it like 90d or 36h", text)
	}
	return d, nil
}
