package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
)

// Committed offsets and producers are appended to files of entries. An entry is: the length of what
// follows the check, 4 bytes; a check of it, 4 bytes; a version, 2 bytes; and JSON.
const (
	entryHead    = 4 + 4 + 2
	entryVersion = 1
)

// A producerEntry is an entry of the producers' file. Type init begins an epoch, endtx ends a
// transaction in it.
type producerEntry struct {
	Type   string `json:"type"`
	ID     int64  `json:"pid"`
	Epoch  int16  `json:"epoch"`
	Commit *bool  `json:"commit,omitempty"`
}

// recoverGroups cuts off a torn entry. The cluster would append after it, and never read what it
// appended.
func recoverGroups(path string, log *slog.Logger) error {
	_, err := wholeEntries(path, log)
	return err
}

// fenceProducers begins a new epoch for producers whose transactions were aborted, so that they get
// an error. Otherwise the cluster would let them continue, or even tell them that the transaction
// was committed.
func fenceProducers(path string, aborted producers, log *slog.Logger) error {
	entries, err := wholeEntries(path, log)
	if err != nil {
		return err
	}
	epochs := maps.Clone(aborted)
	for _, entry := range entries {
		var p producerEntry
		if err := json.Unmarshal(entry, &p); err != nil {
			continue // the cluster skips it too
		}
		if _, ok := epochs[p.ID]; ok {
			epochs[p.ID] = max(epochs[p.ID], p.Epoch)
		}
	}
	var added []byte
	for _, id := range slices.Sorted(maps.Keys(epochs)) {
		entry, err := json.Marshal(producerEntry{Type: "endtx", ID: id, Epoch: epochs[id] + 1, Commit: new(bool)})
		if err != nil {
			return err
		}
		added = append(added, framed(entry)...)
	}
	if len(added) == 0 {
		return nil
	}
	return appendTo(path, added)
}

// wholeEntries returns the JSON of a file's entries, and cuts off what follows the last complete
// one.
func wholeEntries(path string, log *slog.Logger) ([][]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, rest := parseEntries(content)
	return entries, cut(path, int64(len(content)-len(rest)), int64(len(content)), log)
}

// parseEntries returns the JSON of the complete entries, and the rest of content.
func parseEntries(content []byte) (entries [][]byte, rest []byte) {
	for rest = content; len(rest) >= entryHead; {
		size := 8 + int64(binary.LittleEndian.Uint32(rest))
		if size < entryHead || size > int64(len(rest)) ||
			crc32.Checksum(rest[8:size], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		entries = append(entries, rest[entryHead:size])
		rest = rest[size:]
	}
	return entries, rest
}

func framed(entry []byte) []byte {
	framed := binary.LittleEndian.AppendUint32(nil, uint32(2+len(entry)))
	framed = append(framed, 0, 0, 0, 0)
	framed = binary.LittleEndian.AppendUint16(framed, entryVersion)
	framed = append(framed, entry...)
	binary.LittleEndian.PutUint32(framed[4:], crc32.Checksum(framed[8:], castagnoli))
	return framed
}
