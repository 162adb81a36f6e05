package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
// Prometheus, Alertmanager, Grafana.
func TestComposeIsRead(t *testing.T) {
	var names []string
	for name := range loadCompose(t).Services {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{
		"alertmanager", "clickhouse", "export", "grafana", "ingest", "kafka", "migrate", "prometheus", "rollup",
		"topics",
	}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
}

// processors is how many of them a small laptop has. Docker refuses a limit above that.
const processors = 2

// once names the services that end when they have done their work.
var once = []string{"migrate", "topics"}

// Each service has a memory limit. Each that stays running also has a CPU limit that every machine
// can give, and a health check. Mounted files exist, and images name a version.
func TestComposeServicesAreBounded(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		if s.MemLimit == 0 {
			t.Errorf("%s has no limit of memory", name)
		}
		if !slices.Contains(once, name) && (s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 || s.CPUS == 0) {
			t.Errorf("%s has no health check, or no limit of processors", name)
		}
		if s.CPUS > processors {
			t.Errorf("%s: Docker refuses %v cpus on a machine with %d", name, s.CPUS, processors)
		}
		// Docker cannot raise a limit above its own, and the container would not start. The defaults are
		// enough: ClickHouse itself takes as many files as it may have.
		if len(s.Ulimits) > 0 {
			t.Errorf("%s asks for ulimits that a small machine may not be able to give", name)
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

// Whatever stays running is started again when it dies or the machine restarts. The services that
// end are not: they would run for ever.
func TestComposeServicesComeBack(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		want := "unless-stopped"
		if slices.Contains(once, name) {
			want = "no"
		}
		if s.Restart != want {
			t.Errorf("%s: restart is %q, want %q", name, s.Restart, want)
		}
	}
}

// What a server keeps is on a named volume, so that it outlives the server's container. By default,
// Kafka's image keeps its log elsewhere.
func TestComposeDataOutlivesItsContainer(t *testing.T) {
	project := loadCompose(t)
	data := map[string]string{
		"kafka":        given(project.Services["kafka"])["KAFKA_LOG_DIRS"],
		"clickhouse":   "/var/lib/clickhouse",
		"prometheus":   "/prometheus",
		"alertmanager": "/alertmanager",
	}
	for name, flag := range map[string]string{"prometheus": "--storage.tsdb.path=", "alertmanager": "--storage.path="} {
		if command := project.Services[name].Command; !slices.Contains(command, flag+data[name]) {
			t.Errorf("%s keeps its data elsewhere: %q", name, command)
		}
	}
	for name, dir := range data {
		isVolume := func(v types.ServiceVolumeConfig) bool {
			_, named := project.Volumes[v.Source]
			return v.Type == types.VolumeTypeVolume && v.Target == dir && named
		}
		if dir == "" || !slices.ContainsFunc(project.Services[name].Volumes, isVolume) {
			t.Errorf("%s keeps its data in %q, which is on none of its volumes", name, dir)
		}
	}
}

// The command with which compose.yaml says how to make the secrets makes files that the containers'
// user can read, in a directory that nobody else on the machine can enter. It does so under the
// strictest umask, too: Compose mounts such files with the rights that they have.
func TestComposeSecretsCanBeRead(t *testing.T) {
	file, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	says := regexp.MustCompile(`(?m)^# +(install -d .*)$`).FindSubmatch(file)
	if says == nil {
		t.Fatal("compose.yaml does not say how to make the secrets")
	}
	for _, umask := range []string{"022", "077"} {
		root := t.TempDir()
		command := exec.Command("sh", "-ec", "umask "+umask+"; "+string(says[1]))
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", says[1], err, out)
		}
		rights(t, filepath.Join(root, "deploy/secrets"), 0o700)
		for name, secret := range loadCompose(t).Secrets {
			path := filepath.Join(root, "deploy/secrets", filepath.Base(secret.File))
			rights(t, path, 0o444)
			if text, err := os.ReadFile(path); err != nil || len(text) < 32 {
				t.Errorf("the secret %s is %d bytes: %v", name, len(text), err)
			}
		}
	}
}

func rights(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has the rights %o, want %o", path, got, want)
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

// Prometheus scrapes every container of each stage, however many there are, on its admin port: it
// asks Docker's name server for the stage's addresses. Grafana finds Prometheus and the dashboard.
func TestComposeWatchesTheStages(t *testing.T) {
	project := loadCompose(t)
	config := readYAML[prometheusConfig](t, "../../prometheus/prometheus.yaml")
	if len(config.Scrape) != 1 || len(config.Scrape[0].DNS) != 1 {
		t.Fatalf("the stages are not one job that is found by DNS: %+v", config)
	}
	found := config.Scrape[0].DNS[0]
	for _, stage := range []string{"ingest", "rollup", "export"} {
		addr := given(project.Services[stage])["ROLLCALL_ADMIN_ADDR"]
		if !slices.Contains(found.Names, stage) || found.Type != "A" || addr != fmt.Sprintf(":%d", found.Port) {
			t.Errorf("Prometheus does not scrape all of %s: %+v", stage, found)
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
