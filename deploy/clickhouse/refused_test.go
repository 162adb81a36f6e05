package clickhouse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/kafkatest"
	"rollcall/export"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/schema/tables"
)

// A lockedLog may be read while a stage writes to it.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// ClickHouse refuses what ingest and export need, for reasons that only an operator can change,
// while both run. Ingest is not ready, does not end, and commits nothing. An export is a 503 whose
// sentence sends the admin to the operator, and whose line in the log says what the operator does.
// Once it is done, each event is in the log once, and exports have them all.
//
// The embedded engine reads rights and profiles when it starts. So it is started again for each
// change, and a proxy keeps its address.
func TestARefusalIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	var address atomic.Pointer[url.URL]
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(address.Load()) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	defer front.Close()
	var now *server
	with := func(r *role) {
		if now != nil {
			now.Stop()
		}
		now = serve(t, dir, r)
		at, err := url.Parse(now.URL)
		if err != nil {
			t.Fatal(err)
		}
		address.Store(at)
	}
	all := &role{grants: []string{"GRANT ALL ON *.*"}}
	with(all)
	if _, err := tables.Migrate(t.Context(), now.options); err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Secret(t.Context(), now.conn, secret); err != nil {
		t.Fatal(err)
	}
	_, key, err := access.OpenKeys(now.conn).Create(t.Context(), "acme", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	options := now.options
	options.URL = strings.Replace(front.URL, "http://", "http://default@", 1) + "/rollcall"

	kafka := kafkatest.Open(t, topic)
	log := &lockedLog{}
	i, err := ingest.New(ingest.Config{
		Brokers: []string{kafka.Addr}, Topics: []string{topic}, Group: t.Name(), Secret: secret,
		BatchAge: 20 * time.Millisecond, FetchWait: 50 * time.Millisecond,
	}, options, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	e, err := export.New(export.Config{Secret: secret, RatePerMinute: 1_000_000}, options,
		slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := map[string]chan error{"ingest": make(chan error, 1), "export": make(chan error, 1)}
	go func() { ended["ingest"] <- i.Run(ctx) }()
	go func() { ended["export"] <- e.Run(ctx) }()
	service := httptest.NewServer(e.Handler())
	defer service.Close()
	defer func() {
		stop()
		for stage, end := range ended {
			if err := <-end; err != nil {
				t.Errorf("%s ended with %v", stage, err)
			}
		}
		if t.Failed() {
			t.Logf("%.20000s", log)
		}
	}()
	produced := 0
	produce := func() {
		produced++
		kafka.Produce(&kgo.Record{Topic: topic, Value: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"t",`+
			`"type":"usage.message.v1","time":%q,"data":{"org_id":"acme","user_id":"ada","channel":"chat"}}`,
			produced, time.Now().UTC().Format(time.RFC3339Nano))})
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !holds(); <-time.After(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited two minutes in vain: %s; ingest says %v, export %v", what, i.Ready(t.Context()),
					e.Ready(t.Context()))
			}
		}
	}
	ask := func() (response *http.Response, detail string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			service.URL+"/v1/exports/users?range=this_month", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		response, err = http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var problem struct{ Detail string }
		_ = json.Unmarshal(body, &problem) // an export is CSV
		return response, problem.Detail
	}
	exact := func() {
		t.Helper()
		eventually("all is committed, and both are ready", func() bool {
			return kafka.Committed(t.Name(), topic)[0] == int64(produced) && i.Ready(t.Context()) == nil &&
				e.Ready(t.Context()) == nil
		})
		if n := now.count("SELECT count() FROM events FINAL"); n != uint64(produced) {
			t.Errorf("%d events are in the log, not %d", n, produced)
		}
		if n := now.count("SELECT count() FROM events FINAL WHERE (org_id, day) IN (SELECT org_id, day FROM marks)"); n !=
			uint64(produced) {
			t.Errorf("%d of %d events are in a slice that is marked", n, produced)
		}
		if response, detail := ask(); response.StatusCode != http.StatusOK {
			t.Errorf("an export is answered %d: %s", response.StatusCode, detail)
		}
	}
	produce()
	exact()

	for _, c := range []struct {
		name, reason, do string
		role             role
	}{
		{"two rights are missing", "ACCESS_DENIED", "give the ClickHouse user the rights of its stage",
			role{grants: []string{
				"GRANT SELECT ON *.*", "GRANT INSERT ON rollcall.events", "GRANT INSERT ON rollcall.progress",
			}}},
		{"readonly = 1", "READONLY", "take readonly",
			role{grants: all.grants, profile: map[string]string{"readonly": "1"}}},
		{"readonly = 2", "READONLY", "take readonly",
			role{grants: all.grants, profile: map[string]string{"readonly": "2"}}},
		{"a constraint", "SETTING_CONSTRAINT_VIOLATION", "take readonly, constraints",
			role{grants: all.grants, profile: map[string]string{"limit": "1"}, fixed: []string{"limit"}}},
	} {
		with(&c.role)
		produce()
		eventually(c.name+": ingest is not ready, and says why", func() bool {
			err := i.Ready(t.Context())
			class, name := tables.Classify(err)
			return err != nil && class == tables.Lasting && name == c.reason && strings.Contains(tables.Remedy(err), c.do)
		})
		eventually(c.name+": an export sends the admin to the operator", func() bool {
			response, detail := ask()
			if response.StatusCode == http.StatusInternalServerError {
				t.Fatalf("%s: an export is answered 500: %s", c.name, detail)
			}
			return response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "60" &&
				strings.Contains(detail, "until the service's operator has changed something there")
		})
		eventually(c.name+": export is not ready", func() bool { return e.Ready(t.Context()) != nil })
		if line := lastLine(log.String(), `msg="export failed"`); !strings.Contains(line, `do="`+c.do) ||
			!strings.Contains(line, c.reason) {
			t.Errorf("%s: the log of the export says %s", c.name, line)
		}
		if n := kafka.Committed(t.Name(), topic)[0]; n != int64(produced-1) {
			t.Errorf("%s: %d of %d records are committed, the last one is refused", c.name, n, produced)
		}
		with(all)
		exact()
	}
}

// lastLine is the last line of the text that has the part.
func lastLine(text, part string) (last string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			last = line
		}
	}
	return last
}
