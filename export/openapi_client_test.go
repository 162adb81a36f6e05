package export

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// The test is a client that knows only openapi.yaml. It calls every operation with every value of
// every parameter that lists its values, with a key and without one. The service must take what the
// document allows, and the document must describe every answer.
func TestOpenAPIClient(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.event("acme", yesterday(), map[string]any{"channel": "assistant", "assistant_id": "a"})
	f.event("acme", yesterday(), map[string]any{
		"type": "token", "prompt_tokens": 3, "cost_usd": "0.25", "byok": true, "provider": "p", "deployment": "d",
	})
	_, key := f.key("acme")
	c := &schemaClient{fixture: f, doc: loadOpenAPI(t), key: key, described: describedAnswers(t)}
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if strings.Contains(path, "/export/files/") { // send follows the links in answers
				continue
			}
			c.exercise(method, path, append(append(openapi3.Parameters{}, item.Parameters...), operation.Parameters...),
				operation)
		}
	}
	if c.asked < 200 {
		t.Errorf("only %d requests were sent", c.asked)
	}
}

type schemaClient struct {
	*fixture
	doc       document
	key       string
	described func(*http.Request, answer) error
	asked     int
}

// exercise sends the operation's requests, one for each value of its parameters.
func (c *schemaClient) exercise(method, path string, parameters openapi3.Parameters, operation *openapi3.Operation) {
	c.Helper()
	queries := []url.Values{{}}
	for _, p := range parameters {
		if p := p.Value; p.In == "query" {
			for _, value := range c.values(p) {
				queries = append(queries, url.Values{p.Name: {value}})
			}
		}
	}
	if q := c.doc.queries[path]; q != nil {
		names := []string{"columns", "group_by"} // one type tries the values that all types share
		if path == "/v1/exports/users" {
			names = slices.Sorted(maps.Keys(q.members))
		}
		if method == http.MethodHead {
			names = []string{"group_by", "granularity"}
		}
		queries = c.wholeQueries(q, names)
	}
	bodies := [][]byte{nil}
	if operation.RequestBody != nil {
		bodies = c.bodies(operation.RequestBody.Value.Content["application/json"].Schema.Value)
	}
	if operation.Security == nil { // the document does not say that it needs no key
		if a := c.send(method, path, queries[0], "", bodies[0]); a.StatusCode != http.StatusUnauthorized {
			c.Errorf("%s %s without a key: %d", method, path, a.StatusCode)
		}
	}
	for _, query := range queries {
		for _, body := range bodies {
			c.asked++
			if a := c.send(method, path, query, c.key, body); a.StatusCode != http.StatusOK {
				c.Errorf("%s %s?%s %s: %d %s", method, path, query.Encode(), body, a.StatusCode, a.body)
			}
		}
	}
}

// wholeQueries returns, for each value of these members, the shortest query with it that the
// document allows.
func (c *schemaClient) wholeQueries(q *querySchemaOf, names []string) (all []url.Values) {
	c.Helper()
	for _, name := range append(names, "range") {
		for _, value := range q.right(name) {
			whole := q.whole(url.Values{name: {value}}, 2)
			if whole == nil {
				c.Errorf("%s=%s is in no query that the document allows", name, value)
				continue
			}
			all = append(all, whole)
		}
	}
	return all
}

// whole adds up to so many members to a query until the document allows it. It returns nil if the
// document does not.
func (q *querySchemaOf) whole(asked url.Values, more int) url.Values {
	if q.check(asked) == nil {
		return asked
	}
	for size := range more { // the shortest first
		for _, name := range slices.Sorted(maps.Keys(q.members)) {
			if asked.Has(name) {
				continue
			}
			for _, value := range q.right(name) {
				longer := maps.Clone(asked)
				longer[name] = []string{value}
				if whole := q.whole(longer, size); whole != nil {
					return whole
				}
			}
		}
	}
	return nil
}

// values returns the values of a parameter that its schema lists or describes.
func (c *schemaClient) values(p *openapi3.Parameter) (values []string) {
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

// bodies makes bodies from their schema: one for each value of a member that lists its values.
func (c *schemaClient) bodies(schema *openapi3.Schema) (all [][]byte) {
	c.Helper()
	marshal := func(name string, value any) {
		body := c.value(schema).(map[string]any)
		if name != "" {
			body[name] = value
		}
		text, err := json.Marshal(body)
		if err != nil {
			c.Fatal(err)
		}
		all = append(all, text)
	}
	marshal("", nil)
	for name, member := range schema.Properties {
		for _, value := range member.Value.Enum {
			marshal(name, value)
		}
	}
	return all
}

// value makes a value that the schema describes. It has the required members only, and uses
// examples where the schema has them.
func (c *schemaClient) value(schema *openapi3.Schema) any {
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
func (c *schemaClient) send(method, path string, query url.Values, key string, body []byte) answer {
	c.Helper()
	address := c.server.URL + path
	if method == http.MethodGet || method == http.MethodHead {
		if len(query) > 0 {
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
