package embedded_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
)

// A field is one part of a form: a name and a value.
type field [2]string

// askForm sends a form to the shared engine.
func askForm(t *testing.T, fields []field, parameters url.Values) reply {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, f := range fields {
		if err := form.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	form.Close()
	return send(t, http.MethodPost, &body, parameters, "Content-Type", form.FormDataContentType())
}

func TestForms(t *testing.T) {
	for _, test := range []struct {
		name       string
		fields     []field
		parameters url.Values
		want       string
	}{
		{name: "a statement", fields: []field{{"query", "SELECT 1"}}, want: "1\n"},
		{name: "a statement with parameters",
			fields: []field{{"query", "SELECT {a:UInt8} + 1, {b:Array(String)}"}, {"param_a", "1"}, {"param_b", "['x','y']"}},
			want:   "2\t['x','y']\n"},
		{name: "the parameter first", fields: []field{{"param_a", "1"}, {"query", "SELECT {a:UInt8}"}}, want: "1\n"},
		{name: "an empty value", fields: []field{{"param_a", ""}, {"query", "SELECT length({a:String})"}}, want: "0\n"},
		{name: "a statement in two fields", fields: []field{{"query", "SELECT"}, {"param_a", "1"}, {"query", " {a:UInt8}"}},
			want: "1\n"},
		{name: "a statement begun in the url", fields: []field{{"query", "{a:UInt8}"}, {"param_a", "1"}},
			parameters: url.Values{"query": {"SELECT "}}, want: "1\n"},
		{name: "a parameter of the url wins", fields: []field{{"query", "SELECT {a:UInt8}"}, {"param_a", "1"}},
			parameters: url.Values{"param_a": {"2"}}, want: "2\n"},
		{name: "the first of two values wins",
			fields: []field{{"query", "SELECT {a:UInt8}"}, {"param_a", "1"}, {"param_a", "2"}}, want: "1\n"},
		{name: "a setting is none in a form",
			fields: []field{{"query", "SELECT getSetting('join_use_nulls')"}, {"join_use_nulls", "1"}, {"no_such", "1"}},
			want:   "false\n"},
		{name: "settings of the url, one of which ends with _format",
			fields:     []field{{"query", "SELECT toDateTime({a:UInt8}), getSetting('join_use_nulls')"}, {"param_a", "1"}},
			parameters: url.Values{"date_time_output_format": {"unix_timestamp"}, "join_use_nulls": {"1"}}, want: "1\ttrue\n"},
		{name: "default_format of the url", fields: []field{{"query", "SELECT {a:UInt8} AS x"}, {"param_a", "1"}},
			parameters: url.Values{"default_format": {"JSONEachRow"}}, want: "{\"x\":1}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if r := askForm(t, test.fields, test.parameters); r.status != http.StatusOK || r.body != test.want {
				t.Errorf("got %d %q, want %q", r.status, r.body, test.want)
			}
		})
	}
}

// A value arrives byte for byte, as it does in the URL.
func TestFormValuesAreTheURLs(t *testing.T) {
	var every strings.Builder
	for b := range 256 {
		if b != '\'' && b != '\\' {
			every.WriteByte(byte(b))
		}
	}
	for name, text := range map[string]string{
		"every byte": every.String(), "line ends": "\r\n", "a line end first": "\r\na", "a line end last": "a\r\n",
		"half a line end": "a\r", "a boundary": "\r\n--x\r\n--x--\r\n", "one byte": "a", "none": "",
		"escapes": `it\'s \\ \0 \t`, "percent": "%41+&=",
	} {
		t.Run(name, func(t *testing.T) {
			const statement = "SELECT hex({a:Array(String)}[1])"
			value := "['" + text + "']"
			want := mustAsk(t, statement, url.Values{"param_a": {value}})
			if r := askForm(t, []field{{"query", statement}, {"param_a", value}}, nil); r.body != want {
				t.Errorf("got %d %q, want %q", r.status, r.body, want)
			}
		})
	}
}

// Rows of an INSERT may stand behind the statement. There is no body beside the form.
func TestFormsThatWrite(t *testing.T) {
	for name, statement := range map[string]string{
		"select": "INSERT INTO T SELECT {a:UInt8}",
		"values": "INSERT INTO T VALUES ({a:UInt8})",
		"rows":   "INSERT INTO T FORMAT CSV\n7\n",
		"delete": "DELETE FROM T WHERE n != {a:UInt8}",
	} {
		t.Run(name, func(t *testing.T) {
			table := table(t, "n UInt8")
			if name == "delete" {
				mustAsk(t, "INSERT INTO "+table+" VALUES (3), (7), (9)", nil)
			}
			fields := []field{{"query", strings.Replace(statement, "INTO T", "INTO "+table, 1)}, {"param_a", "7"}}
			fields[0][1] = strings.Replace(fields[0][1], "FROM T", "FROM "+table, 1)
			if r := askForm(t, fields, nil); r.status != http.StatusOK {
				t.Fatalf("got %d %q", r.status, r.body)
			}
			if got := mustAsk(t, "SELECT * FROM "+table, nil); got != "7\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	const contentType = "multipart/form-data; boundary=x"
	part := func(disposition, value string) string {
		return "--x\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	long := strings.Repeat("a", 128<<10)
	for _, test := range []struct {
		name, body, contentType, code, says string
	}{
		{"a file", part(`name="t"; filename=""`, "1") + "--x--\r\n", contentType, "48", "external tables"},
		{"a form without its end", part(`name="query"`, "SELECT 1"), contentType, "33", "last boundary"},
		{"a form that breaks off in a value", part(`name="query"`, "SELECT 1") + part(`name="param_a"`, "12")[:56],
			contentType, "33", "last boundary"},
		{"a form without a boundary", part(`name="query"`, "SELECT 1") + "--x--\r\n", "multipart/form-data", "36", "boundary"},
		{"another kind of parts", part(`name="query"`, "SELECT 1") + "--x--\r\n", "multipart/mixed; boundary=x", "48",
			"external tables"},
		{"a value that is too long", part(`name="query"`, "SELECT 1") + part(`name="param_a"`, long+"a") + "--x--\r\n",
			contentType, "1000", "Field value too long"},
		{"a statement that is too long", part(`name="query"`, "SELECT 1 --"+long) + "--x--\r\n", contentType, "1000",
			"Field value too long"},
		{"a name that is too long", part(`name="query"`, "SELECT 1") + part(`name="`+long+`a"`, "1") + "--x--\r\n",
			contentType, "1000", "Field name too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ask(t, test.body, nil, "Content-Type", test.contentType)
			if code := r.header.Get("X-ClickHouse-Exception-Code"); code != test.code || !strings.Contains(r.body, test.says) {
				t.Errorf("got %d, code %s, %q; want code %s and %q", r.status, code, r.body, test.code, test.says)
			}
		})
	}
	longest := []field{{"query", "SELECT length({a:String})"}, {"param_a", long}}
	if r := askForm(t, longest, nil); r.body != "131072\n" {
		t.Errorf("the longest value gives %d %q", r.status, r.body)
	}
}

// A part's other headers change nothing: a server does not read them.
func TestHeadersOfAFormsPart(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", `form-data; name="query"`)
	header.Set("Content-Transfer-Encoding", "quoted-printable")
	part, err := form.CreatePart(header)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, "SELECT '=41'")
	form.Close()
	r := send(t, http.MethodPost, &body, nil, "Content-Type", form.FormDataContentType())
	if r.body != "=41\n" {
		t.Errorf("got %d %q", r.status, r.body)
	}
}

// The engine of the tests takes request lines of 8 KiB, as many proxies do.
func TestLongRequestLines(t *testing.T) {
	length := len("POST /?query=SELECT+1&database= HTTP/1.1\r\n")
	for size, want := range map[int]int{8192: http.StatusNotFound, 8193: http.StatusRequestURITooLong} {
		parameters := url.Values{"query": {"SELECT 1"}, "database": {strings.Repeat("a", size-length)}}
		if r := send(t, http.MethodPost, nil, parameters); r.status != want {
			t.Errorf("a line of %d bytes gives %d %.200q", size, r.status, r.body)
		}
	}
}
