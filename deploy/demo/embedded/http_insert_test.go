package embedded_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
)

func TestInserts(t *testing.T) {
	native := func(columns ...string) string { // one row of UInt64s, each with a name of its own
		var b bytes.Buffer
		b.Write([]byte{byte(len(columns)), 1})
		for i, name := range columns {
			fmt.Fprintf(&b, "%c%s\x06UInt64", len(name), name)
			binary.Write(&b, binary.LittleEndian, uint64(10+i)) // 10 is also a line feed
		}
		return b.String()
	}
	tests := []struct {
		name, query, body string // T stands for the table
		parameters        url.Values
		want              string
	}{
		{name: "rows in the body", query: "INSERT INTO T FORMAT CSV", body: "1,2\n3,4\n", want: "1\t2\n3\t4\n"},
		{name: "rows behind the statement", body: "INSERT INTO T FORMAT JSONEachRow {\"a\":1}\n\n{\"a\":3,\"b\":4}",
			want: "1\t0\n3\t4\n"},
		{name: "values", body: "INSERT INTO T VALUES (1,2),\n\n(3,4);", want: "1\t2\n3\t4\n"},
		{name: "values in the url alone", query: "INSERT INTO T VALUES (1,2)", want: "1\t2\n"},
		{name: "values that are expressions and parameters", body: "INSERT INTO T (b, a) VALUES ({p:UInt64} + 1, 2 * 3)",
			parameters: url.Values{"param_p": {"4"}}, want: "6\t5\n"},
		{name: "values by default", query: "INSERT INTO T", body: "(1, 2)", want: "1\t2\n"},
		{name: "columns in another order, by name", query: "INSERT INTO T (b, a) FORMAT Native", body: native("b", "a"),
			want: "11\t10\n"},
		{name: "columns named otherwise than listed, by name", query: "INSERT INTO T (a, b) FORMAT Native",
			body: native("b", "a"), want: "11\t10\n"},
		{name: "binary rows with line ends behind the statement",
			body: "INSERT INTO T FORMAT RowBinary\n\n\n\n\n\n\n\n\n\x01\x00\x00\x00\x00\x00\x00\x00",
			want: "723401728380766730\t1\n"},
		{name: "insert select", body: "INSERT INTO T SELECT number, number + 1 FROM numbers(2)", want: "0\t1\n1\t2\n"},
		{name: "no rows", query: "INSERT INTO T FORMAT CSV", want: ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := table(t, "a UInt64, b UInt64")
			parameters := url.Values{"async_insert": {"0"}}
			for k, v := range test.parameters {
				parameters[k] = v
			}
			if test.query != "" {
				parameters.Set("query", strings.Replace(test.query, "INTO T", "INTO "+name, 1))
			}
			mustAsk(t, strings.Replace(test.body, "INTO T", "INTO "+name, 1), parameters)
			if got := mustAsk(t, "SELECT * FROM "+name+" ORDER BY a", nil); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInsertIsOnePart(t *testing.T) {
	name := table(t, "n UInt64, s String")
	var rows strings.Builder
	for i := range 500_000 {
		fmt.Fprintf(&rows, "%d\tvalue\n", i)
	}
	r := ask(t, rows.String(), url.Values{"query": {"INSERT INTO " + name + " FORMAT TSV"}, "async_insert": {"0"}})
	if r.status != http.StatusOK || !strings.Contains(r.header.Get("X-ClickHouse-Summary"), `"written_rows":"500000"`) {
		t.Fatalf("got %d %q, summary %s", r.status, r.body, r.header.Get("X-ClickHouse-Summary"))
	}
	if got := mustAsk(t, "SELECT count(), sum(rows) FROM system.parts WHERE active AND database || '.' || table = '"+name+
		"'", nil); got != "1\t500000\n" {
		t.Errorf("parts and rows: %q", got)
	}
}

// A body that breaks off must not be taken for one that ended.
func TestInsertOfABrokenBodyStoresNothing(t *testing.T) {
	name := table(t, "n UInt64")
	for _, head := range []string{
		"Content-Length: 1000\r\n\r\n1\n2\n", "Transfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(enginetest.Shared(t).URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /?async_insert=0&query=%s HTTP/1.1\r\nHost: x\r\n%s",
			url.QueryEscape("INSERT INTO "+name+" FORMAT TSV"), head)
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("the broken insert was acknowledged: %q", answer)
		}
	}
	if got := mustAsk(t, "SELECT count() FROM "+name, nil); got != "0\n" {
		t.Errorf("rows stored: %q", got)
	}
}
