package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/export"
	"rollcall/ingest"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

var update = flag.Bool("update", false, "write the pages of deploy that are made from the source")

// A describer is a registry that records the metrics that the stages register.
type describer struct {
	prometheus.Registerer
	found map[string]string // name → the page's line
}

var described = regexp.MustCompile(`fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", .*variableLabels: \{([^}]*)\}`)

func (d describer) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc, 64)
	c.Describe(descriptions)
	close(descriptions)
	for description := range descriptions {
		m := described.FindStringSubmatch(description.String())
		d.found[m[1]] = fmt.Sprintf("| `%s` | %s | %s |", m[1], strings.ReplaceAll(m[3], ",", ", "), m[2])
	}
	return nil
}

func (d describer) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		d.Register(c)
	}
}

// metrics returns the metrics of the three stages, and those that they share.
func metrics(t *testing.T) map[string]string {
	t.Helper()
	d := describer{found: map[string]string{}}
	ch := tables.Options{URL: "http://127.0.0.1:1/rollcall"}
	log := slog.New(slog.DiscardHandler)
	_, err1 := ingest.New(ingest.Config{Brokers: []string{"127.0.0.1:1"}, Topics: []string{"t"}}, ch, log, d)
	_, err2 := rollup.New(rollup.Config{}, ch, log, d)
	_, err3 := export.New(export.Config{Secret: make([]byte, 32)}, ch, log, d)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	build{}.register(d)
	d.MustRegister(newCertificates(log))
	newReadinessMetrics(d)
	return d.found
}

// The page of metrics is made from the source. The names that the specification promises are on it.
func TestMetricsPage(t *testing.T) {
	found := metrics(t)
	var lines []string
	for _, line := range found {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	page := "# Metrics\n\nOn `--admin-addr` of each stage, at `/metrics`, besides those of Go and the process. Made from the source by `make generate`.\n\n" +
		"| metric | labels | meaning |\n|---|---|---|\n" + strings.Join(lines, "\n") + "\n"
	const file = "../../deploy/METRICS.md"
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != page {
		t.Errorf("deploy/METRICS.md is not what the source says; run make generate")
	}
	for _, name := range []string{
		"ingest_events_total", "ingest_rejects_total", "ingest_conflicts_total", "ingest_duplicates_total",
		"ingest_batches_total", "ingest_batch_rows", "ingest_flush_seconds",
		"ingest_retries_total", "ingest_topic_missing", "ingest_lag_records", "ingest_gap_records_total", "ingest_complete_through_seconds",
		"rollup_dirty_slices", "rollup_dirty_age_seconds",
		"rollup_slices_total", "rollup_slice_seconds", "rollup_rows_read_total", "export_requests_total", "export_seconds",
		"export_first_byte_seconds", "export_bytes_total", "export_aborts_total", "build_info", "ready", "not_ready",
	} {
		if found["rollcall_"+name] == "" {
			t.Errorf("rollcall_%s is promised, but no stage has it", name)
		}
	}
}
