package export

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"rollcall/export/query"
)

// The document has all routes of the service and no others. The page's own routes are not in it,
// because they are not for clients.
func TestOpenAPIRoutes(t *testing.T) {
	described := map[string]bool{}
	for path, item := range loadOpenAPI(t).Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
			for _, server := range item.Servers {
				described[method+" "+strings.TrimSuffix(server.URL, "/")+path] = true
			}
		}
	}
	e := &Export{}
	type middleware = func(http.Handler) http.Handler
	err := chi.Walk(e.routes().(chi.Routes), func(method, route string, _ http.Handler, _ ...middleware) error {
		if route == "/" || strings.HasPrefix(route, "/app/") {
			return nil
		}
		names := []string{strings.Replace(route, "/export/files/*", "/export/files/{file}", 1)}
		if strings.Contains(route, "{type}") {
			names = withTypes(route)
		}
		for _, name := range names {
			if !described[method+" "+name] {
				t.Errorf("openapi.yaml does not describe %s %s", method, name)
			}
			delete(described, method+" "+name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range described {
		t.Errorf("openapi.yaml describes %s, which is no route", name)
	}
}

// withTypes are the addresses of a route, one for each name of each type that it has.
func withTypes(route string) (all []string) {
	for _, t := range query.Types() {
		if strings.Contains(route, "/export/") && !onDropIn(t) {
			continue
		}
		for _, name := range append([]string{string(t)}, t.Aliases()...) {
			all = append(all, strings.Replace(route, "{type}", name, 1))
		}
	}
	return all
}

// The document has the parameters that the parser accepts. Those of exports are there for at least
// one type.
func TestOpenAPIParameters(t *testing.T) {
	doc := loadOpenAPI(t)
	described := map[string]bool{}
	for _, q := range doc.queries {
		for name := range q.members {
			described[name] = true
		}
	}
	if got := slices.Sorted(maps.Keys(described)); !slices.Equal(got, slices.Sorted(slices.Values(exportParamNames))) {
		t.Errorf("parameters of exports: %v in openapi.yaml, %v here", got, exportParamNames)
	}
	for path, want := range map[string][]string{"/v1/exports": catalogueParamNames, "/v1/days": daysParamNames} {
		var got []string
		for _, p := range doc.Paths.Value(path).Get.Parameters {
			if p.Value.In == "query" {
				got = append(got, p.Value.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("parameters of %s: %v in openapi.yaml, %v here", path, got, want)
		}
	}
}
