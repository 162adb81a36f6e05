//go:build containers

package suite

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"rollcall/deploy/test/processtest"
)

// containersLabel marks the containers of this run of the suite.
const containersLabel = "rollcall.suite"

var thisRun = uuid.NewString()

// TestMain sees to it that the suite's containers are removed. The reaper of testcontainers would
// do that, too, but it is an image of its own, which is not everywhere.
func TestMain(m *testing.M) {
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	remove, err := removeAtEnd(thisRun)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the suite could not prepare the removal of its containers:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := remove(); err != nil {
		fmt.Fprintln(os.Stderr, "the suite's containers were not removed:", err)
		code = 1
	}
	os.Exit(code)
}

// removeAtEnd removes the containers of a run as soon as this process has ended, or when remove is
// called.
func removeAtEnd(run string) (remove func() error, err error) {
	return processtest.AtEnd(`
		docker ps --all --quiet --filter "label=$0" | xargs --no-run-if-empty docker rm --force --volumes
	`, containersLabel+"="+run)
}

func ofRun(run string) testcontainers.CustomizeRequestOption {
	return testcontainers.WithLabels(map[string]string{containersLabel: run})
}

// The removal takes the containers of its run, running or not, and no other run's.
func TestContainersAreRemoved(t *testing.T) {
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer docker.Close()
	start := func(run string, command ...string) string {
		t.Helper()
		c, err := testcontainers.Run(t.Context(), kafkaImage, ofRun(run), testcontainers.WithEntrypoint(command...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			options := client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}
			docker.ContainerRemove(context.Background(), c.GetContainerID(), options)
		})
		return c.GetContainerID()
	}
	exists := func(id string) bool {
		_, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		return err == nil
	}
	ended := uuid.NewString()
	remove, err := removeAtEnd(ended)
	if err != nil {
		t.Fatal(err)
	}
	running := start(ended, "sleep", "600")
	stopped := start(ended, "true")
	others := start(thisRun, "sleep", "600")
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if exists(running) || exists(stopped) || !exists(others) {
		t.Errorf("after the removal the running container exists: %v, the stopped one: %v, another run's: %v",
			exists(running), exists(stopped), exists(others))
	}
}
