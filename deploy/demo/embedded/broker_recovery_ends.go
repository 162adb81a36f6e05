package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// A place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// keepEnds ensures that no offset is used twice. When the cluster starts, it gives a partition
// without records the offset 0 again. If all records of the partition expired, a reader may have
// committed a higher offset, and would skip the new records. So an empty partition gets a marker as
// its last record; readers do not see markers.
func keepEnds(dir string) error {
	var state struct {
		Topics []struct {
			Name       string `json:"name"`
			Partitions int32  `json:"partitions"`
		} `json:"topics"`
	}
	if err := readState(filepath.Join(dir, "topics.json"), &state); err != nil {
		return err
	}
	committed, err := committedOffsets(filepath.Join(dir, "groups.log"))
	if err != nil {
		return err
	}
	for _, topic := range state.Topics {
		for p := range topic.Partitions {
			partition := filepath.Join(dir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(topic.Name), p))
			if err := keepEnd(partition, committed[place{topic.Name, p}]); err != nil {
				return fmt.Errorf("keep the end of %s: %w", filepath.Base(partition), err)
			}
		}
	}
	return nil
}

// committedOffsets returns the highest offsets that any group has committed, as far back as the
// file goes.
func committedOffsets(path string) (map[place]int64, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	highest := map[place]int64{}
	entries, _ := parseEntries(content)
	for _, entry := range entries {
		var commit struct {
			Type      string `json:"type"`
			Topic     string `json:"t"`
			Partition int32  `json:"p"`
			Offset    int64  `json:"o"`
		}
		if err := json.Unmarshal(entry, &commit); err == nil && commit.Type == "commit" {
			at := place{commit.Topic, commit.Partition}
			highest[at] = max(highest[at], commit.Offset)
		}
	}
	return highest, nil
}

func keepEnd(partition string, committed int64) error {
	segments, err := segmentsOf(partition)
	if err != nil {
		return err
	}
	for _, segment := range segments {
		if info, err := os.Stat(segment + segmentSuffix); err != nil || info.Size() > 0 {
			return err
		}
	}
	var atStop struct {
		HighWatermark int64 `json:"high_watermark"`
		Epoch         int32 `json:"epoch"`
	}
	if err := readState(filepath.Join(partition, "snapshot.json"), &atStop); err != nil {
		return err
	}
	end := max(committed, atStop.HighWatermark)
	if end == 0 {
		return nil
	}
	if err := os.MkdirAll(partition, 0o755); err != nil {
		return err
	}
	const nobody = -1
	batch := abortMarker(nobody, nobody, end-1, atStop.Epoch)
	l := partitionLog{open: producers{}}
	segment := filepath.Join(partition, fmt.Sprint(end-1))
	if err := replaceFile(segment+indexSuffix, l.add(batch)); err != nil {
		return err
	}
	return replaceFile(segment+segmentSuffix, batch)
}

// readState reads a file of the cluster's state. If there is none, into stays as it is.
func readState(path string, into any) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
