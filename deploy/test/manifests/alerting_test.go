package manifests

import (
	"os"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// prometheusConfig is what these tests look at in Prometheus' configuration.
type prometheusConfig struct {
	RuleFiles []string `json:"rule_files"`
	Alerting  struct {
		Alertmanagers []struct {
			Static []struct{ Targets []string } `json:"static_configs"`
		}
	}
	Scrape []struct {
		DNS []struct {
			Names []string
			Type  string
			Port  int
		} `json:"dns_sd_configs"`
	} `json:"scrape_configs"`
}

type alertingRules struct {
	Groups []struct {
		Rules []struct{ Labels struct{ Severity string } }
	}
}

type alertmanagerConfig struct {
	Route struct {
		Receiver string
		Routes   []struct {
			Matchers []string
			Receiver string
		}
	}
	Receivers []struct{ Name string }
}

// readYAML reads what the test looks at of a file.
func readYAML[T any](t *testing.T, file string) (config T) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return config
}

// Prometheus has the rules and sends what fires to the Alertmanager of compose.yaml. That sends
// pages to the receiver "page" and all else to "ticket", and the rules have no other severity.
// (make test-compose sees an alert arrive.)
func TestAlertsGoToAReceiver(t *testing.T) {
	prometheus := readYAML[prometheusConfig](t, "../../prometheus/prometheus.yaml")
	if a := prometheus.Alerting.Alertmanagers; !slices.Equal(prometheus.RuleFiles, []string{"alerts.yaml"}) ||
		len(a) != 1 || len(a[0].Static) != 1 || !slices.Equal(a[0].Static[0].Targets, []string{"alertmanager:9093"}) {
		t.Errorf("Prometheus has other rules, or tells somebody else: %+v", prometheus)
	}
	severities := map[string]bool{}
	for _, group := range readYAML[alertingRules](t, "../../prometheus/alerts.yaml").Groups {
		for _, rule := range group.Rules {
			severities[rule.Labels.Severity] = true
		}
	}
	if len(severities) != 2 || !severities["page"] || !severities["ticket"] {
		t.Errorf("the rules have the severities %v", severities)
	}
	manager := readYAML[alertmanagerConfig](t, "../../alertmanager/alertmanager.yaml")
	names := []string{}
	for _, receiver := range manager.Receivers {
		names = append(names, receiver.Name)
	}
	routes := manager.Route.Routes
	if !slices.Equal(names, []string{"page", "ticket"}) || manager.Route.Receiver != "ticket" || len(routes) != 1 ||
		routes[0].Receiver != "page" || !slices.Equal(routes[0].Matchers, []string{`severity="page"`}) {
		t.Errorf("pages and tickets do not go each to its receiver: %+v", manager)
	}
}
