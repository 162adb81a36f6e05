package manifests

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

// A size is what SIZING.md says about so many events a day.
type size struct{ processes, cores, partitions, shards float64 }

// ingestMinimum is the least CPU that a process of ingest asks for: enough to start and to join.
const ingestMinimum = 0.1

// sizeOf reads the row of SIZING.md that an overlay names, as in "Up to 1 billion events a day".
func sizeOf(t *testing.T, overlay string) (s size) {
	t.Helper()
	page := read(t, "../../kubernetes/"+overlay+"/kustomization.yaml")
	day := regexp.MustCompile(`^# Up to (\d+ [mb]illion) events a day`).FindStringSubmatch(page)
	if day == nil {
		t.Fatalf("%s does not say up to how many events it is for", overlay)
	}
	for line := range strings.Lines(read(t, "../../SIZING.md")) {
		cells := strings.Split(line, " | ")
		if cells[0] != "| "+day[1] {
			continue
		}
		for i, into := range map[int]*float64{2: &s.processes, 3: &s.cores, 4: &s.partitions, 6: &s.shards} {
			var err error
			if *into, err = strconv.ParseFloat(cells[i], 64); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	t.Fatalf("SIZING.md has no row for %s a day", day[1])
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// cpu is what one process of ingest asks for, in tenths of a core.
func (s size) cpu() resource.Quantity {
	tenths := math.Ceil(10 * max(ingestMinimum, s.cores/s.processes))
	return *resource.NewMilliQuantity(int64(tenths*100), resource.DecimalSI)
}

// The numbers of each overlay are those of SIZING.md: as many processes of ingest with as much CPU,
// and with more than one shard a rollup worker for each, and the settings of a cluster.
func TestSizes(t *testing.T) {
	for _, overlay := range overlays {
		s := sizeOf(t, overlay)
		all := buildOverlay(t, overlay)
		for _, w := range all.workloads() {
			asks := w.template.Spec.Containers[0].Resources.Requests.Cpu()
			switch want := s.cpu(); {
			case w.name == "ingest" && (float64(w.replicas) != s.processes || asks.Cmp(want) != 0):
				t.Errorf("%s has %d ingests with %s of CPU each, want %v with %s", overlay, w.replicas, asks, s.processes, &want)
			case w.name == "rollup" && float64(w.replicas) != max(2, s.shards):
				t.Errorf("%s has %d rollups for %v shards", overlay, w.replicas, s.shards)
			}
		}
		clustered := all.configs[0].Data["ROLLCALL_CLUSTER"] != "" && len(all.sets) == 1
		if clustered != (s.shards > 1) {
			t.Errorf("%s has %v shards, and %d StatefulSets and the settings %v", overlay, s.shards, len(all.sets),
				all.configs[0].Data)
		}
	}
}

// Ingest scales on a metric that exists, within the sizes' numbers: not below what they need, and
// never to more processes than a topic has partitions.
func TestIngestScalesOnLag(t *testing.T) {
	page := read(t, "../../kubernetes/components/scale-on-lag/autoscaler.yaml")
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := yaml.UnmarshalStrict([]byte(page), &h); err != nil {
		t.Fatal(err)
	}
	if h.Spec.ScaleTargetRef.Kind != "Deployment" || h.Spec.ScaleTargetRef.Name != "ingest" {
		t.Errorf("it scales %+v", h.Spec.ScaleTargetRef)
	}
	if len(h.Spec.Metrics) != 1 || h.Spec.Metrics[0].External == nil ||
		!metricExists([]byte(read(t, "../../METRICS.md")), h.Spec.Metrics[0].External.Metric.Name) {
		t.Errorf("it scales on %+v", h.Spec.Metrics)
	}
	for _, overlay := range []string{"small", "medium"} {
		s := sizeOf(t, overlay)
		if float64(*h.Spec.MinReplicas) != s.processes || float64(h.Spec.MaxReplicas) != s.partitions {
			t.Errorf("from %d to %d; %s needs %v and has %v partitions", *h.Spec.MinReplicas, h.Spec.MaxReplicas, overlay,
				s.processes, s.partitions)
		}
	}
	large := sizeOf(t, "large")
	for _, n := range []float64{large.processes, large.partitions} {
		if !strings.Contains(page, fmt.Sprintf("with the overlay large: %v", n)) {
			t.Errorf("the page does not say %v for large", n)
		}
	}
}
