package export

import (
	_ "embed"
	"net/http"
)

// openAPI describes what clients call. A test holds it together with the routes, the parameters and
// the columns.
//
//go:embed openapi.yaml
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPI)
}
