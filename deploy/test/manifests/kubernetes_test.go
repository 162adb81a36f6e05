package manifests

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// overlays are the sizes in which deploy/kubernetes comes.
var overlays = []string{"small", "medium", "large"}

// objects are those that an overlay makes, by kind.
type objects struct {
	namespaces  []corev1.Namespace
	deployments []appsv1.Deployment
	sets        []appsv1.StatefulSet
	jobs        []batchv1.Job
	services    []corev1.Service
	budgets     []policyv1.PodDisruptionBudget
	policies    []networkingv1.NetworkPolicy
	configs     []corev1.ConfigMap
}

// buildOverlay does what `kubectl kustomize deploy/kubernetes/OVERLAY` does, and decodes strictly:
// a field that Kubernetes does not know, or a kind that this test does not know, is an error.
func buildOverlay(t *testing.T, overlay string) (all objects) {
	t.Helper()
	kustomizer := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	made, err := kustomizer.Run(filesys.MakeFsOnDisk(), "../../kubernetes/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range made.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		strict := func(into any) {
			t.Helper()
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Errorf("%s %s: %v", resource.GetKind(), resource.GetName(), err)
			}
		}
		switch resource.GetApiVersion() + " " + resource.GetKind() {
		case "v1 Namespace":
			strict(grown(&all.namespaces))
		case "apps/v1 StatefulSet":
			strict(grown(&all.sets))
		case "networking.k8s.io/v1 NetworkPolicy":
			strict(grown(&all.policies))
		case "apps/v1 Deployment":
			strict(grown(&all.deployments))
		case "batch/v1 Job":
			strict(grown(&all.jobs))
		case "v1 Service":
			strict(grown(&all.services))
		case "policy/v1 PodDisruptionBudget":
			strict(grown(&all.budgets))
		case "v1 ConfigMap":
			strict(grown(&all.configs))
		default:
			t.Errorf("the kustomization makes a %s %s (%s); "+
				"secrets come by reference, and of other kinds this test knows nothing",
				resource.GetKind(), resource.GetName(), resource.GetApiVersion())
		}
	}
	return all
}

// grown appends a zero value and returns a pointer to it.
func grown[T any](list *[]T) *T {
	*list = append(*list, *new(T))
	return &(*list)[len(*list)-1]
}

// A workload keeps pods of one stage running: a Deployment, or a StatefulSet.
type workload struct {
	name     string
	replicas int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
}

func (all objects) workloads() (found []workload) {
	for _, d := range all.deployments {
		found = append(found, workload{d.Name, *d.Spec.Replicas, d.Spec.Selector, d.Spec.Template})
	}
	for _, s := range all.sets {
		found = append(found, workload{s.Name, *s.Spec.Replicas, s.Spec.Selector, s.Spec.Template})
	}
	return found
}

// forEachOverlay runs the test for each size.
func forEachOverlay(t *testing.T, test func(t *testing.T, all objects)) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) { test(t, buildOverlay(t, overlay)) })
	}
}

// An overlay has the three stages and the migration, in a namespace that admits only pods of the
// profile "restricted".
func TestOverlaysAreBuilt(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, all objects) {
		var stages []string
		for _, w := range all.workloads() {
			stages = append(stages, w.name)
		}
		slices.Sort(stages)
		if !slices.Equal(stages, []string{"export", "ingest", "rollup"}) || len(all.jobs) != 1 || len(all.services) != 1 ||
			len(all.configs) != 1 || len(all.namespaces) != 1 {
			t.Fatalf("stages %v, %d jobs, %d services, %d configurations, %d namespaces", stages, len(all.jobs),
				len(all.services), len(all.configs), len(all.namespaces))
		}
		if n := all.namespaces[0]; n.Name != all.jobs[0].Namespace ||
			n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("the namespace %s is not that of the pods, or admits others: %v", n.Name, n.Labels)
		}
	})
}

// Nothing is let in or out but by a policy for it: DNS and ClickHouse for all pods, Kafka for
// ingest, the admin port for Prometheus, and http to export alone.
func TestNetworkPolicies(t *testing.T) {
	all := buildOverlay(t, "small")
	rules := map[string]int{}
	for _, p := range all.policies {
		component := p.Spec.PodSelector.MatchLabels["app.kubernetes.io/component"]
		known := func(w workload) bool { return w.name == component }
		if component != "" && !slices.ContainsFunc(all.workloads(), known) {
			t.Errorf("%s is for %s, which is no stage", p.Name, component)
		}
		if len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 && len(p.Spec.PodSelector.MatchLabels) == 0 {
			rules["nothing else"] += len(p.Spec.PolicyTypes)
		}
		for _, in := range p.Spec.Ingress {
			for _, port := range in.Ports {
				if len(in.From) != 1 || in.From[0].NamespaceSelector == nil {
					t.Errorf("%s lets everybody in", p.Name)
				}
				rules["in "+component+" "+port.Port.String()]++
			}
		}
		for _, out := range p.Spec.Egress {
			for _, port := range out.Ports {
				rules["out "+component+" "+port.Port.String()]++
			}
		}
	}
	want := map[string]int{
		"nothing else": 2, "in  admin": 1, "in export http": 1, "out  53": 2, "out  8123": 1, "out  8443": 1,
		"out  4318": 1, "out ingest 9092": 1, "out ingest 9093": 1,
	}
	if !maps.Equal(rules, want) {
		t.Errorf("the policies are %v, want %v", rules, want)
	}
	settings := all.configs[0].Data
	for name, port := range map[string]string{"ROLLCALL_KAFKA_BROKERS": ":9092", "ROLLCALL_CLICKHOUSE_URL": ":8123/"} {
		if !strings.Contains(settings[name], port) {
			t.Errorf("%s is %s, and the policies let only %s out", name, settings[name], port)
		}
	}
}

// Every pod runs as nobody, on a read-only file system, and within limits. It takes its settings
// from a ConfigMap that the binary understands, and its secrets from a Secret.
func TestPodsAreLocked(t *testing.T) {
	binary := build(t)
	forEachOverlay(t, func(t *testing.T, all objects) { podsAreLocked(t, all, binary) })
}

func podsAreLocked(t *testing.T, all objects, binary binary) {
	for name, pod := range all.pods() {
		if c := pod.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.SeccompProfile == nil {
			t.Errorf("%s: the pod may run as root", name)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken ||
			pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Errorf("%s: the pod is given a token, or variables that the binary would refuse", name)
		}
		c := pod.Containers[0]
		if s := c.SecurityContext; s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
			!slices.Contains(s.Capabilities.Drop, "ALL") {
			t.Errorf("%s: the container is not locked", name)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() ||
			c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: requests or limits are missing", name)
		}
		if len(c.EnvFrom) != 1 || c.EnvFrom[0].ConfigMapRef == nil || c.EnvFrom[0].ConfigMapRef.Name != all.configs[0].Name {
			t.Fatalf("%s: %+v is not the ConfigMap %s", name, c.EnvFrom, all.configs[0].Name)
		}
		settings := maps.Clone(all.configs[0].Data)
		for _, v := range c.Env {
			settings[v.Name] = strings.ReplaceAll(v.Value, "$(SHARD)", "1")
		}
		delete(settings, "SHARD")
		binary.understands(t, c.Args[0], settings)
		mounted := pod.Volumes[0].Secret
		if mounted == nil || c.VolumeMounts[0].Name != pod.Volumes[0].Name || !c.VolumeMounts[0].ReadOnly {
			t.Fatalf("%s mounts no secret", name)
		}
		for key, value := range all.configs[0].Data {
			secret := strings.Contains(key, "PASSWORD") || strings.Contains(key, "SECRET")
			if secret && (!strings.HasSuffix(key, "_FILE") || !strings.HasPrefix(value, c.VolumeMounts[0].MountPath+"/")) {
				t.Errorf("%s: %s is not a reference to the mounted secret", name, key)
			}
		}
	}
}

// The settings in the comments of settings.env are settings that the binary knows.
func TestOfferedSettingsAreKnown(t *testing.T) {
	text, err := os.ReadFile("../../kubernetes/base/settings.env")
	if err != nil {
		t.Fatal(err)
	}
	offered := map[string]string{"ROLLCALL_CLICKHOUSE_URL": "http://rollcall@clickhouse:8123/rollcall"}
	for line := range strings.Lines(string(text)) {
		name, value, is := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), "=")
		if is && strings.HasPrefix(line, "#") {
			offered[name] = value
		}
	}
	if offered["ROLLCALL_OTLP_ENDPOINT"] == "" {
		t.Errorf("tracing is not offered: %v", offered)
	}
	binary := build(t)
	for _, command := range []string{"migrate", "ingest", "rollup", "export"} {
		binary.understands(t, command, offered)
	}
}

func (all objects) pods() map[string]corev1.PodSpec {
	pods := map[string]corev1.PodSpec{}
	for _, w := range all.workloads() {
		pods[w.name] = w.template.Spec
	}
	for _, j := range all.jobs {
		pods[j.Name] = j.Spec.Template.Spec
	}
	return pods
}

// Every stage has a liveness and a readiness probe, time to stop, more than one replica, which are
// spread over nodes, and a disruption budget. Selectors match the labels of what they select.
func TestStagesStayUp(t *testing.T) { forEachOverlay(t, stagesStayUp) }

func stagesStayUp(t *testing.T, all objects) {
	for _, w := range all.workloads() {
		labels := w.template.Labels
		c := w.template.Spec.Containers[0]
		if !selects(w.selector.MatchLabels, labels) || w.replicas < 2 ||
			*w.template.Spec.TerminationGracePeriodSeconds < 16 {
			t.Errorf("%s: selector, replicas or the time to stop (15 s and a little)", w.name)
		}
		spread := w.template.Spec.TopologySpreadConstraints
		if len(spread) != 1 || spread[0].TopologyKey != "kubernetes.io/hostname" ||
			!selects(spread[0].LabelSelector.MatchLabels, labels) {
			t.Errorf("%s is not spread over nodes: %+v", w.name, spread)
		}
		for what, probe := range map[string]*corev1.Probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
			probed := func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.String() }
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != what ||
				!slices.ContainsFunc(c.Ports, probed) {
				t.Errorf("%s: no probe of %s at one of its ports", w.name, what)
			}
		}
		if !slices.ContainsFunc(all.budgets, func(b policyv1.PodDisruptionBudget) bool {
			return selects(b.Spec.Selector.MatchLabels, labels) && b.Spec.MaxUnavailable.IntValue() == 1
		}) {
			t.Errorf("%s has no disruption budget", w.name)
		}
	}
	for _, s := range all.services {
		selected := func(w workload) bool { return selects(s.Spec.Selector, w.template.Labels) }
		if !slices.ContainsFunc(all.workloads(), selected) {
			t.Errorf("the service %s selects nothing", s.Name)
		}
	}
}

// selects tells whether labels has every label of the selector, and the selector has at least one.
func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0 && !reflect.DeepEqual(selector, map[string]string{"app.kubernetes.io/name": "rollcall"})
}
