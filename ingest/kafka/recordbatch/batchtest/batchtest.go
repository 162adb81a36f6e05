// Package batchtest writes record batches for tests: good ones as brokers store them, broken ones,
// and a busy day's events.
package batchtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/schema"
)

// Head is how many bytes of a batch precede its records.
const Head = 61

// A Batch is a record batch. Wire encodes it as a broker stores it.
type Batch struct {
	Base          int64
	Codec         compress.Compression
	Control       bool
	Transactional bool
	LogTime       int64 // if not 0, the time of all records
	Producer      int64
	Records       []Record
	Raw           [][]byte // instead of Records: records as they are on the wire
	Packed        []byte   // instead of Records and Raw: all records, compressed by the codec
	Holes         int64    // how many offsets at the end compaction removed
}

type Record struct{ Key, Value string }

func (b Batch) Wire() []byte {
	var records []byte
	for i, r := range b.Records {
		one := []byte{0}
		one = binary.AppendVarint(one, int64(i)) // the difference of the time
		one = binary.AppendVarint(one, int64(i))
		one = append(binary.AppendVarint(one, int64(len(r.Key))), r.Key...)
		one = append(binary.AppendVarint(one, int64(len(r.Value))), r.Value...)
		one = binary.AppendVarint(one, 1)
		one = append(binary.AppendVarint(one, 1), 'h')
		one = binary.AppendVarint(one, -1)
		records = append(binary.AppendVarint(records, int64(len(one))), one...)
	}
	if b.Raw != nil {
		records = bytes.Join(b.Raw, nil)
		b.Records = make([]Record, len(b.Raw))
	}
	if b.Packed != nil {
		records = b.Packed
	} else if b.Codec != compress.None {
		var packed bytes.Buffer
		w := b.Codec.Codec().NewWriter(&packed)
		_, _ = w.Write(records)
		_ = w.Close()
		records = packed.Bytes()
	}
	out := appendInt64(nil, b.Base)
	out = appendInt32(out, Head-12+len(records))
	out = append(appendInt32(out, 0), 2)
	out = appendInt32(out, 0) // the checksum, below
	attributes := int(b.Codec)
	if b.LogTime != 0 {
		attributes |= 1 << 3
	}
	if b.Transactional {
		attributes |= 1 << 4
	}
	if b.Control {
		attributes |= 1<<5 | 1<<4
	}
	out = appendInt16(out, attributes)
	out = appendInt32(out, len(b.Records)-1+int(b.Holes))
	out = appendInt64(appendInt64(out, 1000), b.LogTime)
	out = appendInt64(out, b.Producer)
	out = appendInt32(appendInt16(out, 0), 0)
	out = appendInt32(out, len(b.Records))
	out = append(out, records...)
	Seal(out)
	return out
}

// Seal sets the length and the checksum of a batch that was changed.
func Seal(wire []byte) {
	binary.BigEndian.PutUint32(wire[8:], uint32(len(wire)-12))
	binary.BigEndian.PutUint32(wire[17:], crc32.Checksum(wire[21:], crc32.MakeTable(crc32.Castagnoli)))
}

func appendInt16(b []byte, v int) []byte   { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int) []byte   { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// Wire is the record set of some batches.
func Wire(batches ...Batch) (wire []byte) {
	for _, b := range batches {
		wire = append(wire, b.Wire()...)
	}
	return wire
}

// RawRecord is a record as it is in a record batch.
func RawRecord(offset int, key, value []byte, headers ...schema.Header) []byte {
	one := []byte{0, 0}
	one = binary.AppendVarint(one, int64(offset))
	one = append(binary.AppendVarint(one, int64(len(key))), key...)
	one = append(binary.AppendVarint(one, int64(len(value))), value...)
	one = binary.AppendVarint(one, int64(len(headers)))
	for _, h := range headers {
		one = append(binary.AppendVarint(one, int64(len(h.Key))), h.Key...)
		one = append(binary.AppendVarint(one, int64(len(h.Value))), h.Value...)
	}
	return append(binary.AppendVarint(nil, int64(len(one))), one...)
}

// Usage is n message events as on a busy day: 40 orgs, thousands of users, a few models. Each has
// about 350 bytes.
func Usage(n int, now time.Time) []Record {
	random := rand.New(rand.NewPCG(1, 2))
	records := make([]Record, n)
	for i := range records {
		org := fmt.Sprintf("org-%02d", random.IntN(40))
		records[i] = Record{org,
			fmt.Sprintf(`{"specversion":"1.0","id":"0192f3c4-%04x-7abc-8def-%012x","source":"//chat.example/eu-%d","type":"usage.message.v1","time":%q,`+
				`"data":{"org_id":%q,"user_id":"user-%05d","channel":"assistant","assistant_id":"asst-%04d","conversation_id":"conv-%08x","model":"model-%d","client":"web"}}`,
				i&0xffff, i, random.IntN(3),
				now.Add(-time.Duration(random.IntN(3600_000))*time.Millisecond).UTC().Format(time.RFC3339Nano), org,
				random.IntN(20000), random.IntN(2000), random.Uint32(), random.IntN(12))}
	}
	return records
}
