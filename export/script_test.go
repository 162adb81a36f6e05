package export

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"rollcall/export/query"
	"rollcall/schema"
)

// TestScripts sends the requests of testdata/*.txt and compares the answers with the expected ones.
// A case is
//
//	=== its name
//	METHOD /path?query
//	Header: value
//
//	body
//	--- status
//	Header: value, or empty where the answer must not have it
//
//	body
//
// ${name} stands for a key, a date (${today}, ${today-3}, ${earliest}, …) or a text of the fixture.
// In an expected text, … stands for any text and ${hex8} for any eight hex digits. Headers and a
// body that a case does not mention are not checked. In addition, openapi.yaml must describe every
// answer.
func TestScripts(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.PublicURL = "https://usage.example.com" })
	words := f.scriptWords()
	described := describedAnswers(t)
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			title, script, _ := strings.Cut(part, "\n")
			t.Run(strings.TrimSuffix(filepath.Base(name), ".txt")+"/"+title, func(t *testing.T) {
				f := *f
				f.T = t
				f.runScript(script, words, described)
			})
		}
	}
}

// scriptWords fills the database with the data that the scripts ask for, and returns the values of
// the scripts' ${name}s.
func (f *fixture) scriptWords() map[string]string {
	at := yesterday().Add(10 * time.Hour)
	f.settings("acme", "Acme Ltd", at.AddDate(0, -1, 0), true, false, false, false)
	f.settings("byok", "Bring your own", at.AddDate(0, -1, 0), true, true, true, false)
	f.event("acme", at, nil)
	f.event("acme", at, map[string]any{"user_id": "=cmd()", "channel": "assistant", "assistant_id": "helper"})
	f.event("acme", at, map[string]any{"type": "action", "action": "web_search"})
	f.event("byok", at, map[string]any{
		"type": "token", "prompt_tokens": 3, "cost_usd": "0.25", "byok": true, "provider": "p", "deployment": "d",
	})
	words := map[string]string{"unknown": "rc_aaaaaaaaaaaa_" + strings.Repeat("A", 43)}
	for _, org := range []string{"acme", "byok", "empty"} {
		words[org+"_id"], words[org] = f.key(org)
	}
	_, words["noscope"] = f.key("acme", "ADMIN")
	revoked, text := f.key("acme")
	words["revoked"] = text
	if err := f.service.keys.Revoke(context.Background(), revoked); err != nil {
		f.Fatal(err)
	}
	_, expired, err := f.service.keys.Create(context.Background(), "acme", "expired", time.Nanosecond)
	if err != nil {
		f.Fatal(err)
	}
	words["expired"] = expired
	words["wrong"] = words["acme"][:20] + strings.Repeat("x", len(words["acme"])-20)
	today := schema.DayOf(testNow().UTC())
	for back := -400; back <= 400; back++ {
		words[fmt.Sprintf("today%+d", back)] = (today + schema.Day(back)).String()
	}
	words["today"], words["earliest"], words["too_early"] = today.String(), schema.Earliest(today).String(),
		(schema.Earliest(today) - 1).String()
	words["hex8"] = eightHexDigits
	words["4k"], words["70k"] = strings.Repeat("x", 4096), strings.Repeat("x", 70<<10)
	return words
}

func (f *fixture) runScript(script string, words map[string]string, described func(*http.Request, answer) error) {
	script = regexp.MustCompile(`\$\{([^}]+)\}`).ReplaceAllStringFunc(script, func(s string) string {
		word, ok := words[s[2:len(s)-1]]
		if !ok {
			f.Fatalf("the script's word %s is not known", s)
		}
		return word
	})
	asked, expected, ok := strings.Cut(script, "\n--- ")
	if !ok {
		f.Fatal("the script expects nothing: no line --- status")
	}
	request := f.scriptRequest(asked)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got := answer{response, string(body), err}
	f.expect(got, expected)
	if err := described(request, got); err != nil {
		f.Errorf("openapi.yaml does not describe this answer: %v\n%s", err, got.body)
	}
}

func (f *fixture) scriptRequest(asked string) *http.Request {
	head, body, _ := strings.Cut(asked, "\n\n")
	reader := bufio.NewScanner(strings.NewReader(head))
	reader.Buffer(nil, 1<<20)
	reader.Scan()
	method, path, _ := strings.Cut(reader.Text(), " ")
	request, err := http.NewRequest(method, f.server.URL+path, strings.NewReader(strings.TrimSuffix(body, "\n")))
	if err != nil {
		f.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for reader.Scan() {
		name, value, _ := strings.Cut(reader.Text(), ": ")
		request.Header.Add(name, value)
	}
	return request
}

func (f *fixture) expect(got answer, expected string) {
	head, body, mentioned := strings.Cut(expected, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	if fmt.Sprint(got.StatusCode) != lines[0] {
		f.Errorf("status %d, want %s: %s", got.StatusCode, lines[0], got.body)
	}
	if got.err != nil {
		f.Errorf("the body was cut: %v", got.err)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !matches(got.Header.Get(name), value) {
			f.Errorf("%s: %q, want %q", name, got.Header.Get(name), value)
		}
	}
	text := strings.ReplaceAll(strings.TrimSpace(got.body), "\r\n", "\n")
	if body = strings.TrimSpace(body); mentioned && body != "" && !matches(text, body) {
		f.Errorf("body\n%s\nwant\n%s", text, body)
	}
}

// eightHexDigits stands for any eight hex digits in an expected text.
const eightHexDigits = "<8 hex digits>"

func matches(got, want string) bool {
	pattern := strings.NewReplacer("…", ".*", eightHexDigits, "[0-9a-f]{8}").Replace(regexp.QuoteMeta(want))
	return regexp.MustCompile(`(?s)^` + pattern + `$`).MatchString(got)
}

// describedAnswers returns a function that checks an answer against openapi.yaml.
func describedAnswers(t *testing.T) func(*http.Request, answer) error {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/csv", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/vnd.apache.parquet", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder(contentTypes[query.XLSX], openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.FileBodyDecoder)
	doc := loadOpenAPI(t)
	router, err := gorillamux.NewRouter(doc.T)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request, a answer) error {
		asked := r.Clone(r.Context())
		asked.URL.Scheme = ""
		asked.URL.Host = ""
		route, params, err := router.FindRoute(asked)
		if err != nil {
			if r.URL.Path == "/" || r.Method == http.MethodHead || a.StatusCode == http.StatusNotFound ||
				a.StatusCode == http.StatusMethodNotAllowed || strings.HasPrefix(r.URL.Path, "/export/files/") {
				return nil // the page, a HEAD, or an address that the document does not have and the service refuses
			}
			return err
		}
		input := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route,
			Options: &openapi3filter.Options{
				AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			}}
		if q := doc.queries[route.Path]; q != nil && a.StatusCode < 400 {
			if err := q.check(asked.URL.Query()); err != nil {
				return err
			}
		}
		if a.StatusCode < 400 { // what the service takes, the document must allow
			if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
				return err
			}
		}
		return openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: a.StatusCode, Header: a.Header,
			Body: io.NopCloser(bytes.NewReader([]byte(a.body))), Options: input.Options,
		})
	}
}
