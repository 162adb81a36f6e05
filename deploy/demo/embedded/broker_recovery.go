package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// stoppedFile says that the cluster wrote its whole state out and ended. A broker that is killed
// leaves none.
const stoppedFile = "stopped"

// recoverDir makes a directory one that the cluster reads without loss, whether it was stopped in
// order or killed. The cluster's own start does less; see doc.go.
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
	// These were written at the last stop in order and are too old now. By the sequence numbers of
	// producers of then, the cluster would refuse their next records.
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
	// First the producers, then the markers: by open transactions the next start sees what is left
	// to do, if this one is killed as well.
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

// markStopped says that the next start has nothing to recover.
func markStopped(dir string) error {
	return os.WriteFile(filepath.Join(dir, stoppedFile), nil, 0o644)
}

// cut takes the torn end off a file: what a killed process had begun to write. Nothing of it was
// acknowledged.
func cut(path string, whole, size int64, log *slog.Logger) error {
	if whole == size {
		return nil
	}
	log.Warn("embedded broker: a write was cut off by the end of the process; its beginning is removed",
		"file", path, "bytes", size-whole)
	return os.Truncate(path, whole)
}
