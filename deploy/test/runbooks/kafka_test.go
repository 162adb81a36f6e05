//go:build brokers

package runbooks

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/kafkatest"
)

var kafkaCommand = regexp.MustCompile("(?m)^(kafka-[a-z-]+\\.sh .*|echo .* >offsets\\.json)$|`(kafka-[a-z-]+\\.sh [^`]*)`")

// kafkaCommands returns the lines of Kafka's own tools that the pages show, each once, in their
// order.
func kafkaCommands(t *testing.T) (all []string) {
	t.Helper()
	for _, page := range pages {
		for _, m := range kafkaCommand.FindAllStringSubmatch(read(t, page), -1) {
			if command := m[1] + m[2]; !slices.Contains(all, command) {
				all = append(all, command)
			}
		}
	}
	return all
}

// Every command of Kafka's tools on the pages is one that the tools take, and does what the page
// says: Apache Kafka's own tools are run, in the order of the pages, on one node of it. Its one
// replica cannot lack records, and its leader is the preferred one already.
func TestKafkaCommandsOfThePages(t *testing.T) {
	const (
		topic     = "usage.tokens"
		partition = 3
		records   = 4
	)
	broker := kafkatest.Open(t, topic)
	bin := t.TempDir()
	broker.Tools(bin)
	w := &world{T: t, env: append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))}

	offset := regexp.MustCompile(`"offset":\d+`)
	date := regexp.MustCompile(`--to-datetime \S+`)
	file := filepath.Join(bin, "offsets.json") // each command has a directory of its own
	here := strings.NewReplacer("localhost:9092", broker.Addr, "/var/lib/kafka/data", broker.Data(),
		">offsets.json", ">"+file, "-file offsets.json", "-file "+file)
	run := func(command string) string {
		command = offset.ReplaceAllString(command, `"offset":2`)
		command = date.ReplaceAllString(command, "--to-datetime 2020-01-01T00:00:00.000")
		return w.shell(here.Replace(command))
	}
	for i := range records {
		broker.Produce(&kgo.Record{Topic: topic, Partition: partition, Value: fmt.Append(nil, i)})
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr))
	w.must(err)
	defer client.Close()
	stored := kadm.Offsets{}
	stored.AddOffset(topic, partition, records, -1)
	w.must(kadm.NewClient(client).CommitAllOffsets(t.Context(), "rollcall", stored))
	ran := map[string]bool{}
	for _, command := range kafkaCommands(t) {
		tool, _, _ := strings.Cut(command, " ")
		ran[tool] = true
		out := run(command)
		t.Log(command, "\n", out)
		switch tool {
		case "kafka-topics.sh":
			if strings.TrimSpace(out) != "" {
				t.Errorf("partitions without all replicas: %s", out)
			}
		case "kafka-consumer-groups.sh":
			if got := broker.Committed("rollcall", topic)[partition]; got != 0 {
				t.Errorf("the group goes on at %d, not at the start", got)
			}
		case "kafka-leader-election.sh":
			if !strings.Contains(out, topic+"-3") {
				t.Errorf("the election says nothing of the partition: %s", out)
			}
		case "kafka-dump-log.sh":
			if n := strings.Count(out, "baseOffset: "); n < 1 || !strings.Contains(out, "baseOffset: 2 ") {
				t.Errorf("%d batches are shown, and none begins at 2: %s", n, out)
			}
		case "kafka-delete-records.sh":
			w.eventually("the log starts at 2", func() bool { return broker.Starts(topic)[partition] == 2 })
		}
	}
	for tool := range map[string]bool{
		"kafka-topics.sh": true, "kafka-consumer-groups.sh": true, "kafka-leader-election.sh": true,
		"kafka-dump-log.sh": true, "kafka-delete-records.sh": true,
	} {
		if !ran[tool] {
			t.Errorf("the pages show no line of %s", tool)
		}
	}
}
