package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall/schema/tables"
)

// ClusterName is the name of the cluster on Cluster's engine.
const ClusterName = "prod"

// ClusterConfig is the part of a configuration file that ClusterOn needs. It has two shards, and
// both are this engine. Nobody listens on the port; the engine recognizes itself by it. A statement
// that reads two shards instead of one reads every row twice, so a test that counts rows notices
// it.
const ClusterConfig = `
<tcp_port>19000</tcp_port>
<remote_servers><prod>
<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>19000</port></replica></shard>
<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>19000</port></replica></shard>
</prod></remote_servers>
<macros><shard>1</shard></macros>
`

// Cluster returns a database that was migrated as a cluster's, with Distributed tables over two
// shards, on an engine of the test's own. The engine has no keeper. So a proxy in front of it
// removes ON CLUSTER from statements, and replication from tables. Everything else is as in a real
// cluster.
func Cluster(t testing.TB) tables.Options {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.xml")
	if err := os.WriteFile(config, []byte("<clickhouse>"+ClusterConfig+"</clickhouse>"), 0o600); err != nil {
		t.Fatal(err)
	}
	return ClusterOn(t, Start(t, Options{Dir: dir, Config: config}))
}

// ClusterOn is Cluster on an engine whose configuration has the cluster.
func ClusterOn(t testing.TB, engine *Server) tables.Options {
	t.Helper()
	o := ClusterOptions(t, engine)
	if _, err := tables.Migrate(context.Background(), o); err != nil {
		t.Fatalf("migrate a test cluster: %v", err)
	}
	return o
}

// ClusterOptions is ClusterOn before the database is migrated.
func ClusterOptions(t testing.TB, engine *Server) tables.Options {
	t.Helper()
	proxy := httptest.NewServer(withoutKeeper(engine.URL))
	t.Cleanup(proxy.Close)
	return tables.Options{
		URL: strings.Replace(proxy.URL, "http://", "http://default@", 1) + "/rollcall", Cluster: ClusterName, Replicas: 1,
	}
}

var replication = regexp.MustCompile(`Replicated((?:Replacing)?MergeTree)\('[^']*', '[^']*'(?:, (\w+))?\)`)

// WithoutKeeper removes from a statement what needs a keeper.
func WithoutKeeper(statement string) string {
	return replication.ReplaceAllString(strings.ReplaceAll(statement, " ON CLUSTER `"+ClusterName+"`", ""), "$1($2)")
}

func withoutKeeper(engine string) http.Handler {
	to, _ := url.Parse(engine)
	return &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		body := bufio.NewReader(r.In.Body)
		start, _ := body.Peek(7)
		word, _, _ := strings.Cut(string(start), " ")
		form := strings.HasPrefix(r.In.Header.Get("Content-Type"), "multipart/form-data") // has a statement in it
		if !form && word != "CREATE" && word != "ALTER" && word != "DELETE" {
			r.Out.Body = io.NopCloser(body)
			return
		}
		statement, _ := io.ReadAll(body)
		statement = []byte(WithoutKeeper(string(statement)))
		r.Out.Body = io.NopCloser(bytes.NewReader(statement))
		r.Out.ContentLength = int64(len(statement))
	}}
}
