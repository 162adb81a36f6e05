package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// stoppedFile marks an orderly stop: the cluster wrote its whole state out and ended. After a kill
// the file is missing.
const stoppedFile = "stopped"

// recoverDir repairs a directory, so that the cluster reads it without loss after an orderly stop
// and after a kill. The cluster's own start repairs less; see doc.go.
func recoverDir(dir string, log *slog.Logger) error {
	switch err := os.Remove(filepath.Join(dir, stoppedFile)); {
	case errors.Is(err, fs.ErrNotExist):
		if err := recoverKilled(dir, log); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return keepEnds(dir)
}

func recoverKilled(dir string, log *slog.Logger) error {
	// These files are of the last orderly stop and are out of date. If the cluster read the
	// sequence numbers in them, it would refuse the producers' next records.
	for _, stale := range []string{"seq_windows.json", "session_state.json"} {
		if err := os.Remove(filepath.Join(dir, stale)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	partitions, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var logs []*partitionLog
	open := producers{}
	for _, partition := range partitions {
		l, err := recoverPartition(filepath.Join(dir, "partitions", partition.Name()), log)
		if err != nil {
			return fmt.Errorf("recover %s: %w", partition.Name(), err)
		}
		logs = append(logs, l)
		open.add(l.open)
	}
	if err := recoverGroups(filepath.Join(dir, "groups.log"), log); err != nil {
		return fmt.Errorf("recover the committed offsets: %w", err)
	}
	// First the producers, then the markers. If this start is killed as well, the next one finds
	// the transactions still open, and so knows what is left to do.
	if err := fenceProducers(filepath.Join(dir, "pids.log"), open, log); err != nil {
		return fmt.Errorf("recover the producers: %w", err)
	}
	for _, l := range logs {
		if err := l.abortOpen(log); err != nil {
			return fmt.Errorf("recover %s: %w", filepath.Base(l.dir), err)
		}
	}
	return nil
}

// markStopped makes the file that says that the next start has nothing to recover.
func markStopped(dir string) error {
	return os.WriteFile(filepath.Join(dir, stoppedFile), nil, 0o644)
}

// cut removes the torn end of a file: what a killed process had begun to write. None of it was
// acknowledged.
func cut(path string, whole, size int64, log *slog.Logger) error {
	if whole == size {
		return nil
	}
	log.Warn("embedded broker: a write was cut off by the end of the process; its beginning is removed",
		"file", path, "bytes", size-whole)
	return os.Truncate(path, whole)
}
