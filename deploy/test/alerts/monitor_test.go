//go:build alerts

package alerts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// A monitor is a Prometheus and the history of its alerts.
type monitor struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	fired map[string]time.Time // alert → when it was first seen to fire
}

// startPrometheus scrapes the targets twice a second and evaluates the rules once a second.
func (w *world) startPrometheus(rules []byte, targets ...string) *monitor {
	w.t.Helper()
	dir := w.t.TempDir()
	config := fmt.Sprintf("global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }\n"+
		"rule_files: [alerts.yaml]\n"+
		"scrape_configs: [{ job_name: rollcall, static_configs: [{ targets: ['%s'] }] }]\n", strings.Join(targets, "', '"))
	for name, text := range map[string]string{"prometheus.yaml": config, "alerts.yaml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	m := &monitor{t: w.t, addr: processtest.FreeAddr(w.t), fired: map[string]time.Time{}}
	w.start("prometheus", "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+m.addr, "--log.level=warn")
	w.eventually("Prometheus answers", 30*time.Second, func() bool { return m.look() == nil })
	// Prometheus takes five seconds of real time to look for targets, which the rules of this test
	// take for five minutes. What fires until all targets are scraped is not looked at.
	w.eventually("Prometheus scrapes every target, and nothing fires", 60*time.Second, func() bool {
		return m.count(`up == 1`) == len(targets) && m.count(`ALERTS{alertstate="firing"}`) == 0
	})
	return m
}

// count is how many series a query finds.
func (m *monitor) count(query string) int {
	m.t.Helper()
	var answer struct {
		Data struct{ Result []struct{} }
	}
	m.ask("/api/v1/query?query="+url.QueryEscape(query), &answer)
	return len(answer.Data.Result)
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

// metricsAreDocumented checks that the page of metrics has every metric that was scraped.
func (m *monitor) metricsAreDocumented() {
	m.t.Helper()
	page, err := os.ReadFile("../../METRICS.md")
	if err != nil {
		m.t.Fatal(err)
	}
	var answer struct{ Data []string }
	m.ask("/api/v1/label/__name__/values", &answer)
	seen := 0
	for _, name := range answer.Data {
		if !strings.HasPrefix(name, "rollcall_") {
			continue
		}
		seen++
		base := histogramSuffix.ReplaceAllString(name, "")
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+base+"`") {
			m.t.Errorf("the binary has %s, of which deploy/METRICS.md says nothing", name)
		}
	}
	if seen < 25 {
		m.t.Errorf("only %d metrics were scraped", seen)
	}
}

// panelsShowSomething runs the queries of each panel of the dashboard. After this test, each has
// something to show.
func (m *monitor) panelsShowSomething() {
	m.t.Helper()
	text, err := os.ReadFile("../../grafana/rollcall.json")
	if err != nil {
		m.t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		m.t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			var answer struct {
				Status string
				Data   struct{ Result []any }
			}
			m.ask("/api/v1/query?query="+url.QueryEscape(target.Expr), &answer)
			if answer.Status != "success" || len(answer.Data.Result) == 0 {
				m.t.Errorf("panel %q shows nothing (%s): %s", p.Title, answer.Status, target.Expr)
			}
		}
	}
}

func (m *monitor) ask(path string, answer any) {
	m.t.Helper()
	response, err := http.Get("http://" + m.addr + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		m.t.Fatal(err)
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
