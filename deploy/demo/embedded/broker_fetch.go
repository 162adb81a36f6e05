package embedded

import (
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keepAbortedLists works around a bug of the cluster. When an answer reaches the request's own
// limit, the cluster leaves out the list of aborted transactions, and readers of committed records
// then deliver aborted ones. Answers that reach a partition's limit are right. So the request's
// limit is divided among its partitions.
func keepAbortedLists(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if fetch := request.(*kmsg.FetchRequest); fetch.IsolationLevel == 1 {
			shareOut(fetch)
		}
		return nil, nil, false
	})
}

func shareOut(fetch *kmsg.FetchRequest) {
	partitions := 0
	for _, topic := range fetch.Topics {
		partitions += len(topic.Partitions)
	}
	share := fetch.MaxBytes / int32(max(partitions, 1))
	for _, topic := range fetch.Topics {
		for i := range topic.Partitions {
			p := &topic.Partitions[i]
			p.PartitionMaxBytes = min(p.PartitionMaxBytes, share)
		}
	}
	fetch.MaxBytes = math.MaxInt32
}
