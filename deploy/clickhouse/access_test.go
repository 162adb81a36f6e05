package clickhouse

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// A role is what users.sql grants and sets for one role.
type role struct {
	grants  []string          // GRANT … ON …, without TO
	profile map[string]string // setting → value
	fixed   []string          // settings that statements may not change
	config  string            // more of the server's configuration
}

var (
	commentLine = regexp.MustCompile(`(?m)--.*$`)
	grant       = regexp.MustCompile(`(?s)^(GRANT .+ ON \S+) TO (.+)$`)
	profile     = regexp.MustCompile(`(?s)^CREATE SETTINGS PROFILE IF NOT EXISTS \w+ SETTINGS\s+(.+)\s+TO (\w+)$`)
)

// readRoles parses users.sql, and cluster.sql after it. A statement that is neither a role, a grant
// nor a profile is an error, so that the tests miss nothing of the files.
func readRoles(t *testing.T, files ...string) (statements []string, roles map[string]*role) {
	t.Helper()
	var text []byte
	for _, file := range files {
		more, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, more...)
	}
	roles = map[string]*role{}
	of := func(names string, change func(*role)) {
		for _, name := range strings.Split(names, ",") {
			name = strings.TrimSpace(name)
			if roles[name] == nil {
				roles[name] = &role{profile: map[string]string{}}
			}
			change(roles[name])
		}
	}
	for _, s := range strings.Split(commentLine.ReplaceAllString(string(text), ""), ";\n") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		statements = append(statements, s)
		if m := grant.FindStringSubmatch(s); m != nil {
			of(m[2], func(r *role) { r.grants = append(r.grants, m[1]) })
		} else if m := profile.FindStringSubmatch(s); m != nil {
			for _, setting := range strings.Split(m[1], ",") {
				name, value, _ := strings.Cut(setting, "=")
				of(m[2], func(r *role) { r.profile[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), "'") })
			}
		} else if !strings.HasPrefix(s, "CREATE ROLE IF NOT EXISTS ") {
			t.Fatalf("there is a statement that this test does not know: %s", s)
		}
	}
	return statements, roles
}

// A server is a ClickHouse whose only user has one role. The embedded engine does not keep users
// that SQL makes. So the role's grants and profile are written into a configuration file as those
// of its user, and ClickHouse itself then checks what the user may do. The grants on system tables
// are the exception: a server checks them, the embedded engine does not.
type server struct {
	*testing.T
	*enginetest.Server
	options tables.Options
	conn    driver.Conn
	shard   driver.Conn // to the shard's own tables; without a cluster, as conn
}

func serve(t *testing.T, dir string, r *role) *server {
	t.Helper()
	s := &server{T: t, Server: enginetest.Start(t, enginetest.Options{Dir: dir, Config: r.file(t)})}
	s.options = tables.Options{URL: strings.Replace(s.URL, "http://", "http://default@", 1) + "/rollcall"}
	if strings.Contains(r.config, "remote_servers") {
		s.options = enginetest.ClusterOptions(t, s.Server)
	}
	var err error
	if s.conn, err = tables.Open(s.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	if s.shard, err = tables.Open(s.options.OnShard()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.shard.Close() })
	return s
}

// file writes the configuration.
func (r *role) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.xml")
	var grants, settings strings.Builder
	// The embedded engine needs KILL QUERY to end a query whose client has gone.
	for _, g := range append(slices.Clone(r.grants), "GRANT KILL QUERY ON *.*") {
		fmt.Fprintf(&grants, "<query>%s</query>", escaped(g))
	}
	for name, value := range r.profile {
		fmt.Fprintf(&settings, "<%s>%s</%[1]s>", name, escaped(value))
	}
	if len(r.fixed) > 0 {
		fmt.Fprintf(&settings, "<constraints>")
		for _, name := range r.fixed {
			fmt.Fprintf(&settings, "<%s><const/></%[1]s>", name)
		}
		fmt.Fprintf(&settings, "</constraints>")
	}
	text := fmt.Sprintf(`<clickhouse>
<user_directories><users_xml><path>%s</path></users_xml></user_directories>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>role</profile><quota>default</quota><grants>%s</grants></default></users>
<profiles><default/><role>%s</role></profiles><quotas><default/></quotas>
%s</clickhouse>`, path, grants.String(), settings.String(), r.config)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// refuses fails the test unless ClickHouse denies the role these statements.
func (s *server) refuses(statements ...string) {
	s.Helper()
	for _, statement := range statements {
		err := s.conn.Exec(context.Background(), statement)
		if exception, is := errorOf(err); !is || exception.Code != 497 { // ACCESS_DENIED
			s.Errorf("%s: %v; it must be denied", statement, err)
		}
	}
}
