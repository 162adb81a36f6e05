package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/schema/tables"
)

// versionCommand prints what this binary is, with the values of rollcall_build_info.
type versionCommand struct{}

func (c *versionCommand) Run(std streams) error {
	b, err := thisBuild()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "rollcall %s\ncommit %s\ngo %s %s/%s\nschema %s\n",
		b.version, b.commit, b.goVersion, runtime.GOOS, runtime.GOARCH, b.schema)
	return err
}

// A build is what Go recorded in the binary, and the schema that the binary needs.
type build struct {
	version   string // the tag's, or made from the last tag and the commit
	commit    string // with "+dirty" if the work tree differed from it; "unknown" outside of git
	goVersion string
	schema    string // the last migration
}

func thisBuild() (build, error) {
	schema, err := tables.SchemaVersion()
	if err != nil {
		return build{}, err
	}
	b := build{version: "unknown", commit: "unknown", goVersion: runtime.Version(), schema: schema}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.version = info.Main.Version
		b.commit = commitOf(info)
	}
	return b, nil
}

// commitOf returns the commit of the work tree that Go recorded when it built the binary.
func commitOf(info *debug.BuildInfo) string {
	commit := "unknown"
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return commit + dirty
}

// register registers the metric rollcall_build_info, whose value is always 1.
func (b build) register(reg prometheus.Registerer) {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_build_info",
		Help: "1, labelled with what the binary was built from: version, commit, Go's version, the schema that it needs.",
	}, []string{"version", "commit", "go", "schema"})
	reg.MustRegister(info)
	info.WithLabelValues(b.version, b.commit, b.goVersion, b.schema).Set(1)
}
