package runbooks

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/processtest"
)

var (
	from = time.Now().UTC().AddDate(0, 0, -7).Format(time.DateOnly)
	to   = time.Now().UTC().Format(time.DateOnly)
)

const topics = "usage.messages,usage.actions,usage.tokens,usage.workflows,usage.entities"

// usage fills the log with a workspace's usage, an event of a person who will be erased, which came
// by a topic that nobody reads any more, and a record that breaks a rule. Then it starts the
// stages.
func (w *world) usage() {
	w.Helper()
	w.createTopic(old)
	first := w.start("ingest", "--kafka-topics", topics+","+old, "--admin-addr", processtest.FreeAddr(w.T))
	w.produce(old, fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"t","type":"usage.message.v1","time":%q,
		"data":{"org_id":%q,"user_id":%q,"channel":"chat"}}`, time.Now().UTC().Format(time.RFC3339), org, user))
	w.produce("usage.messages", `{"specversion":"1.0","id":"2","source":"t","type":"usage.message.v1","time":"2026-11-30T12:00:00Z",
		"data":{"org_id":"o","user_id":"u","channel":"smoke signals"}}`)
	w.shell("rollcall generate --org " + org + " --days 10 --users 5")
	w.eventually("everything is stored", func() bool {
		return w.query("SELECT count() FROM rollcall.events WHERE user_id = '"+user+"'") == "1" &&
			strings.Contains(w.shell("rollcall rejects list"), "smoke signals") &&
			w.nothingUnread()
	})
	w.stop(first)
	w.stage("ingest")
	w.stage("rollup")
	w.serve()
}

// serve starts the export service.
func (w *world) serve() {
	w.Helper()
	w.httpAddr = processtest.FreeAddr(w.T)
	w.stage("export", "--http-addr", w.httpAddr)
}

// nothingUnread says that every topic is stored up to its end, by the fourth column of the list.
func (w *world) nothingUnread() bool {
	w.Helper()
	lines := strings.Split(strings.TrimSpace(w.shell("rollcall topics list")), "\n")
	for _, line := range lines[1:] {
		if columns := strings.Fields(line); len(columns) < 4 || columns[3] != "0" {
			return false
		}
	}
	return len(lines) > 6
}

func (w *world) createTopic(name string) {
	w.Helper()
	client := &kafka.Client{Addr: kafka.TCP(w.kafkaAddr), Transport: &kafka.Transport{}}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	w.eventually("the topic "+name+" is created", func() bool {
		_, err := client.CreateTopics(w.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: 2, ReplicationFactor: 1}},
		})
		return err == nil
	})
}

func (w *world) produce(topic, value string) {
	w.Helper()
	writer := &kafka.Writer{
		Addr: kafka.TCP(w.kafkaAddr), Topic: topic, BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll,
	}
	defer writer.Close()
	w.must(writer.WriteMessages(w.Context(), kafka.Message{Value: []byte(value)}))
}

// query asks the engine for a value.
func (w *world) query(statement string) string {
	w.Helper()
	response, err := http.Get("http://" + w.engineAddr + "/?query=" + url.QueryEscape(statement))
	w.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	w.must(err)
	return strings.TrimSpace(string(body))
}

// export is the workspace's usage by person.
func (w *world) export(key string) string {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), "GET",
		"http://"+w.httpAddr+"/v1/exports/users?from="+from+"&to="+to, nil)
	w.must(err)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	w.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || strings.Count(string(body), "\n") < 3 {
		w.Fatalf("the export: %s, %v\n%s", response.Status, err, body)
	}
	return string(body)
}
