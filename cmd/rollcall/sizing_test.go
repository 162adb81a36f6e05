package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// resultsPage has the figures that `rollcall bench` measured. Other pages repeat them.
const resultsPage = "../../deploy/bench/RESULTS.md"

// withMeasuredCosts returns the page with the two costs of ingest that resultsPage has in the row
// of Rollcall itself.
func withMeasuredCosts(t *testing.T, page, results string) string {
	t.Helper()
	row := regexp.MustCompile(`(?m)^\| rollcall \| [0-9,]+ \| ([0-9.]+) \| ([0-9.]+) \|`).FindStringSubmatch(results)
	if row == nil {
		t.Fatalf("%s has no row of Rollcall's own way", resultsPage)
	}
	for i, cost := range []string{"ingest_cpu", "engine_cpu"} {
		cell := regexp.MustCompile("(?m)^(\\| `" + cost + "` \\| )[0-9.]+ ")
		if !cell.MatchString(page) {
			t.Fatalf("deploy/SIZING.md has no %s", cost)
		}
		page = cell.ReplaceAllString(page, "${1}"+row[i+1]+" ")
	}
	return page
}

// costs reads the first table of deploy/SIZING.md: the measured or assumed costs, by the name in
// the first column.
func costs(t *testing.T, page string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9.]+) \\|").FindAllStringSubmatch(page, -1) {
		value, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		all[m[1]] = value
	}
	return all
}

// sizeOf makes one line of the second table: what so many events a day need, by these costs.
func sizeOf(perDay float64, c map[string]float64) string {
	peak := perDay / 86_400 * c["peak"]
	processes := max(2, math.Ceil(peak/c["process_events"]))
	partitions := math.Exp2(math.Ceil(math.Log2(4 * processes)))
	ingestCores := peak * c["ingest_cpu"] / 1e6 / c["load"]
	engineCores := peak * (c["engine_cpu"]*(1+c["merges"]) + c["rollup_cpu"]) / 1e6 / c["load"]
	disk := perDay * (c["log_bytes"]*c["log_days"] + c["rollup_bytes"]*c["rollup_days"]) / (1 - c["free"]) / 1e12
	shards := max(1, math.Ceil(disk/c["shard_disk"]), math.Ceil(engineCores/c["shard_cores"]))
	kafka := perDay * c["kafka_bytes"] * c["kafka_days"] * c["kafka_replicas"] / 1e12
	return fmt.Sprintf("| %s | %s | %.0f | %s | %.0f | %s | %.0f | %s TB | %s TB | %s TB |",
		count(perDay), count(peak), processes, digits(ingestCores), partitions,
		digits(engineCores), shards, digits(disk/shards), digits(disk*c["replicas"]), digits(kafka))
}

func digits(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(math.Ceil(v*100)/100, 'g', 2, 64)
	}
	return strconv.FormatFloat(math.Ceil(v), 'f', 0, 64)
}

func count(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " billion"}, {1e6, " million"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(math.Ceil(v), 'f', 0, 64)
}

// In deploy/SIZING.md the costs of ingest are those of resultsPage, and the sizes are computed from
// the costs.
func TestSizesFollowFromTheCosts(t *testing.T) {
	const file = "../../deploy/SIZING.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile(resultsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := withMeasuredCosts(t, string(text), string(results))
	head, rest, found := strings.Cut(page, "<!-- sizes -->\n")
	_, tail, ended := strings.Cut(rest, "<!-- /sizes -->")
	if !found || !ended {
		t.Fatal("deploy/SIZING.md has no place for the sizes")
	}
	sizes := "| events a day | at the peak, a second | ingest processes | ingest cores | partitions per topic | engine cores, per replica | shards | disk of one server | disk of all servers | Kafka's disk |\n" +
		"|---|---|---|---|---|---|---|---|---|---|\n"
	for _, perDay := range []float64{1e6, 1e7, 1e8, 1e9, 3e9, 1e10} {
		sizes += sizeOf(perDay, costs(t, page)) + "\n"
	}
	want := head + "<!-- sizes -->\n" + sizes + "<!-- /sizes -->" + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("the sizes do not follow from the costs, or these not from %s; run make generate. By the costs they are\n%s",
			resultsPage, sizes)
	}
}

// DESIGN.md §10 sums up what was measured. Its figures are figures of resultsPage.
func TestDesignHasTheMeasuredFigures(t *testing.T) {
	design, err := os.ReadFile("../../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile(resultsPage)
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`[0-9][0-9,.]*[0-9]|[0-9]`)
	measured := map[string]bool{}
	for _, n := range number.FindAllString(string(results), -1) {
		measured[n] = true
	}
	_, section, _ := strings.Cut(string(design), "\n## 10. What it costs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| ([^|]+) \|`).FindAllStringSubmatch(section, -1)
	if len(rows) < 5 {
		t.Fatalf("DESIGN.md §10 has only %d rows", len(rows))
	}
	for _, row := range rows {
		for _, n := range number.FindAllString(row[1], -1) {
			if !measured[n] {
				t.Errorf("%s of %q is not in %s", n, row[1], resultsPage)
			}
		}
	}
}
