package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"rollcall/export/query"
)

// A document is openapi.yaml, read in two ways: kin-openapi checks paths, bodies and answers, and
// JSON Schema the whole queries (in: querystring), which kin-openapi does not know yet.
type document struct {
	*openapi3.T                           // without the parameters in: querystring
	queries     map[string]*querySchemaOf // of a path
}

// A querySchemaOf is the schema of a whole query.
type querySchemaOf struct {
	schema  *jsonschema.Schema
	members map[string]map[string]any // their schemas
}

func loadOpenAPI(t testing.TB) document {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(openAPI, &all); err != nil {
		t.Fatal(err)
	}
	d := document{queries: map[string]*querySchemaOf{}}
	schemas := all["components"].(map[string]any)["schemas"].(map[string]any)
	for path, item := range all["paths"].(map[string]any) {
		item := item.(map[string]any)
		parameters, _ := item["parameters"].([]any)
		item["parameters"] = slices.DeleteFunc(parameters, func(p any) bool {
			of, ok := p.(map[string]any)
			if !ok || of["in"] != "querystring" {
				return false
			}
			form := of["content"].(map[string]any)["application/x-www-form-urlencoded"].(map[string]any)
			d.queries[path] = compileQuery(t, all, schemas, form["schema"].(map[string]any)["$ref"].(string))
			return true
		})
	}
	text, err := json.Marshal(all)
	if err == nil {
		d.T, err = openapi3.NewLoader().LoadFromData(text)
	}
	if err == nil {
		err = d.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("openapi.yaml is not valid: %v", err)
	}
	return d
}

func compileQuery(t testing.TB, all, schemas map[string]any, ref string) *querySchemaOf {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "iana-time-zone", Validate: func(value any) error {
		_, err := time.LoadLocation(value.(string))
		return err
	}})
	if err := c.AddResource("openapi.json", all); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi.json" + ref)
	if err != nil {
		t.Fatal(err)
	}
	q := &querySchemaOf{schema, map[string]map[string]any{}}
	own := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	for name, member := range own["properties"].(map[string]any) {
		member := member.(map[string]any)
		if ref, ok := member["$ref"].(string); ok {
			member = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		}
		q.members[name] = member
	}
	return q
}

// check returns an error unless the document allows the query.
func (q *querySchemaOf) check(asked url.Values) error {
	members := map[string]any{}
	for name, values := range asked {
		member := q.members[name]
		switch kind := member["type"]; {
		case kind == "array" && (name != "columns" || len(values) == 1):
			if name == "columns" { // its encoding says that commas separate its values
				values = strings.Split(values[0], ",")
			}
			list := make([]any, len(values))
			for i, value := range values {
				list[i] = value
			}
			members[name] = list
		case len(values) > 1:
			return fmt.Errorf("%s is given more than once", name)
		case kind == "boolean" && (values[0] == "true" || values[0] == "false"):
			members[name] = values[0] == "true"
		default:
			members[name] = values[0]
		}
	}
	return q.schema.Validate(members)
}

// tries are values of a member to ask for, and some that are wrong.
func (q *querySchemaOf) tries(name string) []string {
	if q.members[name]["format"] == "date" {
		return append(q.right(name), "2026-02-30", "")
	}
	return append(q.right(name), "true", "nonsense", "")
}

// right are values of a member: all that its schema lists, or some of those that it describes. Of
// many it has the first, the last and some between.
func (q *querySchemaOf) right(name string) (all []string) {
	member := q.members[name]
	listed, _ := member["enum"].([]any)
	if items, ok := member["items"].(map[string]any); ok {
		listed, _ = items["enum"].([]any)
	}
	step := 1 + len(listed)/5
	for i, value := range listed {
		if i%step == 0 || i == len(listed)-1 {
			all = append(all, fmt.Sprint(value))
		}
	}
	switch {
	case member["format"] == "date":
		return []string{testNow().UTC().Format(time.DateOnly)} // the schema does not say that to is not before from
	case member["format"] == "iana-time-zone":
		return []string{"UTC", "Europe/Berlin"}
	case member["type"] == "boolean" && listed == nil:
		return []string{"true", "false"}
	case member["type"] == "array" && listed == nil:
		return []string{"an-id", "another"}
	}
	return all
}

// The document allows a query exactly if the service takes it. The queries are all with one or two
// members beside a period, and random ones of more members: some values are wrong, and some are
// given twice. The document's verdict comes from its schemas alone.
func TestOpenAPIAllowsWhatTheServiceTakes(t *testing.T) {
	doc := loadOpenAPI(t)
	random := rand.New(rand.NewPCG(7, 7))
	verdicts := map[bool]int{}
	for path, q := range doc.queries {
		typ, err := query.ParseType(strings.TrimPrefix(path, "/v1/exports/"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "/"+string(typ)) {
			continue // an alias, with the same query
		}
		same := func(asked url.Values) {
			allowed := q.check(asked)
			taken := verdict(typ, asked)
			var bad *query.BadRequest
			if taken != nil && !errors.As(taken, &bad) {
				t.Fatalf("%s?%s: %v", path, asked.Encode(), taken)
			}
			if (allowed == nil) != (taken == nil) {
				t.Errorf("%s?%s:\nthe document: %v\nthe service: %v", path, asked.Encode(), allowed, taken)
			}
			verdicts[taken == nil]++
		}
		names := exportParamNames // also those that the document must refuse for this type
		for i, name := range names {
			for _, value := range q.tries(name) {
				for _, other := range names[i:] {
					for _, second := range q.tries(other) {
						for _, period := range periods() {
							period.Add(name, value)
							period.Add(other, second)
							same(period)
						}
					}
				}
			}
		}
		for range 1000 {
			asked := periods()[random.IntN(4)]
			for range random.IntN(6) {
				name := names[random.IntN(len(names))]
				tries := q.tries(name)
				value := tries[random.IntN(len(tries))]
				if name == "columns" && asked.Has(name) {
					value = asked.Get(name) + "," + value
				}
				if name == "columns" || random.IntN(20) > 0 && !slices.Contains(query.FilterNames(), name) {
					asked.Set(name, value)
				} else {
					asked.Add(name, value)
				}
			}
			same(asked)
		}
	}
	if verdicts[true] < 5_000 || verdicts[false] < 5_000 {
		t.Errorf("taken and refused were %v queries", verdicts)
	}
}

// periods are queries with a period of each kind, and one without.
func periods() []url.Values {
	today := testNow().UTC().Format(time.DateOnly)
	return []url.Values{{}, {"range": {"this_month"}}, {"range": {"last_week"}}, {"from": {today}, "to": {today}}}
}
