package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A dashboard has the parts of a Grafana dashboard that these tests check.
type dashboard struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Targets                  []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/rollcall.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil || len(d.Panels) < 20 {
		t.Fatalf("the dashboard has %d panels, %v", len(d.Panels), err)
	}
	return d
}

// A rule is an alert rule of Prometheus.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func readRules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if err != nil || len(all) < 13 {
		t.Fatalf("%d rules, %v", len(all), err)
	}
	return all
}

var metricName = regexp.MustCompile(`rollcall_[a-z_]+`)

// Every metric that a rule or a panel names exists.
func TestRulesAndPanelsNameMetricsThatExist(t *testing.T) {
	found := metrics(t)
	exists := func(where, text string) {
		names := metricName.FindAllString(text, -1)
		if len(names) == 0 && !strings.Contains(text, "up{") {
			t.Errorf("%s names no metric of Rollcall: %s", where, text)
		}
		for _, name := range names {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if found[name] == "" && found[base] == "" {
				t.Errorf("%s names %s, which no stage has", where, name)
			}
		}
	}
	for _, r := range readRules(t) {
		exists(r.Alert, r.Expr)
	}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			exists(p.Title, target.Expr)
		}
	}
	series, err := os.ReadFile("../../deploy/prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	exists("alerts_test.yaml", string(series))
}

// Every panel says what it shows and what to do. Its id and its title are unique. Every metric that
// exists has a panel.
func TestPanelsSayWhatToDo(t *testing.T) {
	d := readDashboard(t)
	shown := ""
	var seen []string
	for _, p := range d.Panels {
		if slices.Contains(seen, p.Title) {
			t.Errorf("two panels are called %q", p.Title)
		}
		seen = append(seen, p.Title)
		if p.Type == "row" {
			continue
		}
		shows, do, _ := strings.Cut(p.Description, " What to do: ")
		if len(shows) < 15 || len(do) < 25 || len(p.Targets) == 0 {
			t.Errorf("panel %q does not say what it shows, or what to do: %q", p.Title, p.Description)
		}
		for _, target := range p.Targets {
			shown += target.Expr + "\n"
		}
	}
	for name := range metrics(t) {
		if !regexp.MustCompile(name + `\b|` + name + `_(bucket|sum|count)\b`).MatchString(shown) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// Every rule has a text for the person it wakes, a severity, and a case in promtool's tests that
// makes it fire.
func TestRulesHaveRunbooks(t *testing.T) {
	cases, err := os.ReadFile("../../deploy/prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readRules(t) {
		if len(r.Annotations["runbook"]) < 60 || len(r.Annotations["summary"]) < 15 ||
			(r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket") {
			t.Errorf("%s lacks a runbook, a summary or a severity: %+v", r.Alert, r)
		}
		if !strings.Contains(string(cases), `labels: '{alertname="`+r.Alert+`"}', value: 1`) {
			t.Errorf("no case of alerts_test.yaml makes %s fire", r.Alert)
		}
	}
}
