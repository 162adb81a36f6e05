package embedded_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
)

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// ask sends one request to the shared engine: text is the body, parameters are the query.
func ask(t *testing.T, text string, parameters url.Values, header ...string) reply {
	t.Helper()
	return send(t, http.MethodPost, strings.NewReader(text), parameters, header...)
}

func send(t *testing.T, method string, body io.Reader, parameters url.Values, header ...string) reply {
	t.Helper()
	request, err := http.NewRequest(method, enginetest.Shared(t).URL+"/?"+parameters.Encode(), body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text), err}
}

// mustAsk is ask for a request that must succeed. It returns the body.
func mustAsk(t *testing.T, text string, parameters url.Values) string {
	t.Helper()
	r := ask(t, text, parameters)
	if r.status != http.StatusOK || r.err != nil {
		t.Fatalf("%s: %d %s %v", text, r.status, r.body, r.err)
	}
	return r.body
}

// table makes a table of the test's own and returns its name.
func table(t *testing.T, columns string) string {
	t.Helper()
	name := fmt.Sprintf("scratch.t%d", time.Now().UnixNano())
	mustAsk(t, "CREATE DATABASE IF NOT EXISTS scratch", nil)
	mustAsk(t, "CREATE TABLE "+name+" ("+columns+") ENGINE = MergeTree ORDER BY tuple()", nil)
	t.Cleanup(func() { mustAsk(t, "DROP TABLE "+name+" SYNC", nil) })
	return name
}

func TestQueries(t *testing.T) {
	tests := []struct {
		name, text string
		parameters url.Values
		header     []string
		want       string
		format     string
	}{
		{name: "TabSeparated where nothing is said", text: "SELECT 1, 'a'", want: "1\ta\n", format: "TabSeparated"},
		{name: "default_format", text: "SELECT 1", parameters: url.Values{"default_format": {"JSONEachRow"}},
			want: `{"1":1}` + "\n", format: "JSONEachRow"},
		{name: "format by header", text: "SELECT 1", header: []string{"X-ClickHouse-Format", "CSV"}, want: "1\n",
			format: "CSV"},
		{name: "FORMAT wins over default_format", text: "SELECT 1 FORMAT CSV;",
			parameters: url.Values{"default_format": {"JSON"}}, want: "1\n", format: "CSV"},
		{name: "query in the url", parameters: url.Values{"query": {"SELECT 2"}}, want: "2\n", format: "TabSeparated"},
		{name: "query begun in the url", text: " 3 AS x FORMAT TSVWithNames", parameters: url.Values{"query": {"SELECT"}},
			want: "x\n3\n", format: "TSVWithNames"},
		{name: "header of an empty result", text: "SELECT 1 AS x WHERE 0 FORMAT CSVWithNames", want: "\"x\"\n",
			format: "CSVWithNames"},
		{name: "header once for many blocks", text: "SELECT number AS x FROM numbers(4) FORMAT CSVWithNames",
			parameters: url.Values{"max_block_size": {"1"}}, want: "\"x\"\n0\n1\n2\n3\n", format: "CSVWithNames"},
		{name: "settings", text: "SELECT getSetting('max_threads'), getSetting('join_use_nulls')",
			parameters: url.Values{"max_threads": {"7"}, "join_use_nulls": {"1"}}, want: "7\ttrue\n", format: "TabSeparated"},
		{name: "settings do not stay", text: "SELECT getSetting('join_use_nulls')", want: "false\n", format: "TabSeparated"},
		{name: "session time zone is UTC unless set", text: "SELECT timezone(), toHour(toDateTime(0))", want: "UTC\t0\n",
			format: "TabSeparated"},
		{name: "session time zone set", text: "SELECT toHour(toDateTime(0))",
			parameters: url.Values{"session_timezone": {"Asia/Tokyo"}}, want: "9\n", format: "TabSeparated"},
		{name: "database", text: "SELECT currentDatabase()", parameters: url.Values{"database": {"system"}}, want: "system\n",
			format: "TabSeparated"},
		{name: "parameters",
			text: "SELECT {a:UInt8} + 1, {b:String}, {c:Array(String)}, {d:Identifier} FROM (SELECT 5 AS five)",
			parameters: url.Values{
				"param_a": {"1"}, "param_b": {`it's {a:UInt8} \\ \n`}, "param_c": {"['x','y']"}, "param_d": {"five"},
			}, want: "2\tit\\'s {a:UInt8} \\\\ \\n\t['x','y']\t5\n", format: "TabSeparated"},
		{name: "clauses behind brackets", text: "(SELECT 1 AS x) UNION ALL (SELECT 1) SETTINGS max_threads = 1 FORMAT CSV",
			want: "1\n1\n", format: "CSV"},
		{name: "settings behind brackets", text: "(SELECT 1 AS x) UNION ALL (SELECT 1) SETTINGS max_threads = 1",
			want: "1\n1\n", format: "TabSeparated"},
		{name: "settings of one arm", text: "SELECT 1 AS x SETTINGS max_threads = 1 UNION ALL SELECT 1", want: "1\n1\n",
			format: "TabSeparated"},
		{name: "settings before and behind format",
			text: "SELECT getSetting('max_threads') AS x SETTINGS join_use_nulls = 1 FORMAT CSV SETTINGS max_threads = 3",
			want: "3\n", format: "CSV"},
		{name: "totals", text: "SELECT number % 2 AS x, count() FROM numbers(3) GROUP BY x WITH TOTALS ORDER BY x FORMAT TSV",
			want: "0\t2\n1\t1\n\n0\t3\n", format: "TSV"},
		{name: "describe", text: "DESCRIBE TABLE system.one FORMAT CSV", want: `"dummy","UInt8","","","","",""` + "\n",
			format: "CSV"},
		{name: "exists", text: "EXISTS TABLE system.one", want: "1\n", format: "TabSeparated"},
		{name: "a comment at the end", text: "SELECT 1 -- FORMAT CSV", want: "1\n", format: "TabSeparated"},
		{name: "show", text: "SHOW DATABASES LIKE 'system'", want: "system\n", format: "TabSeparated"},
		{name: "explain", text: "EXPLAIN SYNTAX SELECT 1", want: "SELECT 1\nFROM system.one\n", format: "TabSeparated"},
		{name: "user and password are taken and not looked at", text: "SELECT currentUser()",
			parameters: url.Values{"user": {"bob"}, "password": {"x"}}, header: []string{"Authorization", "Basic Ym9iOng="},
			want: "default\n", format: "TabSeparated"},
		{name: "values in the statement, with a blank line", text: "SELECT * FROM VALUES('a UInt8', (1),\n\n(2))",
			want: "1\n2\n", format: "TabSeparated"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := ask(t, test.text, test.parameters, test.header...)
			if r.status != http.StatusOK || r.body != test.want || r.header.Get("X-ClickHouse-Format") != test.format {
				t.Errorf("got %d %q as %s, want %q as %s", r.status, r.body, r.header.Get("X-ClickHouse-Format"), test.want,
					test.format)
			}
			if r.header.Get("X-ClickHouse-Query-Id") == "" || r.header.Get("X-ClickHouse-Summary") == "" {
				t.Errorf("headers lack the query's id or summary: %v", r.header)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name, text string
		parameters url.Values
		header     []string
		status     int
		code, says string
	}{
		{name: "syntax", text: "SELEC 1", status: 400, code: "62", says: "Syntax error"},
		{name: "no statement", text: " ", status: 400, code: "62", says: "Empty query"},
		{name: "table", text: "SELECT * FROM nowhere", status: 404, code: "60", says: "nowhere"},
		{name: "database", text: "SELECT 1", parameters: url.Values{"database": {"no`where"}}, status: 404, code: "81",
			says: "where"},
		{name: "setting", text: "SELECT 1", parameters: url.Values{"max_thread": {"1"}}, status: 404, code: "115",
			says: "max_thread"},
		{name: "setting that is no name", text: "SELECT 1", parameters: url.Values{"a = 1, b": {"1"}}, status: 404,
			code: "115", says: "a = 1, b"},
		{name: "setting's value", text: "SELECT 1", parameters: url.Values{"max_threads": {"many"}}, status: 400, code: "27",
			says: "many"},
		{name: "format", text: "SELECT 1 FORMAT Nonsense", status: 404, code: "73", says: "Nonsense"},
		{name: "parameter missing", text: "SELECT {a:UInt8}", status: 400, code: "456", says: "a"},
		{name: "parameter of another type", text: "SELECT {a:UInt8}", parameters: url.Values{"param_a": {"x"}}, status: 400,
			code: "457", says: "UInt8"},
		{name: "two statements", text: "SELECT 1; SELECT 2", status: 400, code: "62", says: "Multi-statements"},
		{name: "session", text: "SELECT 1", parameters: url.Values{"session_id": {"s"}}, status: 501, code: "48",
			says: "session_id"},
		{name: "role", text: "SELECT 1", parameters: url.Values{"role": {"r"}}, status: 501, code: "48", says: "role"},
		{name: "output file", text: "SELECT 1 INTO OUTFILE '/tmp/x'", status: 501, code: "48", says: "OUTFILE"},
		{name: "content coding", text: "SELECT 1", header: []string{"Content-Encoding", "gzip"}, status: 501, code: "48",
			says: "Content-Encoding"},
		{name: "frames in the answer", text: "SELECT 1", parameters: url.Values{"compress": {"1"}}, status: 501, code: "48",
			says: "decompress"},
		{name: "frames in the body", text: "SELECT 1", parameters: url.Values{"decompress": {"1"}}, status: 501, code: "48",
			says: "decompress"},
		{name: "protocol version", text: "SELECT 1", parameters: url.Values{"client_protocol_version": {"new"}}, status: 400,
			code: "36", says: "client_protocol_version"},
		{name: "time", text: "SELECT max(sipHash64(number)) FROM numbers(100000000000)",
			parameters: url.Values{"max_execution_time": {"0.1"}}, status: 408, code: "159", says: "Timeout"},
		{name: "memory", text: "SELECT uniqExact(number) FROM numbers(10000000)",
			parameters: url.Values{"max_memory_usage": {"10000000"}}, status: 500, code: "241", says: "memory"},
		{name: "rows of the wrong shape", text: "1,2\n",
			parameters: url.Values{"query": {"INSERT INTO FUNCTION null('a UInt8, b UInt8, c UInt8') FORMAT CSV"}}, status: 400,
			code: "27", says: ""},
		{name: "failure behind the first block", text: "SELECT throwIf(number = 3), sleepEachRow(0.001) FROM numbers(8)",
			parameters: url.Values{"max_block_size": {"1"}}, status: 500, code: "395", says: "throwIf"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := ask(t, test.text, test.parameters, test.header...)
			if r.status != test.status || r.header.Get("X-ClickHouse-Exception-Code") != test.code ||
				!strings.Contains(r.body, test.says) {
				t.Errorf("got %d, code %s, %q", r.status, r.header.Get("X-ClickHouse-Exception-Code"), r.body)
			}
			if !strings.HasPrefix(r.body, "Code: "+test.code+". DB::Exception: ") {
				t.Errorf("the text is not an exception's: %q", r.body)
			}
		})
	}
}

func TestGetIsReadOnly(t *testing.T) {
	name := table(t, "a UInt8")
	if r := send(t, http.MethodGet, nil, url.Values{"query": {"SELECT count() FROM " + name}}); r.body != "0\n" {
		t.Errorf("a read by GET gives %d %q", r.status, r.body)
	}
	r := send(t, http.MethodGet, nil, url.Values{"query": {"DROP TABLE " + name}})
	if r.header.Get("X-ClickHouse-Exception-Code") != "164" {
		t.Errorf("a write by GET gives %d %q", r.status, r.body)
	}
	if r := send(t, http.MethodHead, nil, url.Values{"query": {"SELECT 1"}}); r.status != 200 || r.body != "" {
		t.Errorf("HEAD gives %d %q", r.status, r.body)
	}
	if r := send(t, http.MethodDelete, nil, nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE gives %d", r.status)
	}
	for _, path := range []string{"/ping", "/"} {
		response, err := http.Get(enginetest.Shared(t).URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "Ok.\n" {
			t.Errorf("%s gives %q", path, body)
		}
	}
}

// A web page in a browser on this machine must not reach the engine, neither at its address nor
// under a host name that leads to a loopback address.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		host, origin string
		status       int
	}{
		"a program":           {status: http.StatusOK},
		"a program, by name":  {host: "localhost:8123", status: http.StatusOK},
		"a program, over v6":  {host: "[::1]:8123", status: http.StatusOK},
		"the engine's own":    {host: "127.0.0.1", origin: "http://127.0.0.1", status: http.StatusOK},
		"another site's page": {origin: "https://example.com", status: http.StatusForbidden},
		"a local file's page": {origin: "null", status: http.StatusForbidden},
		"a rebound name":      {host: "example.com:8123", status: http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodPost, enginetest.Shared(t).URL, strings.NewReader("SELECT 1"))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = test.host
			if test.origin != "" {
				request.Header.Set("Origin", test.origin)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("got %s, want %d", response.Status, test.status)
			}
		})
	}
}

// If a query fails after rows were sent, the exception follows the rows, between marks with the
// answer's tag.
func TestFailureAmongRows(t *testing.T) {
	const text = "SELECT number, throwIf(number = 200000), sipHash64(number) FROM numbers(400000) FORMAT CSV"
	t.Run("marked", func(t *testing.T) {
		r := ask(t, text, nil)
		tag := r.header.Get("X-ClickHouse-Exception-Tag")
		if r.status != http.StatusOK || len(tag) != 16 {
			t.Fatalf("status %d, tag %q", r.status, tag)
		}
		rows, failure, _ := strings.Cut(r.body, "\r\n__exception__\r\n"+tag+"\r\n")
		if !strings.HasPrefix(rows, "0,0,") {
			t.Errorf("rows begin with %q", rows[:min(20, len(rows))])
		}
		message, end, _ := strings.Cut(failure, "\n")
		if !strings.HasPrefix(message, "Code: 395. ") ||
			end != fmt.Sprintf("%d %s\r\n__exception__\r\n", len(message)+1, tag) {
			t.Errorf("the failure is %q, %q", message, end)
		}
	})
	t.Run("not if the client waits for the end", func(t *testing.T) {
		if r := ask(t, text, url.Values{"wait_end_of_query": {"1"}}); r.status != 500 || strings.Contains(r.body, "0,0,") {
			t.Errorf("got %d %.100q", r.status, r.body)
		}
	})
}

func TestWaitForTheEndOfALongAnswer(t *testing.T) {
	r := ask(t, "SELECT * FROM numbers(300000)", url.Values{"wait_end_of_query": {"1"}})
	if strings.Count(r.body, "\n") != 300000 {
		t.Errorf("got %d of 300000 lines", strings.Count(r.body, "\n"))
	}
}
