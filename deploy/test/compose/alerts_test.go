//go:build compose

package compose

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	minutes = regexp.MustCompile(`\b(\d+)m\b`)
	hours   = regexp.MustCompile(`\b(\d+)h\b`)
	// comments are those that offer a receiver.
	comments = regexp.MustCompile(`(?m)^    # `)
)

// hasten lets a minute of Prometheus' rules and of Alertmanager's routes last a second, as make
// test-alerts does with the rules. It has Prometheus look every second.
func (p *project) hasten() {
	p.t.Helper()
	for _, file := range []string{"deploy/prometheus/alerts.yaml", "deploy/alertmanager/alertmanager.yaml"} {
		p.edit(file, func(text string) string {
			text = strings.ReplaceAll(text, " * 60", " * 1")
			return hours.ReplaceAllString(minutes.ReplaceAllString(text, "${1}s"), "${1}m")
		})
	}
	p.edit("deploy/prometheus/prometheus.yaml", func(config string) string {
		return strings.ReplaceAll(config, "15s", "1s")
	})
}

// isConfigured lets the programs' own tools read the files, and Alertmanager's once more with the
// receivers of its comments.
func (p *project) isConfigured() {
	p.copy("../../alertmanager", "filled")
	p.edit("filled/alertmanager.yaml", func(config string) string { return comments.ReplaceAllString(config, "    ") })
	for _, folder := range []string{"deploy/alertmanager", "filled"} {
		p.docker("run", "--rm", "--label", p.label(), "--volume", filepath.Join(p.root, folder)+":/config:ro",
			"--entrypoint", "amtool", p.image("alertmanager"), "check-config", "/config/alertmanager.yaml")
	}
	p.copy("../../prometheus", "original")
	p.docker("run", "--rm", "--label", p.label(), "--volume", filepath.Join(p.root, "original")+":/config:ro",
		"--entrypoint", "promtool", p.image("prometheus"), "check", "config", "/config/prometheus.yaml")
}

// isScraped starts a second ingest and a second rollup. Prometheus must scrape each of the five
// containers.
func (p *project) isScraped() {
	p.becomesHealthy() // Compose starts nothing beside a service that is not
	p.up(strings.Fields(p.said("`(--scale .*?)`"))...)
	p.eventually(func() error {
		var answer struct {
			Data struct {
				Result []struct {
					Metric struct{ Service string }
					Value  [2]any
				}
			}
		}
		query := url.QueryEscape(`count by (service) (up{job="rollcall"} == 1)`)
		if err := ask(p.addr["prometheus"]+"/api/v1/query?query="+query, &answer); err != nil {
			return err
		}
		up := map[string]any{}
		for _, r := range answer.Data.Result {
			up[r.Metric.Service] = r.Value[1]
		}
		if len(up) != 3 || up["ingest"] != "2" || up["rollup"] != "2" || up["export"] != "1" {
			return fmt.Errorf("Prometheus scrapes %v", up)
		}
		return nil
	})
}

// alerts stops both rollups. Alertmanager must have the alert that it is missing, and call the
// webhook that its file offers in a comment. When rollup is back, the alert must end.
func (p *project) alerts() {
	called := p.receive()
	p.eventually(func() error { return p.fires("rollup", false) })
	p.compose("stop", "rollup")
	p.eventually(func() error { return p.fires("rollup", true) })
	p.eventually(func() error {
		if calls := called(); !strings.Contains(strings.Join(calls, ""), "RollcallStageMissing") {
			return fmt.Errorf("the webhook was called with %q (does a firewall keep containers from this machine?)", calls)
		}
		return nil
	})
	p.compose("start", "rollup")
	p.eventually(func() error { return p.fires("rollup", false) })
}

// receive serves a webhook, and fills it in where alertmanager.yaml has one in a comment.
func (p *project) receive() (called func() []string) {
	p.t.Helper()
	gateway := p.docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", p.name+"_default")
	listener, err := net.Listen("tcp", strings.TrimSpace(gateway)+":0")
	p.must(err)
	var calls list
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			calls.add(string(body))
		}
	})}
	go server.Serve(listener)
	p.t.Cleanup(func() { server.Close() })
	p.edit("deploy/alertmanager/alertmanager.yaml", func(config string) string {
		offered := regexp.MustCompile(`(?m)^    # (webhook_configs:\n)    # (.*url: )'[^']*'`)
		filled := offered.ReplaceAllString(config, "    ${1}    ${2}'http://"+listener.Addr().String()+"/'")
		if filled == config {
			p.t.Fatalf("alertmanager.yaml offers no webhook:\n%s", config)
		}
		return filled
	})
	p.compose("kill", "-s", "HUP", "alertmanager")
	return calls.all
}

// fires returns nil if Alertmanager has the alert about the missing stage, or has it not.
func (p *project) fires(stage string, want bool) error {
	var alerts []struct {
		Labels    map[string]string
		Receivers []struct{ Name string }
	}
	if err := ask(p.addr["alertmanager"]+"/api/v2/alerts", &alerts); err != nil {
		return err
	}
	for _, a := range alerts {
		if a.Labels["alertname"] == "RollcallStageMissing" && a.Labels["stage"] == stage {
			if !want || len(a.Receivers) != 1 || a.Receivers[0].Name != "page" {
				return fmt.Errorf("the alert fires, and goes to %v", a.Receivers)
			}
			return nil
		}
	}
	if want {
		return fmt.Errorf("Alertmanager has %+v", alerts)
	}
	return nil
}

// ask gets an address and reads the JSON of the answer.
func ask(address string, answer any) error {
	response, err := http.Get("http://" + address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
