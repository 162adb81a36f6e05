package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/bench"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/export/access"
)

// Every flag of a command reaches what the command makes from it. With another value of a flag, the
// result differs, or the command says what is wrong with the value. Flags of the process itself
// (addresses, certificates, the number of connections) have other tests: TestExportServesTLS,
// TestConnectionsAreLimited, TestHealth and TestCollectorThatHangs.
func TestFlagsArePassedOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("another text"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	kafka := kafkaFlags{KafkaBrokers: []string{"a:1"}, KafkaSASL: "plain", KafkaUser: "u", KafkaPassword: ""}
	clickhouse := clickhouseFlags{ClickhouseURL: "http://u@a:1/b", Cluster: "c", ClusterReplicas: 2}
	ingested := ingestFlags{}
	exported := exportFlags{}
	rolled := rollupFlags{}
	rejected := rejectFlags{}
	sliced := sliceFlags{}
	sampled := sampleFlags{Org: "o"}
	topics := topicFlags{clickhouseFlags: clickhouse, kafkaFlags: kafka}
	created := keysCreateCommand{Org: "o", Expires: days(24 * time.Hour), Scopes: []string{"A"}}
	database := enginetest.Database(t)
	ingestBench := benchIngestCommand{}
	delayBench := benchDelayCommand{}
	exportBench := benchExportCommand{Events: []int{1}}
	scaleBench := benchScaleCommand{Workspaces: []int{1}}
	broker := embeddedBrokerCommand{}
	engine := embeddedEngineCommand{}
	demonstrated := demoCommand{}
	for name, c := range map[string]struct {
		flags  any
		made   func() (any, error)
		others map[string]bool // flags of the process
	}{
		"clickhouse": {&clickhouse, func() (any, error) { return clickhouse.options() }, nil},
		"kafka":      {&kafka, func() (any, error) { return kafka.config() }, nil},
		"ingest":     {&ingested, func() (any, error) { return ingested.config(kafkaFlags{}) }, nil},
		"rollup":     {&rolled, func() (any, error) { return rolled.config(), nil }, nil},
		"export": {&exported, func() (any, error) { return exported.config([]byte("secret")), nil }, map[string]bool{
			"HTTPAddr": true, "HTTPCertFile": true, "HTTPKeyFile": true, "MaxConnections": true,
		}},
		"rejects":  {&rejected, func() (any, error) { return rejected.filter(now) }, nil},
		"slices":   {&sliced, func() (any, error) { return sliced.filter() }, nil},
		"generate": {&sampled, func() (any, error) { return sampled.config(now), nil }, nil},
		"topics": {&topics, func() (any, error) {
			config, err := topics.group()
			if err != nil {
				return nil, err
			}
			o, err := topics.options()
			return []any{config, o}, err
		}, nil},
		"keys create": {
			&created, func() (any, error) { return keyMade(t, created, database.URL) }, namesOf(clickhouseFlags{}),
		},
		"bench ingest": {&ingestBench, func() (any, error) {
			text, err := textOf(func(w io.Writer) error { return ingestBench.print(w, []bench.IngestResult{{}}) })
			return []any{ingestBench.options("", nil), text}, err
		}, map[string]bool{"CPUProfile": true}}, // not seen by this test: Run opens the file
		"bench delay": {&delayBench, func() (any, error) {
			text, err := textOf(func(w io.Writer) error { return delayBench.print(w, bench.DelayResult{}) })
			return []any{delayBench.options("", nil), text}, err
		}, nil},
		"bench export": {&exportBench, func() (any, error) {
			text, err := textOf(func(w io.Writer) error {
				return errors.Join(exportBench.print(w, []bench.ExportResult{{}}), exportBench.printLoad(w, []bench.LoadResult{{}}))
			})
			return []any{exportBench.options("", nil), text}, err
		}, nil},
		"bench scale": {&scaleBench, func() (any, error) {
			text, err := textOf(func(w io.Writer) error { return scaleBench.print(w, []bench.ScaleResult{{}}) })
			return []any{scaleBench.options("", nil), text}, err
		}, nil},
		"embedded broker": {&broker, func() (any, error) { return broker.options(nil), nil }, nil},
		"embedded engine": {&engine, func() (any, error) { return engine.options(nil), nil }, nil},
		"demo": {&demonstrated, func() (any, error) {
			i, r, e := demonstrated.stages(clickhouseFlags{})
			return []any{demonstrated.brokerOptions(nil), demonstrated.engineOptions(nil), demonstrated.usage(), i, r, e}, nil
		}, namesOf(adminFlags{})},
	} {
		t.Run(name, func(t *testing.T) {
			flags := reflect.ValueOf(c.flags).Elem()
			for _, field := range reflect.VisibleFields(flags.Type()) {
				if field.Anonymous || c.others[field.Name] {
					continue
				}
				before, err := c.made()
				if err != nil {
					t.Fatal(err)
				}
				value := flags.FieldByIndex(field.Index)
				kept := reflect.New(field.Type).Elem()
				kept.Set(value)
				change(t, value, field, file)
				if after, err := c.made(); err == nil && reflect.DeepEqual(before, after) {
					t.Errorf("%s says nothing to what is made of it: %+v", field.Name, after)
				}
				value.Set(kept)
			}
		})
	}
}

// namesOf returns the names of the fields of embedded flags.
func namesOf(flags any) map[string]bool {
	names := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(flags)) {
		names[field.Name] = true
	}
	return names
}

// keyMade runs the command and returns the row of the key that it made, without the values that
// differ at every run.
func keyMade(t *testing.T, c keysCreateCommand, url string) (any, error) {
	t.Helper()
	c.clickhouseFlags = clickhouseFlags{ClickhouseURL: url}
	var out bytes.Buffer
	if err := c.Run(t.Context(), streams{out: &out, err: io.Discard}); err != nil {
		return nil, err
	}
	var made []any
	err := withKeys(c.clickhouseFlags, func(keys *access.Keys) error {
		all, err := keys.List(t.Context(), "")
		for _, k := range all {
			if !strings.HasPrefix(out.String(), "rc_"+k.ID+"_") {
				continue
			}
			made = append(made, k.Org, k.Name, k.Scopes)
			if k.ExpiresAt != nil {
				made = append(made, k.ExpiresAt.Sub(k.CreatedAt).Round(time.Second))
			}
		}
		return err
	})
	return made, err
}

func textOf(print func(io.Writer) error) (string, error) {
	var text bytes.Buffer
	err := print(&text)
	return text.String(), err
}

// change gives a flag another value.
func change(t *testing.T, v reflect.Value, field reflect.StructField, file string) {
	switch {
	case field.Tag.Get("type") == "path":
		v.SetString(file)
	case field.Tag.Get("enum") != "":
		v.SetString("scram-sha-256")
	case field.Name == "Since":
		v.SetString("7d")
	case field.Name == "From" || field.Name == "To":
		v.SetString("2026-10-31")
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Type() == reflect.TypeFor[days]():
		v.SetInt(v.Int() + int64(24*time.Hour))
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	case v.CanFloat():
		v.SetFloat(v.Float() + 1)
	case v.Type() == reflect.TypeFor[[]string]():
		v.Set(reflect.ValueOf([]string{"ANOTHER"}))
	case v.Type() == reflect.TypeFor[[]int]():
		v.Set(reflect.ValueOf([]int{4711}))
	default:
		t.Fatalf("%s is a %s: this test does not know another value", field.Name, v.Type())
	}
}
