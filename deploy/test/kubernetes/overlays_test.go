//go:build kubernetes && linux

package kubernetes

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// commands returns the lines of a page that begin with kubectl: in a comment of a manifest, or
// between backticks.
func commands(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("(?m)(?:^# +|`)(kubectl [^`\n]+)").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}

// An object is what the server has of one.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace, ResourceVersion string }
	Spec     struct {
		Replicas *int
		Template struct {
			Metadata map[string]any
			Spec     map[string]any
		}
	}
}

func (o object) name() string { return o.Kind + "/" + o.Metadata.Name }

// objects returns what the server has of the overlay's objects.
func (c *cluster) objects(overlay string) (all []object) {
	c.Helper()
	var list struct{ Items []object }
	if err := json.Unmarshal([]byte(c.run("kubectl get -o json -k "+overlay)), &list); err != nil {
		c.Fatal(err)
	}
	return list.Items
}

// versions tells whether an object was changed between two calls.
func (c *cluster) versions(overlay string) map[string]string {
	all := map[string]string{}
	for _, o := range c.objects(overlay) {
		all[o.name()] = o.Metadata.ResourceVersion
	}
	return all
}

// The commands of the overlay's page make everything. Applied again, they change nothing. Every pod
// is admitted to the namespace. An upgrade is done as OPERATIONS.md says.
func TestOverlays(t *testing.T) {
	for _, overlay := range []string{"small", "medium", "large"} {
		t.Run(overlay, func(t *testing.T) {
			c := startCluster(t)
			first := commands(t, "kubernetes/small/kustomization.yaml")
			if len(first) != 2 || !strings.Contains(first[0], "/small") {
				t.Fatalf("the page of the overlay has the commands %q", first)
			}
			apply := strings.Replace(first[0], "/small", "/"+overlay, 1)
			dir := "deploy/kubernetes/" + overlay
			c.run(apply)
			c.run(first[1])
			made := c.versions(dir)
			if len(made) < 15 {
				t.Fatalf("only %d objects: %v", len(made), made)
			}
			c.run(apply)
			if again := c.versions(dir); !maps.Equal(made, again) {
				t.Errorf("applied again, it has changed:\n%v\n%v", made, again)
			}
			// the controllers of a whole Kubernetes make it
			c.run("kubectl create serviceaccount default -n rollcall")
			c.admits(dir)
			c.upgrades(apply, dir)
		})
	}
}

// admits asks for each kind of pod that the controllers would make whether it is admitted. If it
// may run as root, it is not.
func (c *cluster) admits(overlay string) {
	c.Helper()
	pods := 0
	for _, o := range c.objects(overlay) {
		if o.Spec.Template.Spec == nil {
			continue
		}
		pods++
		pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": o.Spec.Template.Spec,
			"metadata": map[string]any{"name": o.Metadata.Name, "namespace": o.Metadata.Namespace,
				"labels": o.Spec.Template.Metadata["labels"]}}
		manifest := func() string {
			text, err := json.Marshal(pod)
			if err != nil {
				c.Fatal(err)
			}
			return string(text)
		}
		const create = "kubectl create --dry-run=server -f -"
		if out, err := c.try(manifest(), create); err != nil || strings.Contains(out, "Warning") {
			c.Errorf("the pod of %s is not admitted: %v\n%s", o.name(), err, out)
		}
		o.Spec.Template.Spec["securityContext"] = map[string]any{"runAsUser": 0}
		c.refused(`violates PodSecurity "restricted:latest"`, manifest(), create)
	}
	if pods != 4 {
		c.Errorf("%d kinds of pods, want migrate and the three stages", pods)
	}
}

// upgrades puts another image into the overlay, and applies it. The Job of the last version is in
// the way until it is deleted.
func (c *cluster) upgrades(apply, overlay string) {
	c.Helper()
	base := "deploy/kubernetes/base/kustomization.yaml"
	page := strings.Replace(c.read(base), "newTag: latest", "newTag: next", 1)
	c.write(base, page)
	c.refused("field is immutable", "", apply)
	steps := commands(c.T, "OPERATIONS.md")
	if len(steps) != 1 || !strings.HasPrefix(steps[0], "kubectl delete job migrate ") {
		c.Fatalf("OPERATIONS.md has the commands %q", steps)
	}
	c.run(steps[0])
	c.run(apply)
	images := c.run("kubectl get -k " + overlay + " -o jsonpath='{.items[*].spec.template.spec.containers[*].image}'")
	if strings.Count(images, "/rollcall:next") != 4 || len(strings.Fields(images)) != 4 {
		c.Errorf("after the upgrade the images are %s", images)
	}
}

// What is wrong in a manifest is refused: a field that Kubernetes does not know, a value that a
// field cannot have, an object of a kind that is not installed.
func TestWrongManifestsAreRefused(t *testing.T) {
	c := startCluster(t)
	c.run("kubectl apply --server-side -f deploy/kubernetes/base/namespace.yaml")
	const apply = "kubectl apply --server-side -n rollcall -f -"
	right := c.read("deploy/kubernetes/base/rollup.yaml")
	if out, err := c.try(right, apply); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, change := range []struct{ is, becomes, reason string }{
		{"replicas: 2", "replica: 2", "field not declared in schema"},
		{"maxSkew: 1", "maxSkew: 0", "maxSkew"},
		{"port: admin }, periodSeconds: 5", "port: no_such_port }, periodSeconds: 5", "httpGet.port"},
		{"matchLabels: { app.kubernetes.io/component: rollup } }\n  template", "matchLabels: { a: b } }\n  template",
			"does not match template"},
	} {
		wrong := strings.Replace(right, change.is, change.becomes, 1)
		if wrong == right {
			t.Fatalf("rollup.yaml has no %q", change.is)
		}
		c.refused(change.reason, strings.Replace(wrong, "name: rollup }", "name: wrong }", 1), apply)
	}
	c.write("pod-monitor.yaml", c.read("deploy/kubernetes/components/pod-monitor/pod-monitor.yaml"))
	c.refused(`no matches for kind "PodMonitor"`, "", "kubectl apply --server-side -f pod-monitor.yaml")
}

// The components that the overlay's page offers can be named in it, where the operator's PodMonitor
// is known. With the autoscaler nobody else sets the replicas of ingest.
func TestComponents(t *testing.T) {
	c := startCluster(t)
	c.run("kubectl apply --server-side -f '" + podMonitorDefinition(t) + "'")
	c.run("kubectl wait --for=condition=Established crd/podmonitors.monitoring.coreos.com --timeout=60s")
	page := "deploy/kubernetes/small/kustomization.yaml"
	offered := regexp.MustCompile("`(components: [^`]+)`").FindStringSubmatch(c.read(page))
	if offered == nil {
		t.Fatal("the page of the overlay offers no components")
	}
	c.write(page, c.read(page)+offered[1]+"\n")
	c.run("kubectl apply --server-side -k deploy/kubernetes/small")
	found := map[string]bool{}
	for _, o := range c.objects("deploy/kubernetes/small") {
		found[o.name()] = true
	}
	if !found["PodMonitor/rollcall"] || !found["HorizontalPodAutoscaler/ingest"] {
		t.Errorf("it has made %v", found)
	}
	owned := c.run("kubectl get deployment ingest -n rollcall --show-managed-fields -o jsonpath='{.metadata.managedFields}'")
	if strings.Contains(owned, "f:replicas") {
		t.Errorf("the overlay sets the replicas that the autoscaler sets: %s", owned)
	}
	monitor := c.read("deploy/kubernetes/components/pod-monitor/pod-monitor.yaml")
	c.refused("podMetricsEndpoint", strings.Replace(monitor, "podMetricsEndpoints:", "podMetricsEndpoint:", 1),
		"kubectl apply --server-side -f -")
}
