package export

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"rollcall/export/query"
)

var update = flag.Bool("update", false,
	"rewrite the generated part of openapi.yaml and the expected answers in testdata")

const generatedFrom = "    # From here on made from query.AllColumns by `make generate`.\n"

// The rows that the document describes have the columns of the exports, in the same order.
func TestOpenAPIColumns(t *testing.T) {
	head, _, ok := bytes.Cut(openAPI, []byte(generatedFrom))
	if !ok {
		t.Fatal("openapi.yaml has lost the line that says where the generated part begins")
	}
	want := append(slices.Clone(head), generatedFrom+rowSchemas()...)
	if *update {
		if err := os.WriteFile("openapi.yaml", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openAPI, want) {
		t.Error("openapi.yaml does not tell the columns as export/query has them; run make generate")
	}
}

func rowSchemas() string {
	var b strings.Builder
	for _, t := range query.Types() {
		fmt.Fprintf(&b, "    %s:\n      type: object\n      additionalProperties: false\n      minProperties: 1\n"+
			"      description: All columns whose condition holds, or those that the parameter columns names.\n"+
			"      properties:\n", rowSchema(t))
		for _, c := range query.AllColumns(t) {
			meaning := c.Meaning
			if c.When != "" {
				meaning += " Only " + c.When + "."
			}
			if query.OnRequest(t, c) {
				meaning += " Only if the parameter columns names it."
			}
			fmt.Fprintf(&b, "        %s: { %s, description: %q }\n", c.Name, jsonType(c), meaning)
		}
	}
	return b.String()
}

func rowSchema(t query.Type) string {
	if t == query.APIKeys {
		return "ApiKeysRow"
	}
	return strings.ToUpper(string(t[:1])) + string(t[1:]) + "Row"
}

// jsonType returns the schema of a column's values in json and ndjson.
func jsonType(c query.Column) string {
	kind, canBeNull := c.Kind.Base()
	schema := jsonTypeOf(kind)
	if canBeNull && !strings.HasPrefix(c.Name, "period_") {
		kind, rest, more := strings.Cut(strings.TrimPrefix(schema, "type: "), ",")
		schema = fmt.Sprintf("type: [%s, \"null\"]", kind)
		if more {
			schema += "," + rest
		}
	}
	return schema
}

func jsonTypeOf(kind query.Kind) string {
	switch kind {
	case query.Text:
		return "type: string"
	case query.Date:
		return "type: string, format: date"
	case query.Integer:
		return "type: integer, minimum: 0"
	case query.Time:
		return "type: string, format: date-time"
	case query.Ratio, query.Rate, query.Cost, query.Quantity:
		return "type: number, minimum: 0"
	case query.Bool:
		return "type: boolean"
	case query.List:
		return "type: array, items: { type: string }"
	case query.CountMap:
		return "type: object, additionalProperties: { type: integer, minimum: 0 }"
	case query.TextMap:
		return "type: object, additionalProperties: { type: string }"
	case query.CostMap:
		return "type: object, additionalProperties: { type: number, minimum: 0 }"
	}
	panic("a kind of column that openapi.yaml does not know: " + string(kind))
}
