package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"rollcall/export"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/rollup"
)

// stageDefaults are the defaults that the stages define. The tags of flags refer to them, so that
// each default is written once.
var stageDefaults = kong.Vars{
	"kafka_group":            ingest.DefaultGroup,
	"batch_rows":             strconv.Itoa(ingest.DefaultBatchRows),
	"batch_bytes":            strconv.Itoa(ingest.DefaultBatchBytes),
	"batch_age":              shortly(ingest.DefaultBatchAge),
	"insert_timeout":         shortly(ingest.DefaultInsertTimeout),
	"settle_time":            shortly(rollup.DefaultSettleTime),
	"verify_every":           shortly(rollup.DefaultVerifyEvery),
	"rate_per_minute":        strconv.Itoa(export.DefaultRatePerMinute),
	"max_concurrent_per_org": strconv.Itoa(export.DefaultMaxConcurrentPerOrg),
	"max_concurrent":         strconv.Itoa(export.DefaultMaxConcurrent),
	"first_byte_timeout":     shortly(export.DefaultFirstByteTimeout),
	"scope":                  access.ScopeExport,
}

// shortly writes a duration as people do: 10m, not 10m0s.
func shortly(d time.Duration) string {
	text := d.String()
	if trimmed, ok := strings.CutSuffix(text, "m0s"); ok {
		return trimmed + "m"
	}
	return text
}
