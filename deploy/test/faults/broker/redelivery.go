package main

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// harnessRack is the rack that the harness's own readers name in their requests.
const harnessRack = "harness"

// redelivered counts the offsets that are read again: it adds whenever a partition is asked for
// from before where it was last asked for. It is a lower bound, because it does not see the records
// that a reader was given last before it died. A request for a topic's start does not count,
// because the topic may be a new one of the same name.
type redelivered struct{ offsets atomic.Int64 }

func (r *redelivered) watch(cluster *kfake.Cluster) {
	type partition struct {
		topic  string
		number int32
	}
	asked := map[partition]int64{} // the cluster calls control functions one after the other
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		fetch := request.(*kmsg.FetchRequest)
		if fetch.Rack == harnessRack {
			return nil, nil, false
		}
		for _, t := range fetch.Topics {
			for _, p := range t.Partitions {
				at := partition{t.Topic, p.Partition}
				if p.FetchOffset > 0 && p.FetchOffset < asked[at] {
					r.offsets.Add(asked[at] - p.FetchOffset)
				}
				asked[at] = p.FetchOffset
			}
		}
		return nil, nil, false
	})
}
