package embedded_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

func TestMigratedDatabase(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tables.Check(context.Background(), conn); err != nil {
		t.Fatal(err)
	}
}

// post sends a statement to an engine other than the shared one.
func post(url, statement string) (string, error) {
	response, err := http.Post(url+"/?async_insert=0", "text/plain", strings.NewReader(statement))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

func mustPost(t *testing.T, url, statement string) string {
	t.Helper()
	body, err := post(url, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return body
}

func TestStartEngineRefuses(t *testing.T) {
	held := t.TempDir()
	enginetest.Start(t, enginetest.Options{Dir: held})
	taken := strings.TrimPrefix(enginetest.Shared(t).URL, "http://")
	notADirectory := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notADirectory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options embedded.EngineOptions
		says    string
	}{
		{"an address that others reach", embedded.EngineOptions{Dir: t.TempDir(), Addr: "0.0.0.0:0"},
			"not a loopback address"},
		{"an address without a host", embedded.EngineOptions{Dir: t.TempDir(), Addr: ":0"}, "not a loopback address"},
		{"an address without a port", embedded.EngineOptions{Dir: t.TempDir(), Addr: "127.0.0.1"},
			"write it like 127.0.0.1:8123"},
		{"an address that is taken", embedded.EngineOptions{Dir: t.TempDir(), Addr: taken}, "address already in use"},
		{"a directory that another process holds", embedded.EngineOptions{Dir: held}, "in use by process"},
		{"no directory", embedded.EngineOptions{}, "no directory"},
		{"a file for a directory", embedded.EngineOptions{Dir: notADirectory}, "not a directory"},
		{"a library that is none", embedded.EngineOptions{Dir: t.TempDir(), Library: notADirectory}, "load"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			engine, err := embedded.StartEngine(context.Background(), test.options)
			if err == nil {
				engine.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %q, which does not say %q", err, test.says)
			}
		})
	}
}

func TestFindEngine(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(library, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("where CHDB_LIB_PATH says", func(t *testing.T) {
		t.Setenv("CHDB_LIB_PATH", library)
		if path, err := embedded.FindEngine(); path != library || err != nil {
			t.Errorf("got %q, %v", path, err)
		}
	})
	t.Run("not where CHDB_LIB_PATH names nothing", func(t *testing.T) {
		t.Setenv("CHDB_LIB_PATH", library+".missing")
		if _, err := embedded.FindEngine(); err == nil || !strings.Contains(err.Error(), "CHDB_LIB_PATH") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not in an empty cache", func(t *testing.T) {
		t.Setenv("CHDB_LIB_PATH", "")
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		if _, err := embedded.FindEngine(); err == nil || !strings.Contains(err.Error(), "make engine") {
			t.Errorf("got %v", err)
		}
	})
}

// Inserts that were acknowledged before SIGKILL are there afterwards. Others are there completely
// or not at all.
func TestAcknowledgedInsertsSurviveKill(t *testing.T) {
	const (
		rows    = 1000
		kills   = 3
		perKill = 40
	)
	dir := t.TempDir()
	var acknowledged []int64
	var next atomic.Int64
	for range kills {
		engine := enginetest.Start(t, enginetest.Options{Dir: dir})
		mustPost(t, engine.URL, "CREATE DATABASE IF NOT EXISTS d")
		mustPost(t, engine.URL, "CREATE TABLE IF NOT EXISTS d.t (batch Int64, n UInt64) ENGINE = MergeTree ORDER BY batch")
		answers := make(chan int64)
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for {
					batch := next.Add(1)
					insert := fmt.Sprintf("INSERT INTO d.t SELECT %d, number FROM numbers(%d)", batch, rows)
					if _, err := post(engine.URL, insert); err != nil {
						return // the engine is gone
					}
					answers <- batch
				}
			})
		}
		go func() {
			writers.Wait()
			close(answers)
		}()
		count := 0
		for batch := range answers {
			acknowledged = append(acknowledged, batch)
			if count++; count == perKill {
				engine.Kill()
			}
		}
	}
	if len(acknowledged) < kills*perKill {
		t.Fatalf("only %d batches were acknowledged", len(acknowledged))
	}
	engine := enginetest.Start(t, enginetest.Options{Dir: dir})
	partial := fmt.Sprintf("SELECT batch, count() AS c FROM d.t GROUP BY batch HAVING c != %d", rows)
	if got := mustPost(t, engine.URL, partial); got != "" {
		t.Errorf("batches that are not whole, and their rows:\n%s", got)
	}
	list := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(acknowledged), "[]")), ",")
	lost := "SELECT arrayJoin([" + list + "]) AS b WHERE b NOT IN (SELECT batch FROM d.t)"
	if got := mustPost(t, engine.URL, lost); got != "" {
		t.Errorf("acknowledged batches that are lost:\n%s", got)
	}
}

func TestEngineKeepsToItsMemory(t *testing.T) {
	engine := enginetest.Start(t, enginetest.Options{Dir: t.TempDir(), MaxMemory: 600 << 20})
	_, err := post(engine.URL,
		"SELECT groupArray(number) FROM numbers(200000000) SETTINGS max_bytes_ratio_before_external_group_by = 0 FORMAT Null")
	if err == nil || !strings.Contains(err.Error(), "Code: 241") {
		t.Errorf("a query over the limit gives %v", err)
	}
	got := mustPost(t, engine.URL, `SELECT count() FROM (SELECT sipHash64(number) AS h, count() FROM numbers(10000000) GROUP BY h)
SETTINGS max_bytes_before_external_group_by = 50000000`)
	if got != "10000000\n" {
		t.Errorf("a query that spills gives %q", got)
	}
}

// An answer of any size passes through a fixed buffer, so a client that stops reading stops the
// query.
func TestLongAnswersAreNotHeld(t *testing.T) {
	engine := enginetest.Start(t, enginetest.Options{Dir: t.TempDir()})
	memory := func() (bytes uint64) {
		fmt.Sscan(mustPost(t, engine.URL, "SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'"), &bytes)
		return bytes
	}
	before := memory()
	response, err := http.Post(engine.URL, "text/plain",
		strings.NewReader("SELECT number, repeat('x', 100) FROM numbers(1000000000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for range 3 {
		if _, err := io.CopyN(io.Discard, response.Body, 100<<20); err != nil {
			t.Fatal(err)
		}
		if now := memory(); now > before+200<<20 {
			t.Fatalf("the engine's memory grew from %d to %d MiB", before>>20, now>>20)
		}
	}
}

func TestConcurrentRequests(t *testing.T) {
	name := table(t, "worker UInt8, n UInt64")
	var workers sync.WaitGroup
	for w := range 20 {
		workers.Go(func() {
			for i := range 5 {
				r := ask(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", name, w, i), map[string][]string{"async_insert": {"0"}})
				if r.status != http.StatusOK {
					t.Errorf("insert: %s", r.body)
				}
				r = ask(t, "SELECT count(), getSetting('max_block_size') FROM "+name+" WHERE worker = {w:UInt8}",
					map[string][]string{"param_w": {fmt.Sprint(w)}, "max_block_size": {fmt.Sprint(1000 + w)}})
				if want := fmt.Sprintf("%d\t%d\n", i+1, 1000+w); r.body != want {
					t.Errorf("worker %d reads %q, want %q", w, r.body, want)
				}
			}
		})
	}
	workers.Wait()
}

// A stop ends what runs and keeps what was stored. The next start finds it, also in another time
// zone.
func TestStopAndStartAgain(t *testing.T) {
	dir := t.TempDir()
	engine := enginetest.Start(t, enginetest.Options{Dir: dir})
	mustPost(t, engine.URL, "CREATE DATABASE d")
	mustPost(t, engine.URL, "CREATE TABLE d.t (at DateTime) ENGINE = MergeTree ORDER BY at")
	mustPost(t, engine.URL, "INSERT INTO d.t VALUES ('2026-10-31 12:00:00')")
	var queries sync.WaitGroup
	for _, statement := range []string{
		"SELECT max(sipHash64(number)) FROM numbers(1000000000000)",
		"SELECT * FROM numbers(1000000000000)",
		"INSERT INTO FUNCTION null('n UInt64') SELECT * FROM numbers(1000000000000)",
	} {
		queries.Go(func() { post(engine.URL, statement) })
	}
	eventually(t, "the queries run", func() bool {
		return mustPost(t, engine.URL,
			"SELECT count() FROM system.processes WHERE query LIKE '%numbers(%' AND query NOT LIKE '%system%'") == "3\n"
	})
	started := time.Now()
	engine.Stop()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	queries.Wait()
	t.Setenv("TZ", "Asia/Tokyo")
	engine = enginetest.Start(t, enginetest.Options{Dir: dir})
	got := mustPost(t, engine.URL, "SELECT at, toUnixTimestamp(at) FROM d.t")
	if got != "2026-10-31 12:00:00\t1793448000\n" {
		t.Errorf("got %q", got)
	}
}
