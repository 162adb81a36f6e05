package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads the file as Compose does in an environment with these variables, each
// name=value.
func loadCompose(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../compose.yaml"}, cli.WithResolvedPaths(true),
		cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Compose can read the file, and it has every service: brokers, engine, tables, the three stages,
// Prometheus, Grafana.
func TestComposeIsRead(t *testing.T) {
	var names []string
	for name := range loadCompose(t).Services {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{
		"clickhouse", "export", "grafana", "ingest", "kafka", "migrate", "prometheus", "rollup", "topics",
	}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
}

// Each service has a memory limit. Each that stays running also has a CPU limit and a health check.
// Mounted files exist, and images name a version.
func TestComposeServicesAreBounded(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		if s.MemLimit == 0 {
			t.Errorf("%s has no limit of memory", name)
		}
		if once := name == "migrate" || name == "topics"; !once &&
			(s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 || s.CPUS == 0) {
			t.Errorf("%s has no health check, or no limit of processors", name)
		}
		if _, version, _ := strings.Cut(s.Image, ":"); s.Build == nil && (version == "" || version == "latest") {
			t.Errorf("%s: the image %s is of no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q, port %s: plain text is for this machine only", name, p.HostIP, p.Published)
			}
		}
	}
}

// The binary's containers have a read-only file system and no rights. They take secrets as files
// only, and have no setting that the binary does not know.
func TestComposeStagesAreLocked(t *testing.T) {
	project := loadCompose(t)
	binary := build(t)
	for _, name := range []string{"migrate", "ingest", "rollup", "export"} {
		s := project.Services[name]
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") ||
			s.Privileged || s.User != "" {
			t.Errorf("%s is not locked", name)
		}
		settings := given(s)
		for key, value := range settings {
			file, is := strings.CutPrefix(value, "/run/secrets/")
			names := func(r types.ServiceSecretConfig) bool { return r.Source == file }
			if is && !slices.ContainsFunc(s.Secrets, names) {
				t.Errorf("%s: %s names a secret that is not mounted", name, key)
			}
		}
		binary.understands(t, s.Command[0], settings)
	}
	for name, secret := range project.Secrets {
		if secret.File == "" || secret.Content != "" || !strings.HasSuffix(filepath.Dir(secret.File), "deploy/secrets") {
			t.Errorf("the secret %s is not a file of its own: %+v", name, secret)
		}
	}
	if ignored, err := os.ReadFile("../../../.gitignore"); err != nil || !strings.Contains(string(ignored), "secrets") {
		t.Errorf("deploy/secrets would be committed: %v", err)
	}
}

// Prometheus scrapes the stages by their names and their admin port. Grafana finds Prometheus and
// the dashboard.
func TestComposeWatchesTheStages(t *testing.T) {
	project := loadCompose(t)
	config, err := os.ReadFile("../../prometheus/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"ingest", "rollup", "export"} {
		addr := project.Services[stage].Environment["ROLLCALL_ADMIN_ADDR"]
		if addr == nil || !strings.Contains(string(config), stage+*addr) {
			t.Errorf("Prometheus does not scrape %s", stage)
		}
	}
	source, err := os.ReadFile("../../grafana/provisioning/datasources/prometheus.yaml")
	if err != nil || !strings.Contains(string(source), "http://prometheus:9090") ||
		!strings.Contains(string(source), "uid: prometheus") {
		t.Errorf("Grafana does not know Prometheus: %v", err)
	}
	dashboard, err := os.ReadFile("../../grafana/rollcall.json")
	if err != nil || !strings.Contains(string(dashboard), `"uid": "prometheus"`) {
		t.Errorf("the dashboard has another data source: %v", err)
	}
}

// Tracing and a cluster are settings of the environment. Without them, a stage does not have the
// variable at all, not even an empty one.
func TestComposeTakesOptionalSettings(t *testing.T) {
	binary := build(t)
	optional := map[string]string{
		"ROLLCALL_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
		"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1",
		"ROLLCALL_CLUSTER": "prod", "ROLLCALL_CLUSTER_REPLICAS": "3",
		"ROLLCALL_CLICKHOUSE_URL": "https://rollcall@balancer:8443/rollcall",
	}
	var environment []string
	for name, value := range optional {
		environment = append(environment, name+"="+value)
	}
	without := loadCompose(t)
	with := loadCompose(t, environment...)
	for _, stage := range []string{"migrate", "ingest", "rollup", "export"} {
		settings := given(with.Services[stage])
		for name, value := range optional {
			if settings[name] != value {
				t.Errorf("%s: %s is %q, want %q", stage, name, settings[name], value)
			}
			if value, is := given(without.Services[stage])[name]; is && name != "ROLLCALL_CLICKHOUSE_URL" {
				t.Errorf("%s: unasked, %s is %q", stage, name, value)
			}
		}
		binary.understands(t, stage, settings)
	}
	url := given(without.Services["ingest"])["ROLLCALL_CLICKHOUSE_URL"]
	if url != "http://rollcall@clickhouse:8123/rollcall" {
		t.Errorf("unasked, the stages go to %s", url)
	}
}

// given returns the variables of a service.
func given(s types.ServiceConfig) map[string]string {
	settings := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			settings[name] = *value
		}
	}
	return settings
}
