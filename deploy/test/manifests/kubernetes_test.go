package manifests

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// objects are those that the kustomization makes, by kind.
type objects struct {
	deployments []appsv1.Deployment
	jobs        []batchv1.Job
	services    []corev1.Service
	budgets     []policyv1.PodDisruptionBudget
	scalers     []autoscalingv2.HorizontalPodAutoscaler
	configs     []corev1.ConfigMap
}

// buildKustomization does what `kubectl kustomize deploy/kubernetes/base` does, and decodes strictly: a
// field that Kubernetes does not know, or a kind that this test does not know, is an error.
func buildKustomization(t *testing.T) (all objects) {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../kubernetes/base")
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
		case "apps/v1 Deployment":
			strict(grown(&all.deployments))
		case "batch/v1 Job":
			strict(grown(&all.jobs))
		case "v1 Service":
			strict(grown(&all.services))
		case "policy/v1 PodDisruptionBudget":
			strict(grown(&all.budgets))
		case "autoscaling/v2 HorizontalPodAutoscaler":
			strict(grown(&all.scalers))
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

func TestKustomizationIsBuilt(t *testing.T) {
	all := buildKustomization(t)
	if len(all.deployments) != 3 || len(all.jobs) != 1 || len(all.services) != 1 || len(all.scalers) != 1 ||
		len(all.configs) != 1 {
		t.Errorf("%d deployments, %d jobs, %d services, %d autoscalers, %d configurations", len(all.deployments),
			len(all.jobs), len(all.services), len(all.scalers), len(all.configs))
	}
}

// Every pod runs as nobody, on a read-only file system, and within limits. It takes its settings
// from a ConfigMap that the binary understands, and its secrets from a Secret.
func TestPodsAreLocked(t *testing.T) {
	all := buildKustomization(t)
	binary := build(t)
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
		binary.understands(t, c.Args[0], all.configs[0].Data)
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
	if offered["ROLLCALL_OTLP_ENDPOINT"] == "" || offered["ROLLCALL_CLUSTER"] == "" ||
		offered["ROLLCALL_CLUSTER_REPLICAS"] == "" {
		t.Errorf("neither tracing nor a cluster is offered: %v", offered)
	}
	binary := build(t)
	for _, command := range []string{"migrate", "ingest", "rollup", "export"} {
		binary.understands(t, command, offered)
	}
}

func (all objects) pods() map[string]corev1.PodSpec {
	pods := map[string]corev1.PodSpec{}
	for _, d := range all.deployments {
		pods[d.Name] = d.Spec.Template.Spec
	}
	for _, j := range all.jobs {
		pods[j.Name] = j.Spec.Template.Spec
	}
	return pods
}

// Every stage has a liveness and a readiness probe, time to stop, more than one replica, and a
// disruption budget. Selectors match the labels of what they select.
func TestStagesStayUp(t *testing.T) {
	all := buildKustomization(t)
	for _, d := range all.deployments {
		labels := d.Spec.Template.Labels
		c := d.Spec.Template.Spec.Containers[0]
		if !selects(d.Spec.Selector.MatchLabels, labels) || *d.Spec.Replicas < 2 ||
			*d.Spec.Template.Spec.TerminationGracePeriodSeconds < 16 {
			t.Errorf("%s: selector, replicas or the time to stop (15 s and a little)", d.Name)
		}
		for what, probe := range map[string]*corev1.Probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
			probed := func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.String() }
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != what ||
				!slices.ContainsFunc(c.Ports, probed) {
				t.Errorf("%s: no probe of %s at one of its ports", d.Name, what)
			}
		}
		if !slices.ContainsFunc(all.budgets, func(b policyv1.PodDisruptionBudget) bool {
			return selects(b.Spec.Selector.MatchLabels, labels) && b.Spec.MaxUnavailable.IntValue() == 1
		}) {
			t.Errorf("%s has no disruption budget", d.Name)
		}
	}
	for _, s := range all.services {
		selected := func(d appsv1.Deployment) bool { return selects(s.Spec.Selector, d.Spec.Template.Labels) }
		if !slices.ContainsFunc(all.deployments, selected) {
			t.Errorf("the service %s selects nothing", s.Name)
		}
	}
}

// Ingest scales on a metric that exists.
func TestIngestScalesOnLag(t *testing.T) {
	all := buildKustomization(t)
	page, err := os.ReadFile("../../METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	h := all.scalers[0]
	scaled := func(d appsv1.Deployment) bool { return d.Name == h.Spec.ScaleTargetRef.Name && d.Name == "ingest" }
	if h.Spec.ScaleTargetRef.Kind != "Deployment" || !slices.ContainsFunc(all.deployments, scaled) {
		t.Errorf("it scales %+v", h.Spec.ScaleTargetRef)
	}
	if len(h.Spec.Metrics) != 1 || h.Spec.Metrics[0].External == nil ||
		!metricExists(page, h.Spec.Metrics[0].External.Metric.Name) {
		t.Errorf("it scales on %+v", h.Spec.Metrics)
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
