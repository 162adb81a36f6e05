package ingest

import (
	"rollcall/ingest/kafka"
)

import "testing"

func TestPassOverSetting(t *testing.T) {
	got, err := parsePassOver([]string{"usage.messages/3/1042", "usage.messages/3/7", "t/0/0"})
	if err != nil || len(got) != 2 || len(got[kafka.TopicPartition{Topic: "usage.messages", Partition: 3}]) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "t", "t/1", "/1/1", "t/-1/1", "t/1/-1", "t/1/x", "t/1/1/1", "t/4294967296/0"} {
		if _, err := parsePassOver([]string{bad}); err == nil {
			t.Errorf("%q is taken for a record batch", bad)
		}
	}
}
