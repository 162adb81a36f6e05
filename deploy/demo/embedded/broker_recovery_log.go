package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition's directory holds segments: files of record batches, each named after its first
// offset. Beside each segment is an index with one entry for each batch, in the same order. The
// cluster writes first the batch and then the entry.
const (
	segmentSuffix = ".dat"
	indexSuffix   = ".idx"
	indexVersion  = 1
	indexEntry    = 15 // version 1, check 1, leader epoch 4, largest time stamp so far 8, flags 1

	transactional = 1 << 4 // attributes of a batch
	control       = 1 << 5
)

// The positions of fields in a record batch (Kafka's format 2).
const (
	atFirstOffset  = 0
	atLength       = 8 // of what follows it
	batchPrefix    = 12
	atLeaderEpoch  = 12
	atCRC          = 17 // of what follows it
	crcFrom        = 21
	atAttributes   = 21
	atLastDelta    = 23 // of the last record's offset
	atMaxTimestamp = 35
	atProducer     = 43
	atEpoch        = 51 // the producer's
	batchHeader    = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// producers maps a transactional producer to the epoch in which it wrote last.
type producers map[int64]int16

func (p producers) add(others producers) {
	for id, epoch := range others {
		p[id] = max(p[id], epoch)
	}
}

// A partitionLog is what recovery learns of a partition by reading its segments in order.
type partitionLog struct {
	dir    string
	last   string // the segment that is appended to, without its suffix
	newest int64  // largest time stamp so far
	end    int64  // the offset after the last record
	epoch  int32  // leader epoch of the last batch
	open   producers
}

// recoverPartition cuts off torn ends and gives each batch its own index entry.
func recoverPartition(dir string, log *slog.Logger) (*partitionLog, error) {
	l := &partitionLog{dir: dir, open: producers{}}
	segments, err := segmentsOf(dir)
	if err != nil {
		return nil, err
	}
	for _, segment := range segments {
		if err := l.recoverSegment(segment, log); err != nil {
			return nil, err
		}
		l.last = segment
	}
	return l, nil
}

// abortOpen aborts the transactions that were open. The cluster would abort them too, but only in
// its memory. Without a marker in the log, readers take the same producer's next transactions for
// the rest of the aborted one and drop them.
func (l *partitionLog) abortOpen(log *slog.Logger) error {
	for _, id := range slices.Sorted(maps.Keys(l.open)) {
		log.Info("embedded broker: a transaction was open when the process ended; it is aborted",
			"partition", filepath.Base(l.dir), "producer", id)
		if err := l.abort(id, l.open[id]); err != nil {
			return err
		}
	}
	return nil
}

// segmentsOf are the paths of a partition's segments without their suffix, oldest first.
func segmentsOf(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	bases := map[int64]string{}
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), segmentSuffix)
		if base, err := strconv.ParseInt(name, 10, 64); ok && err == nil {
			bases[base] = filepath.Join(dir, name)
		}
	}
	var segments []string
	for _, base := range slices.Sorted(maps.Keys(bases)) {
		segments = append(segments, bases[base])
	}
	return segments, nil
}

func (l *partitionLog) recoverSegment(path string, log *slog.Logger) error {
	content, err := os.ReadFile(path + segmentSuffix)
	if err != nil {
		return err
	}
	var index []byte
	rest := content
	for {
		batch := firstBatch(rest)
		if batch == nil {
			break
		}
		rest = rest[len(batch):]
		index = append(index, l.add(batch)...)
	}
	if err := cut(path+segmentSuffix, int64(len(content)-len(rest)), int64(len(content)), log); err != nil {
		return err
	}
	return replaceFile(path+indexSuffix, index)
}

// firstBatch is the batch at the beginning of content, or nil if there is no complete one.
func firstBatch(content []byte) []byte {
	if len(content) < batchHeader {
		return nil
	}
	size := batchPrefix + int64(binary.BigEndian.Uint32(content[atLength:]))
	if size < batchHeader || size > int64(len(content)) {
		return nil
	}
	batch := content[:size]
	if crc32.Checksum(batch[crcFrom:], castagnoli) != binary.BigEndian.Uint32(batch[atCRC:]) {
		return nil
	}
	return batch
}

// add records what a batch changes and returns the batch's index entry.
func (l *partitionLog) add(batch []byte) []byte {
	attributes := binary.BigEndian.Uint16(batch[atAttributes:])
	producer := int64(binary.BigEndian.Uint64(batch[atProducer:]))
	l.epoch = int32(binary.BigEndian.Uint32(batch[atLeaderEpoch:]))
	l.newest = max(l.newest, int64(binary.BigEndian.Uint64(batch[atMaxTimestamp:])))
	first := binary.BigEndian.Uint64(batch[atFirstOffset:])
	delta := binary.BigEndian.Uint32(batch[atLastDelta:])
	l.end = int64(first) + int64(delta) + 1
	inTransaction := false
	switch {
	case attributes&control != 0:
		delete(l.open, producer)
	case attributes&transactional != 0:
		inTransaction = true
		l.open[producer] = int16(binary.BigEndian.Uint16(batch[atEpoch:]))
	}
	entry := make([]byte, indexEntry)
	entry[0] = indexVersion
	binary.LittleEndian.PutUint32(entry[2:], uint32(l.epoch))
	binary.LittleEndian.PutUint64(entry[6:], uint64(l.newest))
	if inTransaction {
		entry[14] = 1
	}
	entry[1] = byte(crc32.Checksum(entry[2:], castagnoli))
	return entry
}

// replaceFile replaces a file's content, unless the file has this content already.
func replaceFile(path string, content []byte) error {
	present, err := os.ReadFile(path)
	if err == nil && bytes.Equal(present, content) {
		return nil
	}
	if err := os.WriteFile(path+".tmp", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// abort appends the marker that ends a transaction.
func (l *partitionLog) abort(id int64, epoch int16) error {
	batch := abortMarker(id, epoch, l.end, l.epoch)
	if err := appendTo(l.last+segmentSuffix, batch); err != nil {
		return err
	}
	return appendTo(l.last+indexSuffix, l.add(batch))
}

// abortMarker is Kafka's control batch for the end of an aborted transaction.
func abortMarker(producer int64, epoch int16, offset int64, leaderEpoch int32) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	value := kmsg.EndTxnMarker{}
	record := kmsg.Record{Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // the length itself takes one byte
	now := time.Now().UnixMilli()
	marker := kmsg.RecordBatch{
		FirstOffset:          offset,
		PartitionLeaderEpoch: leaderEpoch,
		Magic:                2,
		Attributes:           transactional | control,
		FirstTimestamp:       now,
		MaxTimestamp:         now,
		ProducerID:           producer,
		ProducerEpoch:        epoch,
		FirstSequence:        -1,
		NumRecords:           1,
		Records:              record.AppendTo(nil),
	}
	marker.Length = int32(len(marker.AppendTo(nil)) - batchPrefix)
	batch := marker.AppendTo(nil)
	binary.BigEndian.PutUint32(batch[atCRC:], crc32.Checksum(batch[crcFrom:], castagnoli))
	return batch
}

func appendTo(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
