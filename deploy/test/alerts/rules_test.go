//go:build alerts

package alerts

import (
	"os"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

const rulesFile = "../../prometheus/alerts.yaml"

var (
	minutes        = regexp.MustCompile(`\b(\d+)m\b`)
	hours          = regexp.MustCompile(`\b(\d+)h\b`)
	secondsOfTimes = regexp.MustCompile(` \* 60\b`)
)

// hastened returns the rules of the file with one change: a minute lasts a second, in windows
// (`[15m:1m]`), in offsets, in `for`, and in thresholds of seconds (`5 * 60`). Expressions, counts
// and rates are those that a real Prometheus gets.
func hastened(t *testing.T) (file []byte, names []string) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []map[string]any
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, rule := range g.Rules {
			names = append(names, rule["alert"].(string))
			rule["expr"] = hasten(secondsOfTimes.ReplaceAllString(rule["expr"].(string), " * 1"))
			if wait, has := rule["for"].(string); has {
				rule["for"] = hasten(wait)
			}
		}
	}
	if file, err = yaml.Marshal(rules); err != nil {
		t.Fatal(err)
	}
	return file, names
}

// hasten turns minutes into seconds. What then is still an hour becomes a minute.
func hasten(text string) string {
	return hours.ReplaceAllString(minutes.ReplaceAllString(text, "${1}s"), "${1}m")
}
