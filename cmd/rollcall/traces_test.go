package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
)

// A receiver is an OTLP endpoint. It keeps the spans that it receives, by the service that sent
// them.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string][]*otlp.Span
	raw   bytes.Buffer
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{spans: map[string][]*otlp.Span{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body io.Reader = req.Body
		if req.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(body)
		}
		raw, _ := io.ReadAll(body)
		var m collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(raw, &m); err != nil || req.URL.Path != "/v1/traces" ||
			req.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s with %s: %v", req.URL.Path, req.Header.Get("Content-Type"), err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(raw)
		for _, resource := range m.ResourceSpans {
			service := valueOf(resource.Resource.Attributes, "service.name")
			for _, scope := range resource.ScopeSpans {
				r.spans[service] = append(r.spans[service], scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// find returns the newest span that has this name and these attributes.
func (r *receiver) find(service, name string, attributes map[string]string) *otlp.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range slices.Backward(r.spans[service]) {
		has := s.Name == name
		for k, v := range attributes {
			has = has && valueOf(s.Attributes, k) == v
		}
		if has {
			return s
		}
	}
	return nil
}

func valueOf(all []*common.KeyValue, key string) string {
	for _, a := range all {
		if a.Key == key {
			if text := a.Value.GetStringValue(); text != "" {
				return text
			}
			return fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return ""
}

// stages are ingest, rollup and export as their commands run them, on an embedded broker and
// engine.
type stages struct {
	*testing.T
	clickhouse, kafka, http string
	logs                    safeBuffer
}

func startStages(t *testing.T, more ...string) *stages {
	t.Helper()
	s := &stages{T: t, clickhouse: enginetest.Database(t).URL, http: processtest.FreeAddr(t)}
	broker, err := embedded.StartBroker(context.Background(),
		embedded.BrokerOptions{Dir: t.TempDir(), Addr: processtest.FreeAddr(t), Topics: []string{"usage.messages"}})
	if err != nil {
		t.Fatal(err)
	}
	s.kafka = broker.Addr()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, args := range [][]string{
		{"ingest", "--kafka-brokers", s.kafka, "--kafka-topics", "usage.messages", "--batch-age", "10ms"},
		{"rollup", "--settle-time", "10ms"}, {"export", "--http-addr", s.http},
	} {
		args = append(append(args, "--clickhouse-url", s.clickhouse, "--admin-addr", processtest.FreeAddr(t), "--log-level",
			"debug"), more...)
		running.Go(func() {
			if code := run(ctx, args, streams{in: strings.NewReader(""), out: io.Discard, err: &s.logs}); code != ok {
				t.Errorf("%s ended with %d:\n%s", args[0], code, s.logs.String())
			}
		})
	}
	t.Cleanup(func() { stop(); running.Wait(); broker.Close() })
	return s
}

func (s *stages) eventually(what string, is func() bool) {
	s.Helper()
	for deadline := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(deadline) {
			s.Fatalf("after 60 s still not: %s\n%s", what, s.logs.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// get sends a request that belongs to a trace of its caller.
func (s *stages) get(target, authorization string) (status int, body string, header http.Header) {
	s.Helper()
	req, _ := http.NewRequest("GET", "http://"+s.http+target, nil)
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Traceparent", "00-"+callersTrace+"-00f067aa0ba902b7-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

const callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// The test follows events along the whole path once and looks at what an operator sees: the spans
// that arrive, and the logs. Neither may say which person did what, nor have anything that gives
// access.
func TestLogsAndTracesOfTheWholePath(t *testing.T) {
	otel := newReceiver(t)
	const (
		secret   = "a-secret-that-must-not-be-seen-anywhere"
		password = "a-password-that-must-not-be-seen"
	)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROLLCALL_SECRET_FILE", file)
	t.Setenv("ROLLCALL_CLICKHOUSE_PASSWORD", password)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otel.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	s := startStages(t)
	code, key, stderr := call(t, "", "keys", "create", "--org", "acme", "--clickhouse-url", s.clickhouse)
	if code != ok {
		t.Fatal(stderr)
	}
	key = strings.TrimSpace(key)

	event := func(id, more string) kafka.Message {
		return kafka.Message{Value: fmt.Appendf(nil,
			`{"specversion":"1.0","id":"event-%s","source":"/test","type":"usage.message.v1","time":%q,
"data":{"org_id":"acme","user_id":"person-ada","channel":"chat","conversation_id":"talk-7"%s}}`, id, monthStart(),
			more)}
	}
	send(t, s.kafka, event("1", ""), event("2", ""), event("3", `,"channel":"nowhere"`),
		kafka.Message{Value: []byte(`{"person-ada":`)})
	s.eventually("the export counts both", func() bool {
		_, csv, _ := s.get("/v1/exports/users?range=this_month", "Bearer "+key)
		return strings.Contains(csv, `"person-ada"`) && strings.Contains(csv, ",2,1,")
	})
	status, body, header := s.get("/v1/exports/users?range=this_month&format=ndjson", "Bearer "+key)
	if status != 200 || strings.Count(body, "\n") != 1 {
		t.Fatalf("%d %s", status, body)
	}
	for _, refused := range []string{key[:len(key)-4] + "oops", "rc_no-key"} {
		if status, _, _ := s.get("/v1/exports/users?range=this_month", "Bearer "+refused); status != 401 {
			t.Errorf("a wrong key is answered %d", status)
		}
	}
	s.get("/v1/exports/users?from=person-ada&to=2026-01-01", "Bearer "+key)

	batch := func() *otlp.Span {
		return otel.find("rollcall-ingest", "ingest batch",
			map[string]string{"rollcall.events": "2", "rollcall.rejects": "2", "rollcall.slices": "1"})
	}
	recompute := func() *otlp.Span {
		return otel.find("rollcall-rollup", "rollup recompute",
			map[string]string{"rollcall.slices": "1", "rollcall.slices_committed": "1", "rollcall.rows": "2"})
	}
	export := func() *otlp.Span {
		return otel.find("rollcall-export", "export",
			map[string]string{"rollcall.type": "users", "rollcall.format": "ndjson", "http.response.status_code": "200",
				"rollcall.outcome": "complete", "rollcall.rows": "1", "rollcall.bytes": fmt.Sprint(len(body)),
				"rollcall.request_id": header.Get("Rollcall-Request-Id")})
	}
	s.eventually("the batch's span", func() bool { return batch() != nil })
	s.eventually("the recompute's span", func() bool { return recompute() != nil })
	s.eventually("the export's span", func() bool { return export() != nil })
	for _, table := range []string{"events", "marks", "rejects"} {
		if insert := otel.find("rollcall-ingest", "insert "+table, nil); insert == nil ||
			!bytes.Equal(insert.TraceId, batch().TraceId) && !bytes.Equal(insert.ParentSpanId, batch().SpanId) {
			t.Errorf("the insert into %s is not part of a batch", table)
		}
	}
	if trace := fmt.Sprintf("%x", export().TraceId); trace != callersTrace ||
		fmt.Sprintf("%x", export().ParentSpanId) != "00f067aa0ba902b7" {
		t.Errorf("the export is of trace %s, not of its caller's", trace)
	}
	for _, step := range []string{"plan", "query to the first bytes"} {
		if otel.find("rollcall-export", step, nil) == nil {
			t.Errorf("no span of the export's step %q", step)
		}
	}
	if refused := otel.find("rollcall-export", "export",
		map[string]string{"http.response.status_code": "401", "rollcall.outcome": "refused"}); refused == nil {
		t.Error("no span of a refused request")
	}

	checkLog(t, s.logs.String(), header.Get("Rollcall-Request-Id"))
	otel.mu.Lock()
	defer otel.mu.Unlock()
	for name, text := range map[string]string{"log": s.logs.String(), "traces": otel.raw.String()} {
		for _, private := range []string{
			"person-ada", "talk-7", "event-1", "/test", key[3:], strings.SplitN(key, "_", 3)[2], "oops", "no-key", secret, password,
			"rc_",
		} {
			if at := strings.Index(text, private); at >= 0 {
				t.Errorf("the %s shows %q: %q", name, private, text[max(0, at-200):min(len(text), at+100)])
			}
		}
	}
}

// checkLog checks that each line is one JSON object, and that the log has the ids by which a batch
// and a request are found.
func checkLog(t *testing.T, log, request string) {
	t.Helper()
	var batches, requests int
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["time"] == nil || entry["level"] == nil ||
			entry["msg"] == nil {
			t.Errorf("not a line of JSON with time, level and msg: %s", line)
		}
		if entry["msg"] == "batch stored" && entry["batch"] != nil {
			batches++
		}
		if entry["request_id"] == request && entry["trace_id"] == callersTrace && entry["type"] == "users" &&
			entry["org"] == "acme" {
			requests++
		}
	}
	if batches == 0 || requests != 1 {
		t.Errorf("%d batches and the request %d times in the log:\n%s", batches, requests, log)
	}
}

// Without an endpoint no spans are made. An endpoint that cannot be used as configured is refused
// before anything starts.
func TestTracesAreOffByDefault(t *testing.T) {
	none, err := traceFlags{}.open(context.Background(), "ingest", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, span := none.Tracer("x").Start(context.Background(), "x"); span.IsRecording() || span.SpanContext().IsValid() {
		t.Error("a span was made")
	}
	for _, c := range []struct{ endpoint, protocol, says string }{
		{"collector:4318", "", "http://collector:4318"}, {"ftp://collector", "", "http://collector:4318"},
		{"http://collector:4317", "grpc", "http/protobuf only"},
	} {
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", c.protocol)
		code, _, stderr := call(t, "", "export", "--otlp-endpoint", c.endpoint)
		if code != badSettings || !strings.Contains(stderr, c.says) || !regexp.MustCompile(`^[^\n]+\n$`).MatchString(stderr) {
			t.Errorf("%s, %s: exit code %d, %q", c.endpoint, c.protocol, code, stderr)
		}
	}
}

// A collector that does not answer delays neither the work nor the stop.
func TestCollectorThatHangs(t *testing.T) {
	hang := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer collector.Close()
	defer close(hang)
	var log safeBuffer
	sent, err := traceFlags{OTLPEndpoint: collector.URL}.open(context.Background(), "ingest",
		slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 20_000 { // ten times as many as the queue holds; the rest is dropped
		_, span := sent.Tracer("x").Start(context.Background(), "x")
		span.End()
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("20,000 spans took %s", took)
	}
	began = time.Now()
	sent.close()
	if took := time.Since(began); took > stopGrace/5+2*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if !strings.Contains(log.String(), "the last traces were not sent") {
		t.Errorf("the log does not say so: %s", log.String())
	}
}
