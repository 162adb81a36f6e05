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
// It does not use the cluster's own retention, which goes by the records' timestamps. Producers set
// these, and the cluster removes together with a record all records before it. So one event that
// claims to be from last month would remove everything before it in its partition, read or not.
// Instead the broker notes from time to time where the logs end, and removes what lies before an
// end that it noted long enough ago.
type retention struct {
	cluster *kfake.Cluster
	addr    string
	after   time.Duration
	file    string // "": the notes go with the process
	notes   []retentionNote
}

// retentionNotes is how many notes are made in the time that records are kept. So records are
// removed late by at most this fraction of the time.
const retentionNotes = 24

// A retentionNote says where the logs ended at a time. The topic's id distinguishes it from a
// deleted topic of the same name.
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

// newRetention continues with the notes of earlier starts. If there are none, or if a power failure
// left half of the file, records are kept longer and nothing is lost.
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

// apply notes where the logs end, if a note is due, and removes expired records.
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

// remove deletes the records before the newest note that is old enough, and drops all older notes.
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
		// An error means that the topic was deleted meanwhile, so there is nothing to remove.
		_ = r.cluster.DeleteRecords(log.Topic, log.Partition, min(log.End, partition.HighWatermark))
	}
	r.notes = r.notes[old-1:]
}

// note reads the ends of all topics, including those that clients created.
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

// save replaces the file as a whole, so that a kill leaves either the old or the new notes.
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
