package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A retention removes records when they have been in the log for long enough.
//
// The cluster's own retention goes by the records' timestamps, which are the producers' word, and
// removes with a record all that lie before it. One event that says it is from last month would
// take everything before it in its partition along, read or not. So the broker notes where the logs
// end, and removes what lay before an end that it noted long enough ago.
type retention struct {
	cluster *kfake.Cluster
	addr    string
	after   time.Duration
	file    string // "": the notes go with the process
	notes   []retentionNote
}

// retentionNotes is how many notes are made in the time that records are kept: they are removed by
// so much of it too late at most.
const retentionNotes = 24

// A retentionNote is where logs ended at a time. A topic's id tells it from an older one of its
// name.
type retentionNote struct {
	At   time.Time
	Logs []retentionLog
}

type retentionLog struct {
	Topic     string
	ID        [16]byte
	Partition int32
	End       int64
}

// newRetention goes on with the notes of earlier starts. Without them, or where a power failure
// left half of a file, records are only kept longer.
func newRetention(cluster *kfake.Cluster, addr string, opts BrokerOptions) *retention {
	r := &retention{cluster: cluster, addr: addr, after: opts.Retention}
	if opts.Dir == "" {
		return r
	}
	r.file = filepath.Join(opts.Dir, "retention.json")
	text, err := os.ReadFile(r.file)
	if err == nil {
		err = json.Unmarshal(text, &r.notes)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		opts.Log.Warn("embedded broker: when records arrived is not known; they are kept longer", "file", r.file, "error",
			err)
		r.notes = nil
	}
	return r
}

// apply notes where the logs end, if that is due, and removes what has been there for long enough.
func (r *retention) apply(ctx context.Context, now time.Time) error {
	r.remove(now)
	if n := len(r.notes); n > 0 && now.Sub(r.notes[n-1].At) < r.after/retentionNotes {
		return nil
	}
	note, err := r.note(ctx, now)
	if err != nil {
		return fmt.Errorf("note where the logs end: %w", err)
	}
	r.notes = append(r.notes, note)
	return r.save()
}

// remove goes by the newest note that is old enough, and forgets those before it.
func (r *retention) remove(now time.Time) {
	old := slices.IndexFunc(r.notes, func(n retentionNote) bool { return now.Sub(n.At) < r.after })
	if old < 0 {
		old = len(r.notes)
	}
	if old == 0 {
		return
	}
	for _, log := range r.notes[old-1].Logs {
		topic := r.cluster.TopicInfo(log.Topic)
		partition := r.cluster.PartitionInfo(log.Topic, log.Partition)
		if topic == nil || topic.TopicID != log.ID || partition == nil || partition.LogStartOffset >= log.End {
			continue
		}
		// It fails if the topic was deleted meanwhile, and then there is nothing to remove.
		_ = r.cluster.DeleteRecords(log.Topic, log.Partition, min(log.End, partition.HighWatermark))
	}
	r.notes = r.notes[old-1:]
}

// note asks for all topics, those that clients created too.
func (r *retention) note(ctx context.Context, now time.Time) (retentionNote, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addr))
	if err != nil {
		return retentionNote{}, err
	}
	defer client.Close()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return retentionNote{}, err
	}
	note := retentionNote{At: now}
	for _, topic := range answer.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil || topic.Topic == nil {
			continue
		}
		for _, p := range r.cluster.PartitionInfos(*topic.Topic) {
			note.Logs = append(note.Logs, retentionLog{*topic.Topic, topic.TopicID, p.Partition, p.HighWatermark})
		}
	}
	return note, nil
}

// save replaces the file as a whole: a kill leaves the old notes or the new ones.
func (r *retention) save() error {
	if r.file == "" {
		return nil
	}
	text, err := json.Marshal(r.notes)
	if err != nil {
		return err
	}
	next := r.file + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, r.file)
}
