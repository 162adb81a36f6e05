package main

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// harnessRack is the rack that the harness's own readers say they are in.
const harnessRack = "harness"

// redelivered counts the offsets that are read again: whenever a partition is asked for from before
// where it was last asked for. What was handed out last before a reader died is not seen, so it is
// the least there were. A topic's start is not counted: the topic may be a new one of the same
// name.
type redelivered struct{ offsets atomic.Int64 }

func (r *redelivered) watch(cluster *kfake.Cluster) {
	type partition struct {
		topic  string
		number int32
	}
	asked := map[partition]int64{} // control functions run one after the other
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
