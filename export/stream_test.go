package export

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"runtime"
	gometrics "runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rollcall/deploy/demo/embedded/enginetest"
)

// crowd stores one message per user. Users' ids have 5 characters and 32*width more.
func (f *fixture) crowd(org string, users, width int) {
	f.Helper()
	err := f.conn.Exec(context.Background(),
		fmt.Sprintf(`INSERT INTO events (org_id, day, type, event_id, version, time, user_id, channel, model)
SELECT '%s', toDate('%s'), 'message', toFixedString(leftPad(toString(number), 16, '0'), 16), number * 2, toDateTime64('%s 01:00:00', 3), concat('user-', arrayStringConcat(arrayMap(i -> lower(hex(sipHash128(number, i))), range(%d)))), 'chat', 'm'
FROM numbers(%d)`, org, yesterday().Format(time.DateOnly), yesterday().Format(time.DateOnly), width, users))
	if err != nil {
		f.Fatal(err)
	}
	f.mark(org, yesterday())
}

// An export of crowdSize users of width 6 has 45 MB, far more than all buffers between the engine
// and a client.
const crowdSize = 150_000

// begin asks for a download and returns once the answer's header is there.
func (f *fixture) begin(ctx context.Context, path, key string, header ...string) *http.Response {
	f.Helper()
	response := f.send(ctx, http.MethodGet, path, key, "", header...)
	f.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != 200 {
		text, _ := io.ReadAll(response.Body)
		f.Fatalf("status %d: %s", response.StatusCode, text)
	}
	return response
}

// running returns the number of statements that make the rows of an export at this moment.
func (f *fixture) running() (n uint64) {
	f.Helper()
	err := f.conn.QueryRow(context.Background(),
		"SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND query LIKE '%messages_total_rank%' AND query NOT LIKE '%system.processes%'").Scan(&n)
	if err != nil {
		f.Fatal(err)
	}
	return n
}

// A query that is killed while it streams, or an engine that goes away, cuts the answer in a way
// that every client can detect, in every encoding.
func TestCutStreamNeverLooksWhole(t *testing.T) {
	options := enginetest.Database(t)
	engine, err := url.Parse(options.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := newWire(t, engine.Host)
	engine.Host = wire.addr
	options.URL = engine.String()
	f := newFixtureOn(t, options)
	f.crowd("acme", 400_000, 1) // the engine makes blocks of 65,536 rows, and a kill comes between two
	_, key := f.key("acme")
	cuts := map[string]func(){
		"the query is killed": func() {
			err := f.conn.Exec(context.Background(),
				"KILL QUERY WHERE current_database = currentDatabase() AND query LIKE '%messages_total_rank%' AND query NOT LIKE '%system.processes%' ASYNC")
			if err != nil {
				t.Fatal(err)
			}
		},
		"the engine goes": wire.cut,
	}
	whole := map[string]func(io.Reader) (int64, error){
		"identity": func(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) },
		"gzip": func(r io.Reader) (int64, error) {
			z, err := gzip.NewReader(r)
			if err != nil {
				return 0, err
			}
			return io.Copy(io.Discard, z)
		},
		"zstd": func(r io.Reader) (int64, error) {
			z, err := zstd.NewReader(r)
			if err != nil {
				return 0, err
			}
			defer z.Close()
			return io.Copy(io.Discard, z)
		},
	}
	for name, cut := range cuts {
		for encoding, read := range whole {
			if name == "the engine goes" && encoding != "identity" { // the kills cover the encodings
				continue
			}
			t.Run(name+"/"+encoding, func(t *testing.T) {
				format := "csv"
				if name == "the query is killed" {
					// For csv, the engine has made all blocks before it has written them, and ends
					// in order. For json, the engine's error must not become a part of the array.
					format = "json"
				}
				response := f.begin(t.Context(), "/v1/exports/users?format="+format+"&"+lastDays(), key, "Accept-Encoding",
					encoding)
				head := make([]byte, 1<<10)
				if _, err := io.ReadFull(response.Body, head); err != nil {
					t.Fatal(err)
				}
				cut()
				n, err := read(io.MultiReader(strings.NewReader(string(head)), response.Body))
				if err == nil {
					t.Errorf("%d bytes look whole", n)
				}
				if n == 0 {
					t.Error("cut before the first byte: the test shows nothing")
				}
				if row := f.auditOf("acme", format); row.Outcome != "aborted" || row.Bytes == 0 {
					t.Errorf("audit %+v", row)
				}
			})
		}
	}
}

// A wire passes bytes between the service and the engine. Its connections can be cut.
type wire struct {
	addr  string
	conns chan net.Conn
}

func newWire(t *testing.T, engine string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &wire{addr: listener.Addr().String(), conns: make(chan net.Conn, 1000)}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", engine)
			if err != nil {
				near.Close()
				continue
			}
			w.conns <- far
			go func() { io.Copy(far, near); far.Close() }()
			go func() { io.Copy(near, far); near.Close() }()
		}
	}()
	return w
}

// cut breaks all connections.
func (w *wire) cut() {
	for {
		select {
		case c := <-w.conns:
			c.Close()
		default:
			return
		}
	}
}

// When the client leaves, its query ends, its slot is free, and the audit has the outcome.
func TestClientGoes(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxConcurrentPerOrg = 1; c.StallTimeout = time.Second })
	f.crowd("acme", crowdSize, 6)
	_, key := f.key("acme")
	path := "/v1/exports/users?format=ndjson&" + lastDays()
	t.Run("it closes the connection", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		response := f.begin(ctx, path, key)
		if _, err := io.ReadFull(response.Body, make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
		cancel()
		f.aborted("acme")
	})
	t.Run("it takes nothing", func(t *testing.T) {
		conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, key)
		if _, err := io.ReadFull(conn, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		f.aborted("acme")
	})
	t.Run("the workspace's only slot is taken", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f.begin(ctx, path, key)
		a := f.want(f.get(path, key), 429)
		if a.Header.Get("Retry-After") != "5" || !strings.Contains(a.body, "try again") {
			t.Errorf("Retry-After %q: %s", a.Header.Get("Retry-After"), a.body)
		}
		a = f.want(f.do(http.MethodPost, "/export/users", key, dropIn()), 429)
		if !strings.HasPrefix(a.body, `{"error":"Too Many Requests","message":`) {
			t.Errorf("drop-in: %s", a.body)
		}
		_, other := f.key("other")
		f.want(f.get(path, other), 200)
		cancel()
		f.aborted("acme")
		f.want(f.get("/v1/exports/models?"+lastDays(), key), 200)
	})
}

// While as many exports run as the service allows, those of further workspaces are refused at once.
// Those inside run to their end.
func TestOverload(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxConcurrent = 2 })
	_, outside := f.key("outside")
	path := "/v1/exports/users?format=ndjson&" + lastDays()
	var inside []*http.Response
	for i := range 2 {
		org := fmt.Sprint("org-", i)
		f.crowd(org, crowdSize, 6)
		_, key := f.key(org)
		inside = append(inside, f.begin(t.Context(), path, key))
	}
	a := f.want(f.get(path, outside), 429)
	if a.Header.Get("Retry-After") != "5" || !strings.Contains(a.body, "The service already runs") {
		t.Errorf("Retry-After %q: %s", a.Header.Get("Retry-After"), a.body)
	}
	for _, response := range inside {
		body, err := io.ReadAll(response.Body)
		if n := bytes.Count(body, []byte("\n")); err != nil || n != crowdSize {
			t.Errorf("an export inside had %d of %d rows, %v", n, crowdSize, err)
		}
	}
	f.until("the service takes exports again", func() bool { return f.get(path, outside).StatusCode == 200 })
}

func (f *fixture) aborted(org string) {
	f.Helper()
	f.until("the query ends", func() bool { return f.running() == 0 })
	f.until("the audit says aborted", func() bool { return f.auditOf(org, "ndjson").Outcome == "aborted" })
}

// manyKeys stores messages of one user with the given number of assistants. They make one row with
// a map of all assistants.
func (f *fixture) manyKeys(org string, assistants int) {
	f.Helper()
	err := f.conn.Exec(context.Background(),
		fmt.Sprintf(`INSERT INTO events (org_id, day, type, event_id, version, time, user_id, channel, assistant_id)
SELECT '%s', toDate('%s'), 'message', toFixedString(leftPad(toString(number), 16, '0'), 16), number * 2, toDateTime64('%s 01:00:00', 3), 'ada', 'assistant', concat('assistant-', lower(hex(sipHash128(number))))
FROM numbers(%d)`, org, yesterday().Format(time.DateOnly), yesterday().Format(time.DateOnly), assistants))
	if err != nil {
		f.Fatal(err)
	}
	f.mark(org, yesterday())
}

// live is what the process holds. What is allocated while a collection runs counts as held, too, so
// the least of some readings is the nearest to the truth.
func live() uint64 {
	least := uint64(math.MaxUint64)
	for range 5 {
		runtime.GC()
		sample := []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}
		gometrics.Read(sample)
		least = min(least, sample[0].Value.Uint64())
	}
	return least
}

// The memory that the service holds grows neither with the number of rows nor with the length of a
// row.
func TestMemoryIsFlat(t *testing.T) {
	f := newFixture(t)
	f.crowd("small", 1000, 6)
	f.crowd("large", crowdSize, 6)
	f.manyKeys("wide", 100_000)
	peak := func(org string) (held uint64, size int64) {
		_, key := f.key(org)
		response := f.begin(t.Context(), "/v1/exports/users?"+lastDays(), key, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		for {
			n, err := io.CopyN(io.Discard, z, 2<<20)
			size += n
			held = max(held, live()) // meanwhile the service fills the connection, and waits
			if err == io.EOF {
				return held, size
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	peak("small") // so that what the first answer leaves in memory does not count
	small, smallSize := peak("small")
	large, largeSize := peak("large")
	wide, wideSize := peak("wide")
	t.Logf("%d bytes: %d held; %d bytes: %d held; %d bytes in one row: %d held", smallSize, small, largeSize, large,
		wideSize, wide)
	if largeSize < 100*smallSize || largeSize < 10<<20 {
		t.Fatalf("the large answer has only %d bytes", largeSize)
	}
	if wideSize < 4<<20 || wide > small+3<<20 { // the driver holds a few blocks of 1 MiB
		t.Errorf("%d bytes held for one row of %d", wide, wideSize)
	}
	if large > small+4<<20 { // a tenth of the answer
		t.Errorf("%d bytes held for an answer of %d, %d for one of %d", large, largeSize, small, smallSize)
	}
}

// A client that sends its body byte by byte, or not at all, gets a 400 in time. A client of
// HTTP/1.0, which could not detect a cut answer, gets a 426.
func TestWireLimits(t *testing.T) {
	f := newFixture(t)
	f.service.bodyTimeout = 100 * time.Millisecond
	_, key := f.key("acme")
	for name, want := range map[string]struct{ send, status string }{
		"a body that does not come": {
			"POST /export/users HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: Bearer " + key + "\r\n\r\n{", "400",
		},
		"HTTP/1.0": {
			"GET /v1/exports/users?range=this_month HTTP/1.0\r\nAuthorization: Bearer " + key + "\r\n\r\n", "426",
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, want.send)
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.Contains(line, want.status) {
				t.Errorf("%q, %v; want %s", line, err, want.status)
			}
		})
	}
}

// A server's read timeout limits receiving the request; a download may take longer.
func TestDownloadOutlivesReadTimeout(t *testing.T) {
	f := newFixture(t)
	f.crowd("acme", crowdSize, 6)
	_, key := f.key("acme")
	server := &http.Server{Handler: f.service.Handler(), ReadTimeout: 2 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()
	f.server.URL = "http://" + listener.Addr().String()
	started := time.Now()
	response := f.begin(t.Context(), "/v1/exports/users?"+lastDays(), key)
	if _, err := io.CopyN(io.Discard, response.Body, 1<<10); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(started.Add(3 * time.Second))) // the test is about time, so it must wait
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("cut after %v: %v", time.Since(started), err)
	}
}
