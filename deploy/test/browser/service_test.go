package browser

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/export"
	"rollcall/export/access"
	"rollcall/schema/tables"
)

// A service is the real export service on a database of its own, with some workspaces.
type service struct {
	*testing.T
	conn   driver.Conn
	keys   *access.Keys
	server *httptest.Server
	ahead  atomic.Int64             // how far its clock is ahead, in nanoseconds
	broken atomic.Pointer[breakage] // nil: nothing is broken
	rows   int
}

// A breakage answers, instead of the service, all requests whose path starts with prefix.
type breakage struct {
	prefix string
	answer http.HandlerFunc
}

func (s *service) breaks(prefix string, answer http.HandlerFunc) {
	s.broken.Store(&breakage{prefix, answer})
}

// aheadOfMidnight keeps midnight out of these tests: in the last quarter of an hour of a UTC day,
// the clocks of the service and of the tests are set to the next day.
var aheadOfMidnight = func() time.Duration {
	if now := time.Now().UTC(); now.Add(15*time.Minute).Day() != now.Day() {
		return 15 * time.Minute
	}
	return 0
}()

// testNow is the time by the service's clock, unless a test sets that clock ahead.
func testNow() time.Time { return time.Now().Add(aheadOfMidnight) }

func newService(t *testing.T) *service {
	t.Helper()
	options := enginetest.Database(t)
	conn, err := tables.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &service{T: t, conn: conn, keys: access.OpenKeys(conn)}
	e, err := export.New(export.Config{
		Secret: []byte("a secret for tests only"), RatePerMinute: 100_000,
		Now: func() time.Time { return testNow().Add(time.Duration(s.ahead.Load())) },
	}, options, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	handler := e.Handler()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b := s.broken.Load(); b != nil && strings.HasPrefix(r.URL.Path, b.prefix) {
			b.answer(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) key(org string) (id, key string) {
	s.Helper()
	id, key, err := s.keys.Create(context.Background(), org, "Admins", 0)
	if err != nil {
		s.Fatal(err)
	}
	return id, key
}

// A row is one event or entity event as the tables hold it.
type row map[string]any

func (s *service) insert(table string, rows []row) {
	s.Helper()
	enginetest.Insert(s, s.conn, table, rows...)
}

func (s *service) row(org string, at time.Time, columns row) row {
	s.rows++
	r := row{
		"org_id": org, "day": at.UTC().Format(time.DateOnly), "event_id": fmt.Sprintf("%016d", s.rows), "version": 2 * s.rows,
		"time": at.UTC().Format("2006-01-02 15:04:05.000"), "source": "test", "id": strconv.Itoa(s.rows),
	}
	for name, value := range columns {
		r[name] = value
	}
	return r
}

var people = strings.Fields(`Amara Bruno Chiara Dilan Emre Freya Goran Hanna Ines Jonas Kofi Lena
	Mateo Nadia Oskar Priya Quirin Rosa Sven Tamar Ulla Viktor Wanda Yuki`)

// workspace stores a workspace with its entities and with so many days of usage, the last of which
// is today.
func (s *service) workspace(org, name string, days int, settings row) {
	s.Helper()
	random := rand.New(rand.NewPCG(7, uint64(len(org))))
	began := testNow().UTC().Truncate(24*time.Hour).AddDate(0, 0, -days)
	about := row{
		"kind": "workspace", "entity_id": org, "name": name, "has_settings": true, "user_level_data": true, "byok": false,
		"workflows": false, "pseudonymize": false,
	}
	for k, v := range settings {
		about[k] = v
	}
	entities := []row{s.row(org, began, about)}
	for i, first := range people {
		entities = append(entities, s.row(org, began, row{
			"kind": "user", "entity_id": fmt.Sprintf("u%02d", i), "name": first + " Example",
			"email": strings.ToLower(first) + "@example.com", "role": "member",
		}))
	}
	for i, title := range []string{
		"Contract review", "Meeting notes", "Support replies", "Köln office guide", "SQL tutor", "Release notes",
	} {
		entities = append(entities, s.row(org, began,
			row{"kind": "assistant", "entity_id": fmt.Sprintf("a%d", i), "name": title, "owner_id": "u01"}),
			s.row(org, began, row{
				"kind": "project", "entity_id": fmt.Sprintf("p%d", i), "name": "Project " + title, "owner_id": "u02",
			}))
	}
	entities = append(entities, s.row(org, began, row{"kind": "workflow", "entity_id": "w1", "name": "Invoice intake"}),
		s.row(org, began, row{"kind": "api_key", "entity_id": "k1", "name": "Nightly job"}))
	s.insert("entities", entities)
	if days == 0 {
		return
	}
	var events, marks []row
	for day := range days + 1 {
		at := began.AddDate(0, 0, day)
		count := 20 + day/2 + random.IntN(20)
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			count /= 5
		}
		for range count {
			events = append(events, s.usage(org, at.Add(time.Duration(random.IntN(3600))*time.Second), random)...)
		}
		events = append(events, s.oneOfEach(org, at)...)
		marks = append(marks, row{"org_id": org, "day": at.Format(time.DateOnly), "writer": uuid.Nil, "seq": 1})
	}
	s.insert("events", events)
	s.insert("marks", marks)
	s.insert("progress", []row{
		{"topic": "usage." + org, "partition": 0, "through": time.Now().UTC().Format("2006-01-02 15:04:05.000"),
			"end_offset": len(events), "gone": 0},
	})
}

// oneOfEach is stored for every day, so that each figure of each period is above 0. This week may
// be a single Sunday, and this month its first day.
func (s *service) oneOfEach(org string, at time.Time) []row {
	return []row{
		s.row(org, at, row{
			"type": "message", "user_id": "u00", "channel": "assistant", "assistant_id": "a0", "model": "gpt-5",
		}),
		s.row(org, at, row{"type": "message", "user_id": "u00", "channel": "project", "project_id": "p0", "model": "gpt-5"}),
		s.row(org, at, row{"type": "action", "user_id": "u00", "action": "canvas", "model": "gpt-5"}),
		s.row(org, at, row{
			"type": "token", "user_id": "u00", "api_key_id": "k1", "model": "gpt-5", "provider": "provider", "byok": true,
			"prompt_tokens": 100, "completion_tokens": 10, "cost_usd": "0.001",
		}),
		s.row(org, at, row{
			"type": "workflow_run", "workflow_id": "w1", "run_id": at.Format(time.DateOnly), "status": "succeeded",
			"duration_ms": 1000, "trigger": "schedule",
		}),
	}
}

// usage is a message, its model request, and now and then an action or a workflow run.
func (s *service) usage(org string, at time.Time, random *rand.Rand) []row {
	user := fmt.Sprintf("u%02d", random.IntN(1+random.IntN(len(people))))
	model := []string{"gpt-5", "claude-sonnet", "mistral-large", "llama-4"}[random.IntN(1+random.IntN(4))]
	message := row{
		"type": "message", "user_id": user, "channel": "chat", "model": model, "conversation_id": strconv.Itoa(s.rows / 5),
	}
	switch random.IntN(4) {
	case 1:
		message["channel"] = "assistant"
		message["assistant_id"] = fmt.Sprintf("a%d", random.IntN(1+random.IntN(6)))
	case 2:
		message["channel"] = "project"
		message["project_id"] = fmt.Sprintf("p%d", random.IntN(1+random.IntN(6)))
	}
	all := []row{message, {"type": "token", "user_id": user, "api_key_id": "k1", "model": model, "provider": "provider",
		"byok": true, "prompt_tokens": random.IntN(4000), "completion_tokens": random.IntN(900),
		"cost_usd": fmt.Sprintf("0.%06d", random.IntN(40000))}}
	if random.IntN(3) == 0 {
		all = append(all, row{
			"type": "action", "user_id": user, "action": []string{"canvas", "web_search"}[random.IntN(2)], "model": model,
		})
	}
	if random.IntN(20) == 0 {
		all = append(all, row{
			"type": "workflow_run", "workflow_id": "w1", "run_id": strconv.Itoa(s.rows), "status": "succeeded",
			"duration_ms": random.IntN(9000), "trigger": "schedule",
		})
	}
	for i, r := range all {
		all[i] = s.row(org, at, r)
	}
	return all
}

// file is the API's answer for a path under v1/exports/.
func (s *service) file(key, path string) string {
	s.Helper()
	request, err := http.NewRequest(http.MethodGet, s.server.URL+"/v1/exports/"+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.Fatalf("%s: %d %s %v", path, response.StatusCode, text, err)
	}
	return string(text)
}

// A sheet is a CSV file as a spreadsheet reads it.
type sheet [][]string

func (s *service) sheet(key, path string) sheet {
	s.Helper()
	records, err := csv.NewReader(strings.NewReader(s.file(key, path))).ReadAll()
	if err != nil {
		s.Fatal(err)
	}
	return records
}

func (s sheet) rows() float64 { return float64(len(s) - 1) }

func (s sheet) sum(column string) (sum float64) {
	at := slices.Index(s[0], column)
	for _, r := range s[1:] {
		n, _ := strconv.ParseFloat(r[at], 64)
		sum += n
	}
	return sum
}
