//go:build linux

// Command probe runs in a container and tries what the product's containers must not be able to do.
// It prints what it could do, a line each, and then ends with exit code 1.
package main

import (
	"fmt"
	"os"
	"regexp"
	"syscall"
)

func main() {
	could := tried()
	for _, what := range could {
		fmt.Println(what)
	}
	if len(could) > 0 {
		os.Exit(1)
	}
	fmt.Println("nothing")
}

func tried() (could []string) {
	for _, path := range []string{"/probe-file", "/tmp/probe-file", "/var/tmp/probe-file", "/home/nonroot/probe-file"} {
		if os.WriteFile(path, nil, 0o600) == nil {
			could = append(could, "write "+path)
		}
	}
	if file, err := os.OpenFile("/run/secrets/clickhouse_password", os.O_WRONLY, 0); err == nil {
		file.Close()
		could = append(could, "write a secret")
	}
	if os.Getuid() == 0 || os.Getgid() == 0 || syscall.Setuid(0) == nil {
		could = append(could, "be root")
	}
	if syscall.Chroot("/") == nil {
		could = append(could, "change the root")
	}
	if syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, "") == nil {
		could = append(could, "mount")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return append(could, err.Error())
	}
	for _, line := range regexp.MustCompile(`(?m)^Cap\w+:\s+0*[1-9a-f].*$`).FindAllString(string(status), -1) {
		could = append(could, "use capabilities: "+line)
	}
	if !regexp.MustCompile(`(?m)^NoNewPrivs:\s+1$`).Match(status) {
		could = append(could, "gain privileges")
	}
	return could
}
