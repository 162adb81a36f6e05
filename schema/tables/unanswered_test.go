package tables_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// statements are all ways in which a stage sends something to a server.
var statements = map[string]func(context.Context, driver.Conn) error{
	"ping": func(ctx context.Context, c driver.Conn) error { return c.Ping(ctx) },
	"select": func(ctx context.Context, c driver.Conn) error {
		return c.Select(ctx, new([]struct{ N uint8 }), "SELECT 1 AS N")
	},
	"query": func(ctx context.Context, c driver.Conn) error {
		_, err := c.Query(ctx, "SELECT 1")
		return err
	},
	"row":     func(ctx context.Context, c driver.Conn) error { return c.QueryRow(ctx, "SELECT 1").Scan(new(uint8)) },
	"row err": func(ctx context.Context, c driver.Conn) error { return c.QueryRow(ctx, "SELECT 1").Err() },
	"struct": func(ctx context.Context, c driver.Conn) error {
		return c.QueryRow(ctx, "SELECT 1 AS N").ScanStruct(&struct{ N uint8 }{})
	},
	"exec": func(ctx context.Context, c driver.Conn) error { return c.Exec(ctx, "SELECT 1") },
	"parameters": func(ctx context.Context, c driver.Conn) error {
		return c.Exec(ctx, "SELECT {a:String}", named("a", strings.Repeat("long", 5000)))
	},
	"batch": func(ctx context.Context, c driver.Conn) error {
		_, err := c.PrepareBatch(ctx, "INSERT INTO marks (org_id)")
		return err
	},
	"format": func(ctx context.Context, c driver.Conn) error {
		_, err := c.QueryFormat(ctx, "CSV", "SELECT 1")
		return err
	},
	"insert": func(ctx context.Context, c driver.Conn) error {
		return c.InsertFormat(ctx, "CSV", "INSERT INTO marks", strings.NewReader("1"))
	},
}

// If a server does not answer, the error is one short sentence with its address and the cause,
// whatever was sent to it. The cause can still be matched.
func TestWhoDoesNotAnswerIsToldInOneSentence(t *testing.T) {
	conn, err := tables.Open(tables.Options{URL: "http://ada:word@127.0.0.1:1/rollcall"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const want = "ClickHouse at 127.0.0.1:1 does not answer: dial tcp 127.0.0.1:1: connect: connection refused"
	for name, do := range statements {
		err := do(t.Context(), conn)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
		if cause := new(net.OpError); !errors.As(err, &cause) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

// The same holds for a server that takes too long, or that goes away between a batch's start and
// its end. If a server refuses a statement, the error keeps the server's text.
func TestWhoStopsAnsweringIsToldInOneSentence(t *testing.T) {
	o := enginetest.Database(t)
	engine, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.Host})
	over := make(chan struct{})
	var silent atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-over
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer close(over)
	address := server.Listener.Addr().String()
	o.URL = "http://default@" + address + engine.Path
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(t.Context(), "SELECT no_such_column"); err == nil ||
		strings.Contains(err.Error(), "does not answer") || !strings.Contains(err.Error(), "no_such_column") {
		t.Errorf("a refused statement is told as %v", err)
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO service_secret (fingerprint, secret)")
	if err == nil {
		err = batch.Append("f", "s")
	}
	if err != nil {
		t.Fatal(err)
	}
	silent.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want := fmt.Sprintf("ClickHouse at %s does not answer: context deadline exceeded", address)
	if err := conn.Exec(ctx, "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
	server.CloseClientConnections()
	server.Listener.Close()
	if err := batch.Send(); err == nil || !strings.HasPrefix(err.Error(), "ClickHouse at "+address+" does not answer: ") ||
		len(err.Error()) > 200 {
		t.Errorf("a batch that is sent to nobody: %v", err)
	}
}

// The same holds for a server that serves nothing: the database does not exist, the user is not
// known, or it is another server. What the server said can still be matched.
func TestWhoServesNothingIsToldInOneSentence(t *testing.T) {
	o := enginetest.Database(t)
	engine, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	// These are the texts of ClickHouse 26.7: the embedded engine has no passwords.
	answers := map[string]http.HandlerFunc{
		"/stranger": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-ClickHouse-Exception-Code", "516")
			http.Error(w,
				"Code: 516. DB::Exception: ada: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED) (version 26.7.1.1)", http.StatusForbidden)
		},
		"/page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>\r\n<h1>404 Not Found</h1>\r\n"+strings.Repeat("-", 2000), http.StatusNotFound)
		},
	}
	answers["/proxy"] = func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Bad Gateway", http.StatusBadGateway)
	}
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[asked](w, r) }))
	defer server.Close()
	for name, c := range map[string]struct{ url, want string }{
		"no database": {
			engine.Scheme + "://" + engine.Host + "/no_such",
			"ClickHouse has no database no_such: correct the last part of the ClickHouse URL, or make the database with `rollcall migrate`",
		},
		"an odd name": {
			engine.Scheme + "://" + engine.Host + "/no%20such",
			"ClickHouse has no database `no such`: correct the last part of the ClickHouse URL, or make the database with `rollcall migrate`",
		},
		"stranger": {
			server.URL + "/rollcall",
			"ClickHouse does not let the user ada in: correct the user in the ClickHouse URL, or the password",
		},
		"proxy": {
			server.URL + "/rollcall",
			`what answers at the ClickHouse URL does not reach ClickHouse: HTTP 502, response body: "Bad Gateway\n"`,
		},
		"page": {
			server.URL + "/rollcall",
			`what answers at the ClickHouse URL is not ClickHouse, correct its host and port: HTTP 404, response body: "<html>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked = "/" + name
			conn, err := tables.Open(tables.Options{URL: c.url})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for way, do := range statements {
				err := do(t.Context(), conn)
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || len(err.Error()) > 260 ||
					strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %v; want %s", way, err, c.want)
				}
				if answered := new(clickhouse.HTTPError); !errors.As(err, &answered) {
					t.Errorf("%s: what the server said is lost", way)
				}
			}
		})
	}
}

// Advice of the driver and of the server's documents is not passed on. The cause can still be
// matched.
func TestAdviceOfOthersIsNotPassedOn(t *testing.T) {
	linked := &clickhouse.Exception{Code: 252, Message: "Too many parts (300) in all partitions. " +
		"Merges are slower than inserts. See https://clickhouse.com/docs/knowledgebase/parts for more. (TOO_MANY_PARTS)"}
	for err, want := range map[error]string{
		clickhouse.ErrAcquireConnTimeout: "no connection to ClickHouse became free in time: " +
			"it answers too slowly for what is asked of it",
		linked: "code: 252, message: Too many parts (300) in all partitions. Merges are slower than inserts. (TOO_MANY_PARTS)",
		&clickhouse.Exception{Code: 241, Message: "Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"}: "code: 241, " +
			"message: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)",
		&clickhouse.Exception{Code: 1, Message: "no scheme a://b"}: "code: 1, message: no scheme a://b",
	} {
		got := tables.Short(fmt.Errorf("%w", err))
		if got.Error() != want || !errors.Is(got, err) {
			t.Errorf("%v is told as\n%v\nnot\n%s", err, got, want)
		}
		wasClass, was := tables.Classify(err)
		if class, name := tables.Classify(got); class != wasClass || name != was {
			t.Errorf("%v is %s %s, not %s %s", got, class, name, wasClass, was)
		}
	}
}
