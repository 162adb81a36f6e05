package tables

import "context"

// FailureCodes are all codes that have a class, with their names.
var FailureCodes = codes

// Short makes the text of an error short, as every connection does.
func Short(err error) error { return short(err) }

// CheckShards is checkShards of a connection to a shard's own database.
func CheckShards(ctx context.Context, conn Querier) error { return checkShards(ctx, conn, false) }

// EachNamed is the check of the shards' names at the first migration of replicated tables.
func EachNamed(names ...string) error { return cluster{name: "prod"}.eachNamed(names) }
