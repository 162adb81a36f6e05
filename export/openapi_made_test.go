package export

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/export/query"
	"rollcall/schema"
)

var update = flag.Bool("update", false,
	"rewrite the generated part of openapi.yaml and the expected answers in testdata")

// The two parts of openapi.yaml that `make generate` writes, each between these lines.
const (
	madeFrom = "# From here on made by `make generate`: "
	madeTo   = "# Here ends what `make generate` makes.\n"
)

// The document has a path for each type, with the parameters that the service takes for it, and the
// rows have the columns of the exports, in the same order.
func TestOpenAPIIsMadeOfTheTypes(t *testing.T) {
	want := withMade(t, withMade(t, string(openAPI), "a path for each type.\n", typePaths()),
		"queries, bodies and rows of each type.\n", typeSchemas())
	if *update {
		if err := os.WriteFile("openapi.yaml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(openAPI) != want {
		t.Error("openapi.yaml does not tell the types as export/query has them; run make generate")
	}
}

// withMade returns the document with a text in one of the parts that are made.
func withMade(t *testing.T, document, part, text string) string {
	head, rest, ok := strings.Cut(document, madeFrom+part)
	_, tail, ends := strings.Cut(rest, madeTo)
	if !ok || !ends {
		t.Fatalf("openapi.yaml has lost the lines around the part %q", part)
	}
	indent := head[strings.LastIndex(head, "\n")+1:]
	return head + madeFrom + part + text + indent + madeTo + tail
}

// typePaths are the paths of all types, under each of their names.
func typePaths() string {
	var b strings.Builder
	for _, t := range query.Types() {
		for _, name := range append([]string{string(t)}, t.Aliases()...) {
			b.WriteString(exportPath(t, name))
		}
	}
	for _, t := range query.Types() {
		if !onDropIn(t) {
			continue
		}
		for _, name := range append([]string{string(t)}, t.Aliases()...) {
			b.WriteString(dropInPath(t, name, "", "A download link for a CSV", "Link"))
			b.WriteString(dropInPath(t, name, "csv", "A download link for a CSV", "Link"))
			b.WriteString(dropInPath(t, name, "json", "The rows themselves", "Rows"))
		}
	}
	text := b.String()
	text = anchored(text, "headers", "exportHeaders", "ETag", "Rollcall-Request-Id")
	text = anchored(text, "responses", "exportHead", "\"200\": { $ref: \"#/components/responses/ExportHeaders", "\"5XX\"")
	text = anchored(text, "responses", "dropInLink", "\"200\": { $ref: \"#/components/responses/DropInLink", "\"503\"")
	return anchored(text, "responses", "dropInRows", "\"200\": { $ref: \"#/components/responses/DropInRows", "\"503\"")
}

// anchored writes the value of a key where it first occurs, and refers to that everywhere else. The
// value's first and last lines begin as given.
func anchored(text, key, anchor, first, last string) string {
	value := regexp.MustCompile(`(?s)\n +` + regexp.QuoteMeta(first) + `.*?\n +` + regexp.QuoteMeta(last) + `[^\n]*\n`)
	block := key + ":" + value.FindString(text)
	head, tail, _ := strings.Cut(text, block)
	return head + strings.Replace(block, ":", ": &"+anchor, 1) + strings.ReplaceAll(tail, block, key+": *"+anchor+"\n")
}

func exportPath(t query.Type, name string) string {
	return strings.NewReplacer("NAME", name, "Name", operation(t, name), "Type", camelCase(string(t))).Replace(
		`  /v1/exports/NAME:
    parameters:
      - name: query
        in: querystring
        required: true
        content:
          application/x-www-form-urlencoded:
            schema: { $ref: "#/components/schemas/TypeQuery" }
            encoding: { columns: { style: form, explode: false } }
      - $ref: "#/components/parameters/if_none_match"
    get:
      operationId: exportName
      tags: [exports]
      summary: The export NAME
      responses:
        "200":
          description: The rows. A row's members are the columns of its type, in this order.
          headers:
            ETag: { $ref: "#/components/headers/ETag" }
            Content-Disposition: { $ref: "#/components/headers/Disposition" }
            Content-Encoding: { $ref: "#/components/headers/ContentEncoding" }
            Rollcall-Complete-Through: { $ref: "#/components/headers/CompleteThrough" }
            Rollcall-Request-Id: { $ref: "#/components/headers/RequestId" }
          content:
            text/csv: { schema: { type: string } }
            application/x-ndjson: { schema: { type: string } }
            application/json: { schema: { type: array, items: { $ref: "#/components/schemas/TypeRow" } } }
            application/vnd.apache.parquet: { schema: { type: string, format: binary } }
            application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: { schema: { type: string, format: binary } }
        "304": { $ref: "#/components/responses/NotModified" }
        "400": { $ref: "#/components/responses/Problem" }
        "401": { $ref: "#/components/responses/Problem" }
        "403": { $ref: "#/components/responses/Problem" }
        "422": { $ref: "#/components/responses/Unfit" }
        "426": { $ref: "#/components/responses/Problem" }
        "429": { $ref: "#/components/responses/Problem" }
        "500": { $ref: "#/components/responses/Problem" }
        "503": { $ref: "#/components/responses/Problem" }
    head:
      operationId: exportNameHeaders
      tags: [exports]
      summary: The headers of the export NAME alone
      responses:
        "200": { $ref: "#/components/responses/ExportHeaders" }
        "304": { $ref: "#/components/responses/NotModified" }
        "4XX": { $ref: "#/components/responses/HeadersAlone" }
        "5XX": { $ref: "#/components/responses/HeadersAlone" }
`)
}

func dropInPath(t query.Type, name, form, summary, reply string) string {
	path := name
	if form != "" {
		path += "/" + form
	}
	id := operation(t, name) + strings.ToUpper(form)
	return strings.NewReplacer(
		"PATH", path, "Operation", id, "Type", camelCase(string(t)), "SUMMARY", summary, "Reply", reply,
	).Replace(
		`  /export/PATH:
    servers: [{ url: / }, { url: /api/public, description: Where clients know it from dedicated deployments. }]
    post:
      operationId: dropInOperation
      tags: [drop-in]
      summary: SUMMARY
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/TypeDropIn" } } } }
      responses:
        "200": { $ref: "#/components/responses/DropInReply" }
        "400": { $ref: "#/components/responses/DropInError" }
        "401": { $ref: "#/components/responses/DropInError" }
        "403": { $ref: "#/components/responses/DropInError" }
        "404": { $ref: "#/components/responses/DropInError" }
        "413": { $ref: "#/components/responses/DropInError" }
        "415": { $ref: "#/components/responses/DropInError" }
        "426": { $ref: "#/components/responses/DropInError" }
        "429": { $ref: "#/components/responses/DropInError" }
        "500": { $ref: "#/components/responses/DropInError" }
        "503": { $ref: "#/components/responses/DropInError" }
`)
}

// operation is the part of an operation's id that tells the names of all types apart.
func operation(t query.Type, name string) string {
	if name != string(t) && camelCase(name) == camelCase(string(t)) {
		return camelCase(name) + "Alias"
	}
	return camelCase(name)
}

// camelCase makes api-keys and api_keys ApiKeys.
func camelCase(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func typeSchemas() string {
	var b strings.Builder
	b.WriteString(inactiveRule() + valuesRule())
	for _, t := range query.Types() {
		b.WriteString(querySchema(t))
	}
	for _, t := range query.Types() {
		if onDropIn(t) {
			b.WriteString(dropInSchema(t))
		}
	}
	b.WriteString("    Row:\n      anyOf:\n")
	for _, t := range query.Types() {
		fmt.Fprintf(&b, "        - $ref: \"#/components/schemas/%sRow\"\n", camelCase(string(t)))
	}
	return b.String() + rowSchemas()
}

// inactiveRule says that include_inactive=true stands beside no filter.
func inactiveRule() string {
	return "    InactiveWithoutFilters:\n" +
		"      description: A filter lists what has the usage that it names, so include_inactive=true stands beside none.\n" +
		"      anyOf:\n" +
		"        - properties: { include_inactive: { enum: [false] } }\n" +
		"        - properties: { " + eachFilter("", "false") + " }\n"
}

// valuesRule keeps the values of all filters within the limit of a request. JSON Schema cannot add
// them up, so the rule allows a few values of each filter, or many users and one value of each
// other filter. More shapes would be more than schema-driven clients can combine with the other
// rules.
func valuesRule() string {
	const limit = 50
	others := len(query.FilterNames()) - 1
	return fmt.Sprintf("    FilterValues:\n"+
		"      description: The service takes %d values of filters in a request, however they are shared out. These are within "+
		"that.\n"+
		"      anyOf:\n"+
		"        - properties: { %s }\n"+
		"        - properties: { user_id: { maxItems: %d }, %s }\n",
		limit, eachFilter("", fmt.Sprintf("{ maxItems: %d }", limit/(others+1))),
		limit-others, eachFilter("user_id", "{ maxItems: 1 }"))
}

// eachFilter are all filters but one, as members with a schema.
func eachFilter(but, schema string) string {
	var all []string
	for _, name := range query.FilterNames() {
		if name != but {
			all = append(all, name+": "+schema)
		}
	}
	return strings.Join(all, ", ")
}

// querySchema is what the query of an export may be.
func querySchema(t query.Type) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    %sQuery:\n      type: object\n      additionalProperties: false\n      properties:\n",
		camelCase(string(t)))
	groups := t.GroupBys()
	for _, name := range exportParamNames {
		switch {
		case !takes(t, name, good[name]):
		case name == "include_inactive" && !takes(t, name, "true"):
			fmt.Fprintf(&b, "        include_inactive: { type: boolean, enum: [false], description: The export lists usage alone. }\n")
		case name == "group_by":
			fmt.Fprintf(&b, "        group_by: { type: string, enum: [%s], description: %q }\n", strings.Join(groups, ", "),
				groupMeaning(groups))
		case name == "columns":
			fmt.Fprintf(&b, "        columns: { type: array, minItems: 1, uniqueItems: true, description: %q, "+
				"items: { type: string, enum: [%s] } }\n", columnsMeaning, strings.Join(columnNames(t, nil), ", "))
		default:
			fmt.Fprintf(&b, "        %s: { $ref: \"#/components/schemas/%s\" }\n", name, camelCase(name))
		}
	}
	b.WriteString("      allOf:\n")
	for _, rule := range []string{
		"OnePeriod", "WeekStartOfWeeks", "OptionsOfCSV", "InactiveWithoutFilters", "FilterValues",
	} {
		fmt.Fprintf(&b, "        - $ref: \"#/components/schemas/%s\"\n", rule)
	}
	onRequest := columnNames(t, func(c query.Column) bool { return query.OnRequest(t, c) })
	fmt.Fprintf(&b, "        - description: The word default names all columns but those on request.\n          anyOf:\n"+
		"            - properties: { columns: { items: { not: { enum: [default] } } } }\n"+
		"            - properties: { columns: { items: { enum: [%s] } } }\n", strings.Join(onRequest, ", "))
	if len(groups) > 0 {
		b.WriteString(groupColumnsRule(t))
	}
	return b.String()
}

// groupColumnsRule says that the columns of a group are there only where the rows are split by it.
func groupColumnsRule(t query.Type) string {
	var b strings.Builder
	b.WriteString("        - description: The columns of a group are there only with it.\n          anyOf:\n")
	of := func(group string) func(query.Column) bool {
		return func(c query.Column) bool {
			return strings.HasPrefix(c.When, "with group_by=") && c.When != "with group_by="+group
		}
	}
	all := columnNames(t, of(""))[1:]
	fmt.Fprintf(&b, "            - properties: { columns: { items: { not: { enum: [%s] } } } }\n", strings.Join(all, ", "))
	for _, group := range t.GroupBys() {
		others := columnNames(t, of(group))[1:]
		if len(others) == 0 {
			fmt.Fprintf(&b, "            - { required: [group_by], properties: { group_by: { enum: [%s] } } }\n", group)
			continue
		}
		fmt.Fprintf(&b, "            - { required: [group_by], properties: { group_by: { enum: [%s] }, "+
			"columns: { items: { not: { enum: [%s] } } } } }\n", group, strings.Join(others, ", "))
	}
	return b.String()
}

// columnNames are the word default and the columns of a type that a condition selects; nil selects
// all.
func columnNames(t query.Type, which func(query.Column) bool) []string {
	names := []string{"default"}
	for _, c := range query.AllColumns(t) {
		if which == nil || which(c) {
			names = append(names, c.Name)
		}
	}
	return names
}

const columnsMeaning = "The columns in the order wanted, separated by commas; default stands for the usual ones. " +
	"GET /v1/exports lists those that the workspace's settings allow."

func groupMeaning(groups []string) string {
	meaning := "Splits the rows."
	if slices.Contains(groups, "deployment") {
		meaning += " deployment is for workspaces with byok on."
	}
	return meaning
}

// dropInSchema is the body of a request to the drop-in surface.
func dropInSchema(t query.Type) string {
	group := `{ type: "null" }`
	if groups := t.GroupBys(); len(groups) > 0 {
		group = fmt.Sprintf(`{ type: [string, "null"], enum: [%s, null], description: %q }`, strings.Join(groups, ", "),
			groupMeaning(groups))
	}
	return fmt.Sprintf("    %sDropIn: { type: object, additionalProperties: false, required: [from, to], properties: { "+
		"from: { $ref: \"#/components/schemas/WallClock\" }, to: { $ref: \"#/components/schemas/WallClock\" }, "+
		"group_by: %s } }\n", camelCase(string(t)), group)
}

// good are values of parameters that at least one type takes.
var good = map[string]string{
	"timezone": "UTC", "week_start": "monday", "granularity": "week", "format": "csv", "columns": "default",
	"include_inactive": "false", "attributes": "now", "delimiter": "tab", "decimal": "point", "bom": "true",
	"preset": "excel-de",
}

// takes says whether the service takes a parameter with a value for a type. It asks the service's
// own checks.
func takes(t query.Type, name, value string) bool {
	asked := url.Values{"range": {"this_week"}}
	today := testNow().UTC().Format(time.DateOnly)
	switch {
	case name == "from" || name == "to":
		asked = url.Values{"from": {today}, "to": {today}}
	case name == "group_by":
		return len(t.GroupBys()) > 0
	case slices.Contains(query.FilterNames(), name):
		asked.Set(name, "an-id")
	case name != "range":
		asked.Set(name, value)
	}
	var bad *query.BadRequest
	return !errors.As(verdict(t, asked), &bad) || bad.Param != name
}

// verdict is nil if the service takes the request of a workspace that has every setting on.
func verdict(t query.Type, asked url.Values) error {
	p, err := parseExportParams(asked.Encode())
	if err != nil {
		return err
	}
	j, err := p.job(t, "acme", testNow())
	if err != nil {
		return err
	}
	j.request.Settings = schema.Settings{UserLevelData: true, BYOK: true, Workflows: true}
	_, err = query.Columns(j.request)
	return err
}

func rowSchemas() string {
	var b strings.Builder
	for _, t := range query.Types() {
		fmt.Fprintf(&b, "    %sRow:\n      type: object\n      additionalProperties: false\n      minProperties: 1\n"+
			"      description: All columns whose condition holds, or those that the parameter columns names.\n"+
			"      properties:\n", camelCase(string(t)))
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
