package suite

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/processtest"
	"rollcall/export/access"
	"rollcall/rollup"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// BenchmarkSize shows that the service streams: the most memory that its process, `rollcall
// export`, has resident does not depend on the size of the answer.
//
//	go test ./deploy/test/suite -run '^$' -bench Size -benchtime 1x
//
// It fills the log with 200,000 users over 12 months, 4.8 million messages, and one user with
// 50,000 map keys. It rolls all of it up and asks for the users of each workspace in each format.
// It fails if a large answer takes 32 MiB more than one of 1,000 users.
func BenchmarkSize(b *testing.B) {
	s := newSizes(b)
	s.fill("small", 1_000, 24, "''")
	s.fill("large", 200_000, 24, "''")
	s.fill("wide", 1, 50_000, "concat('assistant-', lower(hex(sipHash128(number))))")
	s.roll()
	for _, format := range []string{"csv", "ndjson", "json", "parquet"} {
		var small int64
		for _, org := range []string{"small", "large", "wide"} {
			b.Run(format+"/"+org, func(b *testing.B) {
				for b.Loop() {
					answer, resident := s.ask(b, org, format)
					b.ReportMetric(float64(answer)/1e6, "MB/answer")
					b.ReportMetric(float64(resident)/(1<<20), "MiB/resident")
					if org == "small" {
						small = max(small, resident)
					} else if resident > small+32<<20 {
						b.Errorf("%d MiB resident for an answer of %d MB, %d MiB for a small one", resident>>20, answer/1_000_000,
							small>>20)
					}
				}
			})
		}
	}
}

// sizes has a database with workspaces of several sizes, and the service in a process of its own.
type sizes struct {
	*testing.B
	ch       tables.Options
	conn     driver.Conn
	address  string
	process  *os.Process
	from, to schema.Day
}

func newSizes(b *testing.B) *sizes {
	s := &sizes{B: b, ch: enginetest.Database(b)}
	today := schema.DayOf(time.Now().UTC())
	s.from = schema.Earliest(today)
	s.to = today - 1
	var err error
	if s.conn, err = tables.Open(s.ch); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.conn.Close() })
	s.serve()
	return s
}

func (s *sizes) serve() {
	s.address = processtest.FreeAddr(s.B)
	service := exec.Command(processtest.Build(s.B, "rollcall/cmd/rollcall"), "export", "--clickhouse-url", s.ch.URL,
		"--http-addr", s.address, "--admin-addr", processtest.FreeAddr(s.B), "--log-level", "error")
	service.Stderr = os.Stderr
	if err := service.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { service.Process.Kill(); service.Wait() })
	s.process = service.Process
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // between two looks
		if res, err := http.Get("http://" + s.address + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			s.Fatal("the service is not ready after 30 s")
		}
	}
}

// fill stores so many messages of each user, evenly over the twelve months, by SQL in the engine.
// The path through Kafka is not measured here.
func (s *sizes) fill(org string, users, each int, assistant string) {
	const events = `INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, assistant_id, conversation_id, model)
SELECT {org:String}, toDate(time), 'message', reinterpretAsFixedString(sipHash128({org:String}, number)), bitAnd(sipHash64(number), 18446744073709551614),
	toDateTime64({from:Int64} + intDiv(number * {span:Int64}, {events:UInt64}), 3, 'UTC') AS time, '/size', toString(number), concat('user-', lower(hex(sipHash128(number %% {users:UInt64})))),
	'assistant', if(%[1]s = '', concat('assistant-', toString(number %% 97)), %[1]s), toString(number), concat('model-', toString(number %% 5))
FROM numbers({events:UInt64}) SETTINGS max_partitions_per_insert_block = 0`
	const entities = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email)
SELECT {org:String}, '2020-01-01', reinterpretAsFixedString(sipHash128('entity', {org:String}, number)), 2, 'user', concat('user-', lower(hex(sipHash128(number)))), '2020-01-01 00:00:00', '/size',
	concat('entity-', toString(number)), concat('Name of ', toString(number)), concat(toString(number), '@size.test') FROM numbers({users:UInt64})`
	const marks = "INSERT INTO marks (org_id, day, writer, seq) SELECT DISTINCT org_id, day, toUUID('00000000-0000-0000-0000-000000000001'), 1 FROM events WHERE org_id = {org:String}"
	for _, statement := range []string{fmt.Sprintf(events, assistant), entities, marks} {
		err := s.conn.Exec(s.Context(), statement, clickhouse.Named("org", org), clickhouse.Named("users", users),
			clickhouse.Named("events", users*each),
			clickhouse.Named("from", s.from.Time().Unix()), clickhouse.Named("span", int64(s.to+1-s.from)*86400))
		if err != nil {
			s.Fatalf("fill the log of %s: %v", org, err)
		}
	}
}

func (s *sizes) roll() {
	worker, err := rollup.New(rollup.Config{SettleTime: time.Nanosecond}, s.ch, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		s.Fatal(err)
	}
	if _, err := worker.Once(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// ask reads the whole export. It returns the export's size, and the most memory that the service
// had resident meanwhile.
func (s *sizes) ask(b *testing.B, org, format string) (answer, resident int64) {
	_, key, err := access.OpenKeys(s.conn).Create(b.Context(), org, "size", 0)
	if err != nil {
		b.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", s.process.Pid)
	// This resets the peak; see proc(5).
	if err := os.WriteFile(proc+"clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet,
		fmt.Sprintf("http://%s/v1/exports/users?from=%s&to=%s&format=%s", s.address, s.from, s.to, format), nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("%d, %v", response.StatusCode, err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return answer, kib << 10
}
