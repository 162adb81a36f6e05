package export

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"rollcall/export/query"
)

func loadOpenAPI(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("openapi.yaml is not valid: %v", err)
	}
	return doc
}

// The document has all routes of the service and no others. The page's own routes are not in it,
// because they are not for clients.
func TestOpenAPIRoutes(t *testing.T) {
	described := map[string]bool{}
	for path, item := range loadOpenAPI(t).Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	e := &Export{}
	type middleware = func(http.Handler) http.Handler
	err := chi.Walk(e.routes().(chi.Routes), func(method, route string, _ http.Handler, _ ...middleware) error {
		if route == "/" || strings.HasPrefix(route, "/app/") {
			return nil
		}
		name := method + " " + strings.Replace(route, "/export/files/*", "/export/files/{file}", 1)
		if !described[name] {
			t.Errorf("openapi.yaml does not describe %s", name)
		}
		delete(described, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range described {
		t.Errorf("openapi.yaml describes %s, which is no route", name)
	}
}

// The document has the parameters that the parser accepts, in the same order.
func TestOpenAPIParameters(t *testing.T) {
	doc := loadOpenAPI(t)
	names := func(parameters openapi3.Parameters) (all []string) {
		for _, p := range parameters {
			if p.Value.In == "query" {
				all = append(all, p.Value.Name)
			}
		}
		return all
	}
	if got := names(doc.Paths.Value("/v1/exports/{type}").Parameters); !slices.Equal(got, exportParamNames) {
		t.Errorf("parameters of an export: %v in openapi.yaml, %v here", got, exportParamNames)
	}
	if got := names(doc.Paths.Value("/v1/exports").Get.Parameters); !slices.Equal(got, catalogueParamNames) {
		t.Errorf("parameters of the catalogue: %v in openapi.yaml, %v here", got, catalogueParamNames)
	}
	var types []string
	for _, name := range doc.Components.Parameters["type"].Value.Schema.Value.Enum {
		types = append(types, name.(string))
		if _, err := query.ParseType(name.(string)); err != nil {
			t.Error(err)
		}
	}
	for _, known := range query.Types() {
		if !slices.Contains(types, string(known)) {
			t.Errorf("openapi.yaml does not know the type %s", known)
		}
	}
}
