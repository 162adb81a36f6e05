package embedded

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed package.json
var enginePackage []byte

// EngineVersion is the version of libchdb with which this binary was built and tested.
// deploy/demo/embedded/package.json pins it.
func EngineVersion() string {
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(enginePackage, &manifest); err != nil {
		panic(fmt.Sprintf("deploy/demo/embedded/package.json: %v", err)) // the file is part of this binary
	}
	for _, version := range manifest.Dependencies {
		return version
	}
	panic("deploy/demo/embedded/package.json pins no engine")
}

// FindEngine returns the path of libchdb: the one in CHDB_LIB_PATH, or else the one in the user's
// cache, where deploy/demo/embedded/install.sh puts it. Its error says what to do.
func FindEngine() (string, error) {
	if path := os.Getenv("CHDB_LIB_PATH"); path != "" {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("CHDB_LIB_PATH is %s, which is not a file: "+
				"let it name libchdb.so, or unset it and run `make engine`", path)
		}
		return path, nil
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no cache to look for the embedded ClickHouse engine in: %w; "+
				"set CHDB_LIB_PATH to libchdb.so", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	path := filepath.Join(cache, "rollcall", "engine", EngineVersion(), "libchdb.so")
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return "", fmt.Errorf("the embedded ClickHouse engine is not installed (no %s): "+
			"run `make engine`, or set CHDB_LIB_PATH to libchdb.so", path)
	}
	return path, nil
}
