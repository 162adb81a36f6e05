package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rollcall/deploy/test/processtest"
)

// A secret that was given by file or environment is not shown anywhere: not in the process list,
// with the child processes; not in the log at its most detailed level; not on the admin address.
func TestSecretsDoNotShow(t *testing.T) {
	binary := processtest.Build(t, "rollcall/cmd/rollcall")
	c := newCertificate(t)
	secrets := map[string]string{
		"CLICKHOUSE_PASSWORD": clickhousePassword, "KAFKA_PASSWORD": kafkaPassword, "SECRET": serviceSecret,
	}
	ways := map[string][]string{}
	for name, secret := range secrets {
		ways["file"] = append(ways["file"], "ROLLCALL_"+name+"_FILE="+secretFile(t, secret))
		ways["environment"] = append(ways["environment"], "ROLLCALL_"+name+"="+secret)
	}
	clickhouse := append(certificateFlags("clickhouse", c), "--clickhouse-url",
		engineOverTLS(t, c, func() string { return clickhousePassword }),
		"--log-level", "debug")
	for way, variables := range ways {
		for _, command := range [][]string{
			concat([]string{"ingest"}, kafkaOverTLS(t, c, kafkaPassword), certificateFlags("kafka", c)), {"rollup"},
			{"export", "--http-addr", processtest.FreeAddr(t)},
		} {
			t.Run(command[0]+" by "+way, func(t *testing.T) {
				admin := processtest.FreeAddr(t)
				p := start(t, variables, binary, concat(command, clickhouse, []string{"--admin-addr", admin})...)
				p.eventually("it is ready", func() bool { return strings.HasPrefix(fetch("http://"+admin+"/readyz"), "200") })
				shown := map[string]string{"process list": processList(t, p.cmd.Process.Pid)}
				for _, path := range []string{"/metrics", "/debug/pprof/cmdline"} {
					shown[path] = fetch("http://" + admin + path)
				}
				p.stop(syscall.SIGTERM)
				shown["log"] = p.out.String()
				for where, has := range map[string]string{
					"process list": admin, "/metrics": "200", "/debug/pprof/cmdline": admin, "log": `"started"`,
				} {
					if !strings.Contains(shown[where], has) {
						t.Errorf("the %s is not what it was taken for: %s", where, shown[where])
					}
					for name, secret := range secrets {
						if strings.Contains(shown[where], secret) {
							t.Errorf("the %s shows %s: %s", where, name, shown[where])
						}
					}
				}
			})
		}
	}
}

// fetch returns the status and the body, or the error.
func fetch(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s %v", response.StatusCode, body, err)
}

// processList returns the arguments of a process and of all its descendants, as ps reads them.
func processList(t *testing.T, pid int) (list string) {
	t.Helper()
	arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // fails for a process that has ended
	list = strings.ReplaceAll(string(arguments), "\x00", " ") + "\n"
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		stat, _ := os.ReadFile(path)
		var id, parent int
		var state string
		fmt.Sscan(string(stat), &id)
		fmt.Sscan(string(stat[strings.LastIndex(string(stat), ")")+1:]), &state, &parent)
		if parent == pid {
			list += processList(t, id)
		}
	}
	return list
}
