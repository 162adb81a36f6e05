//go:build alerts

package alerts

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// yesterday is the time of all events here. Slices of today would not do: they are rolled up every
// five minutes only, which is too long here.
var yesterday = time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) + "T12:00:00Z"

// event is a message event or, with workflow, a workflow run.
func event(org string, id int, workflow bool) []byte {
	if workflow {
		return fmt.Appendf(nil,
			`{"specversion":"1.0","id":"%d","source":"alerts","type":"usage.workflow_run.v1","time":"%s","data":{"org_id":"%s","workflow_id":"w","run_id":"%d","status":"failed","duration_ms":1}}`,
			id, yesterday, org, id)
	}
	return fmt.Appendf(nil,
		`{"specversion":"1.0","id":"%d","source":"alerts","type":"usage.message.v1","time":"%s","data":{"org_id":"%s","user_id":"u%d","channel":"chat"}}`, id, yesterday, org, id%100)
}

// produce sends values to the partitions in turn.
func (w *world) produce(values ...[]byte) {
	w.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, value := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: value}
	}
	if err := w.producer.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// flood sends some 20,000 events a second until stopped.
func (w *world) flood() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for id := 0; ctx.Err() == nil; {
			var records []*kgo.Record
			for range 4000 {
				records = append(records, &kgo.Record{
					Topic: topic, Partition: int32(id % partitions), Value: event("flooded", id, false),
				})
				id++
			}
			w.producer.ProduceSync(ctx, records...) // records that are not sent do not matter
			<-time.After(200 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// loseRecords deletes the records of a partition, as a retention does that is shorter than an
// outage.
func (w *world) loseRecords(partition int32) {
	w.t.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	asked := kmsg.NewDeleteRecordsRequestTopic()
	asked.Topic = topic
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition = partition
	p.Offset = -1 // to the end
	asked.Partitions = append(asked.Partitions, p)
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(context.Background(), w.producer)
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		w.t.Fatalf("delete records: %v, %+v", err, answer)
	}
}

// produceBroken sends a record batch with a correct checksum, whose first record claims to be
// longer than the whole batch.
func (w *world) produceBroken(partition int32) {
	w.t.Helper()
	record := []byte{0x7e, 0, 0, 0, 1, 0, 0}
	batch := kmsg.RecordBatch{
		Magic: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1,
		Records: record,
	}
	encoded := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(encoded[8:], uint32(len(encoded)-12))
	binary.BigEndian.PutUint32(encoded[17:], crc32.Checksum(encoded[21:], crc32.MakeTable(crc32.Castagnoli)))
	request := kmsg.NewPtrProduceRequest()
	request.Acks = -1
	request.TimeoutMillis = 10_000
	asked := kmsg.NewProduceRequestTopic()
	asked.Topic = topic
	asked.Partitions = []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: encoded}}
	request.Topics = append(request.Topics, asked)
	// Newer versions name topics by their ids.
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka), kgo.MaxVersions(kversion.V3_0_0()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	answer, err := request.RequestWith(context.Background(), client)
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		w.t.Fatalf("produce a broken batch: %v, %+v", err, answer)
	}
}

// usage makes a workspace with a message of each of so many users, directly in the log, without
// ingest.
func (w *world) usage(org string, users int) {
	w.t.Helper()
	w.sql(`INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel)
SELECT '` + org + `', yesterday(), 'message', leftPad(toString(number), 16, '0'), 2, toDateTime64(yesterday(), 3, 'UTC'), 's',
	toString(number), concat('user-', toString(number)), 'chat' FROM numbers(` + fmt.Sprint(users) + `)`)
	w.sql("INSERT INTO marks (org_id, day, writer, seq) SELECT '" + org + "', yesterday(), generateUUIDv4(), 1")
}

func (w *world) url(format string) string {
	return "http://" + w.http + "/v1/exports/users?format=" + format + "&from=" + yesterday[:10] + "&to=" + yesterday[:10]
}

// get asks for an export and reads it to its end. The status is 0 if there was no answer.
func (w *world) get(key string) int {
	request, _ := http.NewRequest("GET", w.url("csv"), nil)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// A download is an export of which only the beginning has been read.
type download struct{ body io.ReadCloser }

// begin starts a download through a connection with small buffers, so that the engine has not sent
// the rest yet.
func (w *world) begin(key string) (*download, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
		}
		return conn, err
	}, DisableCompression: true}
	request, _ := http.NewRequest("GET", w.url("ndjson"), nil)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(io.Discard, response.Body, 1000)
	return &download{response.Body}, err
}

// rest reads the rest of the download and returns how it ended.
func (d *download) rest() error {
	defer d.body.Close()
	_, err := io.Copy(io.Discard, d.body)
	return err
}
