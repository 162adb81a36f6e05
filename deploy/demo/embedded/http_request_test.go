package embedded

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

// The limits of a field in the URL are those of its encoded text.
func TestFieldsOfURLs(t *testing.T) {
	longest := strings.Repeat("%41", maxFieldValue/3)
	target := "/?param_a=" + longest + "&param_b=1&param_b=2"
	r, err := readRequest(httptest.NewRequest("POST", target, strings.NewReader("SELECT 1")))
	if err != nil || len(r.params["a"]) != maxFieldValue/3 || r.params["b"] != "1" {
		t.Errorf("the longest value: %v, and {b} is %q", err, r.params["b"])
	}
	for target, says := range map[string]string{
		"/?param_a=" + longest + "%41&param_b=1":              "Field value too long",
		"/?param_" + strings.Repeat("a", maxFieldName) + "=1": "Field name too long",
	} {
		_, err := readRequest(httptest.NewRequest("POST", target, strings.NewReader("SELECT 1")))
		var refused *exception
		if !errors.As(err, &refused) || refused.Code != codePoco || !strings.Contains(refused.Text, says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
