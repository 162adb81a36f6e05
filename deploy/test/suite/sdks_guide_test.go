package suite

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The guide for producers names the versions of the SDKs and clients that make test-sdks uses.
func TestTheGuideNamesTheSDKsThatAreTested(t *testing.T) {
	guide, err := os.ReadFile("../../../schema/PRODUCERS.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for file, pinned := range map[string]string{
		"go/go.mod":               `(?:/|sdk-go/protocol/)(sarama|kafka_sarama|sdk-go|franz-go)(?:/v2)? (v\S+)\n`,
		"java/pom.xml":            `<artifactId>(cloudevents-\S+|kafka-clients)</artifactId>\s*<version>(\S+)</version>`,
		"javascript/package.json": `"(cloudevents|kafkajs)": "(\S+)"`,
		"python/requirements.txt": `(cloudevents|confluent-kafka)==(\S+)\n`,
	} {
		text, err := os.ReadFile("sdks/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pinned).FindAllStringSubmatch(string(text), -1) {
			if named++; !strings.Contains(string(guide), m[1]+" "+m[2]) {
				t.Errorf("PRODUCERS.md does not name %s %s of %s", m[1], m[2], file)
			}
		}
	}
	if named != 11 {
		t.Errorf("%d libraries are pinned", named)
	}
}
