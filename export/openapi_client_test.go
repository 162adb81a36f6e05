package export

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// The test is a client that knows only openapi.yaml. It calls every operation with every value of
// every parameter that lists its values, with a key and without one. The document must describe
// every answer, at least one export must accept each value, and the service must have every path.
func TestOpenAPIClient(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.event("acme", yesterday(), map[string]any{"channel": "assistant", "assistant_id": "a"})
	f.event("acme", yesterday(), map[string]any{
		"type": "token", "prompt_tokens": 3, "cost_usd": "0.25", "byok": true, "provider": "p", "deployment": "d",
	})
	_, key := f.key("acme")
	c := schemaClient{fixture: f, doc: loadOpenAPI(t), key: key, described: describedAnswers(t), taken: map[string]bool{}}
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if strings.Contains(path, "/export/files/") { // send follows the links in answers
				continue
			}
			c.exercise(method, path, append(append(openapi3.Parameters{}, item.Parameters...), operation.Parameters...),
				operation)
		}
	}
	for value, ok := range c.taken {
		if !ok {
			t.Errorf("openapi.yaml knows %s, and no export takes it", value)
		}
	}
	if len(c.taken) < 20 {
		t.Errorf("only %d values of parameters were tried", len(c.taken))
	}
}

type schemaClient struct {
	*fixture
	doc       *openapi3.T
	key       string
	described func(*http.Request, answer) error
	taken     map[string]bool // parameter=value → some request with it was answered 200
}

// exercise sends the operation's requests, one for each value of its parameters.
func (c schemaClient) exercise(method, path string, parameters openapi3.Parameters, operation *openapi3.Operation) {
	c.Helper()
	body := c.body(operation)
	paths := []string{path}
	queries := []url.Values{{}}
	for _, p := range parameters {
		switch p := p.Value; {
		case p.In == "path":
			paths = nil
			for _, value := range p.Schema.Value.Enum {
				paths = append(paths, strings.ReplaceAll(path, "{"+p.Name+"}", value.(string)))
			}
		case p.In == "query" && p.Name == "to": // goes with from
		case p.In == "query":
			for _, value := range c.values(p) {
				queries = append(queries, url.Values{p.Name: {value}})
			}
		}
	}
	if operation.Security == nil { // the document does not say that it needs no key
		a := c.send(method, paths[0], url.Values{"range": {"this_month"}}, "", body)
		if a.StatusCode != http.StatusUnauthorized {
			c.Errorf("%s %s without a key: %d", method, paths[0], a.StatusCode)
		}
	}
	for i, address := range paths {
		for j, query := range queries {
			if i > 0 && j > 0 && !query.Has("group_by") { // only the first type tries the values that all types share
				continue
			}
			a := c.send(method, address, c.whole(path, query), c.key, body)
			for name := range query {
				value := name + "=" + query.Get(name)
				c.taken[value] = c.taken[value] || a.StatusCode == http.StatusOK
			}
			if len(query) == 0 && a.StatusCode != http.StatusOK {
				c.Errorf("%s %s: %d %s", method, address, a.StatusCode, a.body)
			}
		}
	}
}

// values returns the values of a parameter that its schema lists or describes.
func (c schemaClient) values(p *openapi3.Parameter) (values []string) {
	schema := p.Schema.Value
	switch {
	case len(schema.Enum) > 0:
		for _, value := range schema.Enum {
			values = append(values, fmt.Sprint(value))
		}
	case schema.Type.Is("boolean"):
		values = []string{"true", "false"}
	case schema.Format == "date":
		values = []string{yesterday().Format(time.DateOnly)}
	case schema.Type.Is("array"):
		values = []string{fmt.Sprint(p.Example.([]any)[0])}
	default:
		values = []string{fmt.Sprint(p.Example)}
	}
	return values
}

// whole adds the parameters that the document requires in words: an export takes exactly one of
// range, or from and to; week_start goes with a range of a week, and a decimal comma with another
// delimiter than the comma.
func (c schemaClient) whole(path string, query url.Values) url.Values {
	whole := url.Values{}
	for name, values := range query {
		whole[name] = values
	}
	switch {
	case path != "/v1/exports/{type}" || query.Has("range"):
	case query.Has("from"):
		whole.Set("to", query.Get("from"))
	case query.Has("week_start"):
		whole.Set("range", "this_week")
	default:
		whole.Set("range", "this_month")
	}
	if query.Get("decimal") == "comma" {
		whole.Set("delimiter", "semicolon")
	}
	return whole
}

// body makes the operation's body from its schema. It returns nil if the operation takes none.
func (c schemaClient) body(operation *openapi3.Operation) []byte {
	if operation.RequestBody == nil {
		return nil
	}
	text, err := json.Marshal(c.value(operation.RequestBody.Value.Content["application/json"].Schema.Value))
	if err != nil {
		c.Fatal(err)
	}
	return text
}

// value makes a value that the schema describes. It has the required members only, and uses
// examples where the schema has them.
func (c schemaClient) value(schema *openapi3.Schema) any {
	if schema.Type.Is("object") {
		members := map[string]any{}
		for _, name := range schema.Required {
			members[name] = c.value(schema.Properties[name].Value)
		}
		return members
	}
	switch example, _ := schema.Example.(string); {
	case strings.HasPrefix(example, "20"): // a date; the example's own will be too old to export one day
		return yesterday().Format(time.DateOnly)
	case example != "":
		return example
	}
	c.Fatalf("openapi.yaml has no example where a client needs one: %+v", schema)
	return nil
}

// send sends a request, checks that the document describes the answer, and follows the link in the
// answer if there is one.
func (c schemaClient) send(method, path string, query url.Values, key string, body []byte) answer {
	c.Helper()
	address := c.server.URL + path
	if method == http.MethodGet || method == http.MethodHead {
		if query = known(path, query); len(query) > 0 {
			address += "?" + query.Encode()
		}
	}
	request, err := http.NewRequest(method, address, strings.NewReader(string(body)))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	a := answer{response, string(text), err}
	if err := c.described(request, a); err != nil {
		c.Errorf("openapi.yaml does not describe the answer to %s %s: %v\n%s", method, address, err, a.body)
	}
	var link struct{ Data struct{ DownloadURL string } }
	if json.Unmarshal(text, &link); link.Data.DownloadURL != "" {
		linked := strings.TrimPrefix(link.Data.DownloadURL, c.server.URL)
		if file := c.send(http.MethodGet, linked, nil, "", nil); file.StatusCode != http.StatusOK {
			c.Errorf("%s: %d", link.Data.DownloadURL, file.StatusCode)
		}
	}
	return a
}

// known removes the period from the query of an address that does not take one.
func known(path string, query url.Values) url.Values {
	if !strings.HasPrefix(path, "/v1/exports/") {
		query.Del("range")
	}
	return query
}
