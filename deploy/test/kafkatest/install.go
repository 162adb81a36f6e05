package kafkatest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed pom.xml
var pom []byte

//go:embed jars.sha256
var checksums []byte

// libraries returns the directory of Kafka's jars after checking their checksums. Missing jars are
// fetched once, by Maven.
func libraries(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for Kafka's libraries: %w", err)
	}
	pinned := sha256.Sum256(append(bytes.Clone(pom), checksums...))
	dir := filepath.Join(cache, "rollcall", "kafka", hex.EncodeToString(pinned[:6]))
	unlock, err := lock(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := fetch(ctx, dir); err != nil {
			return "", err
		}
	}
	if err := verify(dir); err != nil {
		return "", fmt.Errorf("%w; remove %s to fetch it again", err, dir)
	}
	return dir, nil
}

// lock waits for other test binaries that look for the libraries now. Maven's own directory is not
// safe for two processes at once.
func lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file.Close, nil
}

// fetch makes Maven copy the jars into a directory beside dir and then renames that directory. So
// dir is there completely or not at all.
func fetch(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("mvn"); err != nil {
		return errors.New("fetching Kafka needs Maven: install it (Debian: apt-get install maven) " +
			"or run the tests without ROLLCALL_TEST_KAFKA=real")
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	project := filepath.Join(work, "pom.xml")
	jars := filepath.Join(work, "jars")
	if err := os.WriteFile(project, pom, 0o644); err != nil {
		return err
	}
	mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "-C", "-f", project, "dependency:copy-dependencies",
		"-DoutputDirectory="+jars)
	if out, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("maven could not fetch Kafka: %w\n%s", err, out)
	}
	if err := verify(jars); err != nil {
		return err
	}
	if err := os.Rename(jars, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// verify compares the jars with jars.sha256: dir must hold all of them and nothing else.
func verify(dir string) error {
	want := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(checksums)); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		want[name] = sum
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		sum, err := checksum(filepath.Join(dir, file.Name()))
		if err != nil {
			return err
		}
		if sum != want[file.Name()] {
			return fmt.Errorf("%s in Kafka's libraries has not the checksum that jars.sha256 holds", file.Name())
		}
		delete(want, file.Name())
	}
	for name := range want {
		return fmt.Errorf("%s is missing in Kafka's libraries", name)
	}
	return nil
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
