package ingest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/schema"
)

// samples are all values of ingest's metrics that are not 0, as Prometheus reads them. Histograms
// have their count and their sum.
func (m *member) samples() map[string]float64 {
	m.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		m.Fatal(err)
	}
	found := map[string]float64{}
	put := func(name string, v float64) {
		if v != 0 {
			found[name] = v
		}
	}
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), "rollcall_ingest_")
		if !ours {
			continue
		}
		for _, series := range f.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			at := strings.Join(append([]string{name}, labels...), " ")
			if h := series.GetHistogram(); h != nil {
				put(at+" count", float64(h.GetSampleCount()))
				put(at+" sum", h.GetSampleSum())
				continue
			}
			put(at, series.GetCounter().GetValue()+series.GetGauge().GetValue())
		}
	}
	return found
}

// event is one of any type.
func eventText(typ, id, data string, at time.Time) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"test","type":"usage.%s.v1","time":%q,"data":{"org_id":"acme",%s}}`, id, typ, at.UTC().Format(time.RFC3339Nano), data)
}

// Every metric is what happened: the test stores one batch of known records, and each of its
// inserts fails once.
func TestNumbersOfMetrics(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.config.BatchAge = time.Minute // one batch, stored by the stop
	now := time.Now()
	h.erase("acme", "gone", now.Add(time.Hour))
	failed := map[string]bool{}
	newProxy(h).set(func(statement string) fault {
		name := firstWords(statement)
		if !strings.HasPrefix(name, "INSERT") || strings.HasSuffix(name, "progress") || failed[name] {
			return fault{}
		}
		failed[name] = true // one statement at a time
		return fault{
			before: func(w http.ResponseWriter) bool { return exception("252", "Too many parts (TOO_MANY_PARTS)")(w) },
		}
	})
	token := `"model":"m","prompt_tokens":1,"completion_tokens":2,"api_key_id":"k"`
	run := `"workflow_id":"w","run_id":"r","status":"failed","duration_ms":1`
	old := now.AddDate(0, -2, 0) // another month: another block
	records := []string{
		message("a", "ann", now), message("a", "ann", now), message("a", "bob", now), message("b", "ann", old),
		message("c", "gone", now),
		eventText("action", "a", `"user_id":"ann","action":"x"`, now), eventText("action", "b",
			`"user_id":"gone","action":"x"`, now), eventText("action", "a", `"user_id":"ann","action":"x"`, now),
		eventText("token", "a", token, now), eventText("token", "b", token, now),
		eventText("token", "b", token+`,"byok":true`, now),
		eventText("workflow_run", "a", run, now), eventText("workflow_run", "a", run, now),
		eventText("workflow_run", "a", run, now),
		userEvent("a", "ann", "Ann", now), userEvent("a", "ann", "Ann", now), userEvent("a", "ann", "Anna", now),
		userEvent("b", "gone", "G", now), userEvent("c", "bob", "Bob", now),
		"{", "{", eventText("nothing", "a", `"user_id":"ann"`, now),
		eventText("message", "d", `"user_id":"gone","channel":"smoke"`, now),
	}
	var sent []*kgo.Record
	for _, r := range records {
		sent = append(sent, &kgo.Record{Topic: "usage.messages", Value: []byte(r)})
	}
	h.send(sent...)
	m := h.start()
	h.eventually("all is read", func() bool { return m.metric("lag_records", "partition=0") == float64(len(records)) })
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}

	got := m.samples()
	for name := range got { // times
		if strings.HasPrefix(name, "flush_seconds") && strings.HasSuffix(name, "sum") || name == "complete_through_seconds" {
			delete(got, name)
		}
	}
	want := map[string]float64{
		"events_total stored message": 4, "events_total erased message": 1, "events_total stored action": 2,
		"events_total erased action": 1,
		"events_total stored token":  3, "events_total stored workflow_run": 3, "events_total stored entity": 4,
		"events_total erased entity":    1,
		"events_total rejected unknown": 3, "events_total erased unknown": 1,
		"rejects_total malformed_json": 2, "rejects_total unknown_type": 1,
		"duplicates_total message": 1, "conflicts_total message": 1, "duplicates_total action": 1, "conflicts_total token": 1,
		"duplicates_total workflow_run": 2,
		"duplicates_total entity":       1, "conflicts_total entity": 1,
		"retries_total log": 2, "retries_total marks": 1, "retries_total rejects": 1,
	}
	rows := map[string][2]float64{ // blocks, and rows in all of them
		"events": {2, 3 + 2 + 2 + 1}, "entities": {1, 3}, "marks": {1, 2}, "rejects": {1, 3},
	}
	for table, n := range rows {
		want["batches_total "+table] = n[0]
		want["batch_rows "+table+" count"] = n[0]
		want["flush_seconds "+table+" count"] = n[0]
		want["batch_rows "+table+" sum"] = n[1]
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s is %v, not %v", name, got[name], want[name])
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("besides: %v", got)
	}
}

// All series of closed label sets are there from the start, at 0. Prometheus sees no increase in a
// series that was absent before.
func TestSeriesAreThereFromTheStart(t *testing.T) {
	m := &member{harness: newHarness(t, "usage.messages")}
	m = m.harness.start()
	for name, want := range map[string]int{
		"events_total": 2*len(schema.Types()) + 2, "conflicts_total": len(schema.Types()), "duplicates_total": len(schema.Types()),
		"rejects_total": len(schema.Reasons()), "retries_total": 5,
	} {
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range families {
			if f.GetName() == "rollcall_ingest_"+name {
				n = len(f.GetMetric())
			}
		}
		if n != want {
			t.Errorf("%s has %d series, not %d", name, n, want)
		}
	}
}
