//go:build !containers

package suite

import (
	"math/rand/v2"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/ingest"
)

// The same promise holds on a cluster's tables: ingest and exports go through Distributed tables
// over two shards, rollup works on the shard's own tables. A statement that reads one shard too
// many counts twice here (enginetest.Cluster). Replication is not tested here, because the embedded
// engine has no keeper.
func TestEveryExportOfAClusterIsTheOracles(t *testing.T) {
	ch := enginetest.Cluster(t)
	b := newBedOn(t, kafkatest.Open(t, topics...).Addr, ch, ch.OnShard())
	b.send(traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: *events / 2, Topics: topics}))
	b.ingest(func(c *ingest.Config) { c.BatchRows = 200 })
	r := rand.New(rand.NewPCG(*seed, 3))
	b.compare(r, 0.3)

	_, err := b.roll().Once(t.Context())
	b.must(err)
	b.rolledUp(1)
	b.compare(r, 0.5)
	b.must(b.roll().Sweep(t.Context()))
}
