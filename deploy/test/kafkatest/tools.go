package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tools are Kafka's command line tools, by their names without .sh. Each is a class of the jars:
// the scripts of a distribution do no more than to start it.
var tools = map[string]string{
	"kafka-topics":          "org.apache.kafka.tools.TopicCommand",
	"kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-delete-records":  "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-dump-log":        "org.apache.kafka.tools.DumpLogSegments",
}

// Tools writes Apache Kafka's command line tools, kafka-topics.sh and so on, to a directory. They
// are those of the broker's own release. The broker must be the real one.
func (b *Broker) Tools(dir string) {
	b.t.Helper()
	s, isReal := b.backend.(*server)
	if !isReal {
		b.t.Fatal("the embedded broker has no command line tools: set ROLLCALL_TEST_KAFKA=real")
	}
	for name, class := range tools {
		var quoted []string
		for _, word := range s.java(class) {
			quoted = append(quoted, "'"+word+"'")
		}
		script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", strings.Join(quoted, " "))
		if err := os.WriteFile(filepath.Join(dir, name+".sh"), []byte(script), 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Data is the directory in which the real broker keeps its logs.
func (b *Broker) Data() string {
	b.t.Helper()
	s, isReal := b.backend.(*server)
	if !isReal {
		b.t.Fatal("the embedded broker has no logs of Apache Kafka: set ROLLCALL_TEST_KAFKA=real")
	}
	return filepath.Join(s.dir, "data")
}
