package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/ingest/kafka"
	"rollcall/ingest/kafka/recordbatch"
	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

// A sentRecord is a record before it is encoded.
type sentRecord struct {
	key, value []byte
	headers    []schema.Header
}

// optional are the fields that data may have besides the required ones, by type.
var optional = map[string]map[string]any{
	"usage.message.v1": {
		"conversation_id": "c1", "model": "m1", "client": "web", "api_key_id": "k1", "assistant_id": "a1", "project_id": "p1",
		"workflow_id": "w1",
	},
	"usage.action.v1": {
		"conversation_id": "c2", "model": "m2", "client": "slack", "assistant_id": "a2", "project_id": "p2",
		"workflow_id": "w2",
	},
	"usage.token.v1": {"user_id": "ann", "provider": "pr", "deployment": "de", "byok": true, "cached_prompt_tokens": 3,
		"cache_creation_tokens": 4, "cost_usd": "1.5",
		"assistant_id": "a3", "project_id": "p3", "workflow_id": "w3", "client": "api"},
	"usage.workflow_run.v1": {"error_type": "e", "trigger": "manual", "user_id": "bob"},
	"usage.entity.v1": {"name": "N", "email": "e@x", "role": "admin", "joined_at": "2026-01-02", "department": "D",
		"description": "long \u00e9", "url": "http://x",
		"owner_id": "gone", "deleted": true, "company_name": "C", "license_type": "L", "status": "suspended",
		"group_ids": []string{"h-1", "g", "h-1"},
		"settings":  map[string]any{"user_level_data": false, "byok": true, "workflows": true, "pseudonymize": true}},
}

var required = map[string]map[string]any{
	"usage.message.v1":      {"user_id": "ann", "channel": "chat"},
	"usage.action.v1":       {"user_id": "ann", "action": "canvas"},
	"usage.token.v1":        {"model": "m3", "prompt_tokens": 1, "completion_tokens": 2, "api_key_id": "k3"},
	"usage.workflow_run.v1": {"workflow_id": "w4", "run_id": "r", "status": "failed", "duration_ms": 5},
	"usage.entity.v1":       {"kind": "user", "id": "ann"},
}

// randomRecord is an event of any type with any of its optional fields, in either content mode, or
// a record that is refused.
func randomRecord(random *rand.Rand, now time.Time) sentRecord {
	types := slices.Sorted(maps.Keys(required))
	typ := types[random.IntN(len(types))]
	data := map[string]any{"org_id": fmt.Sprint("org-", random.IntN(4))}
	maps.Copy(data, required[typ])
	for _, name := range slices.Sorted(maps.Keys(optional[typ])) {
		if random.IntN(2) == 0 {
			data[name] = optional[typ][name]
		}
	}
	if random.IntN(6) == 0 {
		data[[]string{"user_id", "id"}[random.IntN(2)]] = "gone" // an erased person
	}
	if kinds := []string{"user", "workspace", "assistant"}; typ == "usage.entity.v1" {
		if data["kind"] = kinds[random.IntN(3)]; data["kind"] == "workspace" {
			data["id"] = data["org_id"]
		} else {
			delete(data, "settings")
		}
	}
	id := fmt.Sprint("id-", random.IntN(50))
	source := fmt.Sprint("source-", random.IntN(3))
	at := now.Add(-time.Duration(random.IntN(3)) * time.Hour).UTC().Format(time.RFC3339)
	r := sentRecord{}
	if random.IntN(2) == 0 {
		r.key = fmt.Appendf(nil, "key-%d", random.IntN(9))
	}
	for range random.IntN(3) {
		r.headers = append(r.headers, schema.Header{
			Key: fmt.Appendf(nil, "h%d", random.IntN(9)), Value: fmt.Appendf(nil, "v%d", random.IntN(9)),
		})
	}
	if random.IntN(3) == 0 { // binary mode
		for _, h := range [][2]string{
			{"ce_specversion", "1.0"}, {"ce_id", id}, {"ce_source", source}, {"ce_type", typ}, {"ce_time", at},
		} {
			r.headers = append(r.headers, schema.Header{Key: []byte(h[0]), Value: []byte(h[1])})
		}
		r.value, _ = json.Marshal(data)
	} else {
		r.value, _ = json.Marshal(map[string]any{
			"specversion": "1.0", "id": id, "source": source, "type": typ, "time": at, "data": data,
		})
	}
	switch random.IntN(12) {
	case 0:
		r.value = r.value[:random.IntN(len(r.value))] // broken, or empty
	case 1:
		r.value = bytes.Replace(r.value, []byte(`"org_id"`), []byte(`"org"`), 1)
	case 2:
		r.value = append(r.value[:len(r.value)-1], `,"filler":"`+strings.Repeat("x", 200+random.IntN(100)*100)+`"}`...)
	case 3:
		// the scanner leaves an escape to the full decoder
		r.value = bytes.ReplaceAll(r.value, []byte(`-`), []byte(`\u002d`))
	}
	return r
}

// randomFetched is a partition's share of a response. It has record batches of every codec. Some
// belong to a transaction, which may be aborted, or may end in a later response. counted are the
// records that must be visited.
func randomFetched(t testing.TB, random *rand.Rand, now time.Time) (set recordbatch.Set, counted []sentRecord) {
	var wire []byte
	var end int64
	var aborted []recordbatch.Aborted
	for left := 1 + random.IntN(5); left > 0; left-- {
		b := batchtest.Batch{Base: end, Codec: compress.Compression(random.IntN(5))}
		var records []sentRecord
		for i := range 1 + random.IntN(20) {
			r := randomRecord(random, now)
			records = append(records, r)
			b.Raw = append(b.Raw, batchtest.RawRecord(i, r.key, r.value, r.headers...))
		}
		b.Transactional = random.IntN(2) == 0
		b.Producer = 7
		isAborted := b.Transactional && random.IntN(2) == 0
		if isAborted {
			aborted = append(aborted, recordbatch.Aborted{Producer: 7, First: end})
		} else {
			counted = append(counted, records...)
		}
		wire = append(wire, b.Wire()...)
		end += int64(len(records))
		if isAborted && left > 1 {
			marker := batchtest.Batch{
				Base: end, Control: true, Producer: 7, Records: []batchtest.Record{{Key: "\x00\x00\x00\x00", Value: ""}},
			}
			wire = append(wire, marker.Wire()...)
			end++
		}
	}
	return fetchedSet(t, 0, wire, aborted...), counted
}

// dump has all that a batch holds, so that two batches can be compared.
func dump(b *batch) map[string]any {
	all := map[string]any{
		"bytes": b.bytes, "rows": b.len(), "stored": b.stored, "erased": b.erased,
		"erased rejects": b.erasedRejects, "withdrawn": b.withdrawn,
	}
	twice := map[string]int{}
	count := func(t schema.Type, conflict bool) { twice[fmt.Sprint(t, conflict)]++ }
	events := b.events.Blocks(count)
	for name, blocks := range map[string][]rows.Block{
		"events": events, "entities": b.entities.Blocks(count), "rejects": b.rejects.Blocks(),
	} {
		all[name] = len(blocks)
		for i, block := range blocks {
			all[fmt.Sprint(name, " block ", i)] = string(block.Encode())
		}
	}
	all["slices"] = fmt.Sprint(b.events.Slices(events))
	all["copies"] = fmt.Sprint(twice)
	for row := range uint32(b.rejects.Len()) {
		all[fmt.Sprint("reject ", row)] = b.rejects.Reject(row)
	}
	return all
}

// A decoder and a batch that are used again and again give the same result for each response as new
// ones do. Nothing of an earlier record, record batch, response or batch is left in a later one.
func TestNothingIsLeftOfWhatWasBefore(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := benchPipeline(t)
	s.erasures.current.Store(listOf(now, "gone"))
	used := s.newDecoder(context.Background())
	used.reader = recordbatch.NewReader(4 << 10) // so small that some batches are read as streams
	used.batch = newBatch()
	used.now = now
	for seed := range uint64(300) {
		set, counted := randomFetched(t, rand.New(rand.NewPCG(seed, 1)), now)
		p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
		used.partition = p
		if err := used.reader.Read(&set, used.decodeRecord, used.reached); err != nil {
			t.Fatal(err)
		}
		expected := newBatch()
		offset := offsetsOf(t, &set)
		for i, r := range counted {
			one := s.newDecoder(context.Background())
			one.batch = expected
			one.now = now
			one.partition = p
			rec := &schema.Record{
				Topic: "t", Offset: offset[i].Offset, Time: offset[i].Time, Key: r.key, Value: r.value, Headers: r.headers,
			}
			if err := one.decodeRecord(rec); err != nil {
				t.Fatal(err)
			}
		}
		got := dump(used.batch)
		want := dump(expected)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
				t.Fatalf("response %d: %s is %.300q, not %.300q", seed, name, fmt.Sprint(got[name]), fmt.Sprint(want[name]))
			}
		}
		if used.batch.list != s.erasures.list() {
			t.Fatalf("response %d: the batch is held against another list of erasures", seed)
		}
		if at := used.batch.ends[p]; len(used.batch.ends) != 1 || at.Offset != set.Next {
			t.Fatalf("response %d: %d partitions end, this one at %d, not %d", seed, len(used.batch.ends), at.Offset, set.Next)
		}
		if used.batch.reset(); used.batch.moved() || !used.batch.since.IsZero() || used.batch.list != nil {
			t.Fatalf("response %d: after the reset %d rows and %d ends are left", seed, used.batch.len(), len(used.batch.ends))
		}
	}
}

// listOf is an erasure list of persons who were erased, in every org, at a time.
func listOf(at time.Time, users ...string) *erasureList {
	l := &erasureList{secret: testSecret, digest: 1, persons: map[string]map[[32]byte]erasure{}}
	for org := range 4 {
		name := fmt.Sprint("org-", org)
		l.persons[name] = map[[32]byte]erasure{}
		for _, user := range users {
			l.persons[name][schema.PersonHash(testSecret, name, user)] = erasure{at: schema.Millis(at.UnixMilli())}
		}
	}
	return l
}

// offsetsOf returns the offsets and times of the records that a new reader visits.
func offsetsOf(t *testing.T, s *recordbatch.Set) (records []schema.Record) {
	t.Helper()
	err := recordbatch.NewReader(1<<20).Read(s, func(rec *schema.Record) error {
		records = append(records, schema.Record{Offset: rec.Offset, Time: rec.Time})
		return nil
	}, func(int64) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// The two batches share no memory: while one is stored, the other is filled.
func TestBatchesShareNothing(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	one := newBatch()
	two := newBatch()
	fill := func(b *batch, seed uint64) map[string]any {
		s := benchPipeline(t)
		set, _ := randomFetched(t, rand.New(rand.NewPCG(seed, 1)), now)
		d := s.newDecoder(context.Background())
		d.reader = recordbatch.NewReader(1 << 20)
		d.batch = b
		d.now = now
		d.partition = kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
		if err := d.reader.Read(&set, d.decodeRecord, d.reached); err != nil {
			t.Fatal(err)
		}
		return dump(b)
	}
	before := fill(one, 1)
	fill(two, 2)
	two.reset()
	if after := dump(one); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Error("filling one batch changed the other")
	}
}

// A batch that once was very large gives its memory back.
func TestMemoryOfLargeBatchesIsGivenBack(t *testing.T) {
	text := make([]byte, 1<<20)
	for name, add := range map[string]func(b *batch){
		"events":   func(b *batch) { b.add(&schema.Event{Type: schema.Message, ID: text}) },
		"entities": func(b *batch) { b.add(&schema.Event{Type: schema.EntityState, Entity: &schema.Entity{Name: text}}) },
		"rejects": func(b *batch) {
			b.rejects.Add(&schema.Record{Value: text}, &schema.Rejection{Reason: schema.MalformedJSON}, time.Now())
		},
	} {
		b := newBatch()
		add(b)
		held := b.held()
		if held < 1<<20 {
			t.Errorf("%s: %d bytes are said to be held", name, held)
		}
		if b.reuse(held/2+1) != b {
			t.Errorf("%s: a batch that may be used again is thrown away", name)
		}
		if reused := b.reuse(held / 4); reused == b || reused.held() >= held {
			t.Errorf("%s: a batch twice as large as the limit is used again", name)
		}
	}
}
