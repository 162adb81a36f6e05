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

// ClusterName is the cluster that Cluster's engine knows.
const ClusterName = "prod"

// clusterConfig has two shards, both of which are this engine: nobody listens on the port, by which
// the engine knows itself. So what a statement reads of two shards instead of one it reads twice,
// and a test that counts sees it.
const clusterConfig = `<clickhouse>
<tcp_port>19000</tcp_port>
<remote_servers><prod>
<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>19000</port></replica></shard>
<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>19000</port></replica></shard>
</prod></remote_servers>
</clickhouse>`

// Cluster gives a database that was migrated as a cluster's, on an engine of the test's own:
// Distributed tables over two shards. The engine has no keeper, so what passes to it loses ON
// CLUSTER, and tables their replication; all else is as it would be.
func Cluster(t testing.TB) tables.Options {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.xml")
	if err := os.WriteFile(config, []byte(clusterConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(withoutKeeper(Start(t, Options{Dir: dir, Config: config}).URL))
	t.Cleanup(proxy.Close)
	o := tables.Options{
		URL: strings.Replace(proxy.URL, "http://", "http://default@", 1) + "/rollcall", Cluster: ClusterName, Replicas: 1,
	}
	if _, err := tables.Migrate(context.Background(), o); err != nil {
		t.Fatalf("migrate a test cluster: %v", err)
	}
	return o
}

var replication = regexp.MustCompile(`Replicated((?:Replacing)?MergeTree)\('[^']*', '[^']*'(?:, (\w+))?\)`)

// WithoutKeeper takes out of a statement what needs one.
func WithoutKeeper(statement string) string {
	return replication.ReplaceAllString(strings.ReplaceAll(statement, " ON CLUSTER `"+ClusterName+"`", ""), "$1($2)")
}

func withoutKeeper(engine string) http.Handler {
	to, _ := url.Parse(engine)
	return &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		body := bufio.NewReader(r.In.Body)
		start, _ := body.Peek(7)
		if word, _, _ := strings.Cut(string(start), " "); word != "CREATE" && word != "ALTER" && word != "DELETE" {
			r.Out.Body = io.NopCloser(body)
			return
		}
		statement, _ := io.ReadAll(body)
		statement = []byte(WithoutKeeper(string(statement)))
		r.Out.Body = io.NopCloser(bytes.NewReader(statement))
		r.Out.ContentLength = int64(len(statement))
	}}
}
