//go:build kcat

package embedded_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded"
)

// TestBrokerWithKcat tests the broker with librdkafka: a producer, a consumer and a group member
// that share no code with ours.
func TestBrokerWithKcat(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	kcat(t, "one\ntwo\nthree\n", "-P", "-b", b.Addr(), "-t", "t", "-z", "gzip")
	if got := kcat(t, "", "-C", "-b", b.Addr(), "-t", "t", "-o", "beginning", "-e", "-q"); got != "one\ntwo\nthree\n" {
		t.Errorf("consumed %q", got)
	}
	got := kcat(t, "", "-b", b.Addr(), "-X", "auto.offset.reset=earliest", "-c", "3", "-q", "-G", "kcat", "t")
	if got != "one\ntwo\nthree\n" {
		t.Errorf("consumed as a group %q", got)
	}
	if got := kcat(t, "", "-L", "-b", b.Addr()); !strings.Contains(got, `topic "t" with 1 partitions`) {
		t.Errorf("metadata:\n%s", got)
	}
}

func kcat(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kcat", args...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat %s: %v (Debian's package kcat)\n%s", strings.Join(args, " "), err, errors.String())
	}
	return string(out)
}

// librdkafka understands the markers that recovery writes: it skips them, and the records that they
// abort.
func TestKcatAfterAKill(t *testing.T) {
	k := startKillable(t)
	k.write("gone")
	commit(t, k.Addr(), only, 1)
	deleteRecords(t, k.client(), 1)
	k.restart() // now the log has nothing but a marker
	k.begin(k.client(kgo.TransactionalID("p")), "aborted")
	k.kill()
	next := k.client(kgo.TransactionalID("p"))
	k.begin(next, "committed")
	k.end(next, kgo.TryCommit)
	if got := kcat(t, "", "-C", "-b", k.Addr(), "-t", only, "-o", "beginning", "-e", "-q"); got != "committed\n" {
		t.Errorf("consumed %q", got)
	}
}
