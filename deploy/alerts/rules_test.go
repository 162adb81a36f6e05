//go:build alerts

package alerts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const rulesFile = "../prometheus/alerts.yaml"

var (
	minutes        = regexp.MustCompile(`\b(\d+)m\b`)
	hours          = regexp.MustCompile(`\b(\d+)h\b`)
	secondsOfTimes = regexp.MustCompile(` \* 60\b`)
)

// hastened are the rules of the file with one change: a minute lasts a second, in windows (`[15m:1m]`), offsets, `for`, and thresholds of seconds (`5 * 60`).
// Everything else, expressions, counts and rates, is what a real Prometheus is given.
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

// hasten makes a minute a second, then an hour what is left of it: a minute.
func hasten(text string) string {
	return hours.ReplaceAllString(minutes.ReplaceAllString(text, "${1}s"), "${1}m")
}

// A monitor is a Prometheus, and what its alerts have been.
type monitor struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	fired map[string]time.Time // alert → when it was first seen to fire
}

// startPrometheus scrapes the targets twice a second and evaluates the rules once.
func (w *world) startPrometheus(rules []byte, targets ...string) *monitor {
	w.t.Helper()
	dir := w.t.TempDir()
	config := fmt.Sprintf("global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }\nrule_files: [alerts.yaml]\n"+
		"scrape_configs: [{ job_name: rollcall, static_configs: [{ targets: ['%s'] }] }]\n", strings.Join(targets, "', '"))
	for name, text := range map[string]string{"prometheus.yaml": config, "alerts.yaml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	m := &monitor{t: w.t, addr: freeAddr(w.t), fired: map[string]time.Time{}}
	w.start("prometheus", "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+m.addr, "--log.level=warn")
	w.eventually("Prometheus answers", 30*time.Second, func() bool { return m.look() == nil })
	return m
}

// look notes which alerts fire now.
func (m *monitor) look() error {
	response, err := http.Get("http://" + m.addr + "/api/v1/alerts")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range answer.Data.Alerts {
		name := a.Labels["alertname"]
		if _, before := m.fired[name]; a.State == "firing" && !before {
			m.fired[name] = time.Now()
			m.t.Logf("%s fires: %v", name, a.Labels)
		}
	}
	return nil
}

// metricsAreDocumented holds every metric that was scraped from the binary against the page of metrics.
func (m *monitor) metricsAreDocumented() {
	m.t.Helper()
	page, err := os.ReadFile("../METRICS.md")
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := http.Get("http://" + m.addr + "/api/v1/label/__name__/values")
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Data []string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		m.t.Fatal(err)
	}
	seen := 0
	for _, name := range answer.Data {
		if !strings.HasPrefix(name, "rollcall_") {
			continue
		}
		seen++
		if base := histogramSuffix.ReplaceAllString(name, ""); !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+base+"`") {
			m.t.Errorf("the binary has %s, of which deploy/METRICS.md says nothing", name)
		}
	}
	if seen < 25 {
		m.t.Errorf("only %d metrics were scraped", seen)
	}
}

var histogramSuffix = regexp.MustCompile(`_(bucket|sum|count)$`)

// names are the alerts that have fired so far.
func (m *monitor) names() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.fired {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (m *monitor) hasFired(name string) bool { return slices.Contains(m.names(), name) }
