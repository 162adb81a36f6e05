package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// Every flag of a stage reaches what the stage is made of: given another value, that is another, or it says what is wrong with the value. Flags of the process itself
// (addresses, certificates, the number of connections) are held by TestExportServesTLS, TestConnectionsAreLimited, TestHealth and TestCollectorThatHangs.
func TestFlagsArePassedOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("another text"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	kafka := kafkaFlags{KafkaBrokers: []string{"a:1"}, KafkaSASL: "plain", KafkaUser: "u", KafkaPassword: ""}
	clickhouse := clickhouseFlags{ClickhouseURL: "http://u@a:1/b", Cluster: "c", ClusterReplicas: 2}
	ingested, exported, rolled, rejected, sliced := ingestFlags{}, exportFlags{}, rollupFlags{}, rejectFlags{}, sliceFlags{}
	sampled := sampleFlags{Org: "o"}
	for name, c := range map[string]struct {
		flags  any
		made   func() (any, error)
		others map[string]bool // of the process
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
	} {
		t.Run(name, func(t *testing.T) {
			flags := reflect.ValueOf(c.flags).Elem()
			for i := range flags.NumField() {
				field := flags.Type().Field(i)
				if c.others[field.Name] {
					continue
				}
				before, err := c.made()
				if err != nil {
					t.Fatal(err)
				}
				kept := reflect.New(field.Type).Elem()
				kept.Set(flags.Field(i))
				change(t, flags.Field(i), field, file)
				if after, err := c.made(); err == nil && reflect.DeepEqual(before, after) {
					t.Errorf("%s says nothing to what is made of it: %+v", field.Name, after)
				}
				flags.Field(i).Set(kept)
			}
		})
	}
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
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	case v.CanFloat():
		v.SetFloat(v.Float() + 1)
	case v.Type() == reflect.TypeFor[[]string]():
		v.Set(reflect.ValueOf([]string{"another"}))
	default:
		t.Fatalf("%s is a %s: this test does not know another value", field.Name, v.Type())
	}
}
