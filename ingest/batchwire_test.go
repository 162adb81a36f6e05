package ingest

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

// head is how many bytes of a batch stand before its records.
const head = 61

// A testBatch is a record batch that is written as a broker stores it.
type testBatch struct {
	base          int64
	codec         compress.Compression
	control       bool
	transactional bool
	logTime       int64 // if not 0: of all records
	producer      int64
	records       []testRecord
	raw           [][]byte // instead of them: as they are on the wire
	packed        []byte   // instead of these: compressed by the codec
	holes         int64    // offsets at the end that compaction took
}

type testRecord struct{ key, value string }

func (b testBatch) bytes() []byte {
	var records []byte
	for i, r := range b.records {
		one := []byte{0}
		one = binary.AppendVarint(one, int64(i)) // the time's difference
		one = binary.AppendVarint(one, int64(i))
		one = append(binary.AppendVarint(one, int64(len(r.key))), r.key...)
		one = append(binary.AppendVarint(one, int64(len(r.value))), r.value...)
		one = binary.AppendVarint(one, 1)
		one = append(binary.AppendVarint(one, 1), 'h')
		one = binary.AppendVarint(one, -1)
		records = append(binary.AppendVarint(records, int64(len(one))), one...)
	}
	if b.raw != nil {
		records, b.records = bytes.Join(b.raw, nil), make([]testRecord, len(b.raw))
	}
	if b.packed != nil {
		records = b.packed
	} else if b.codec != compress.None {
		var packed bytes.Buffer
		w := b.codec.Codec().NewWriter(&packed)
		_, _ = w.Write(records)
		_ = w.Close()
		records = packed.Bytes()
	}
	out := appendInt64(nil, b.base)
	out = appendInt32(out, head-12+len(records))
	out = append(appendInt32(out, 0), 2)
	out = appendInt32(out, 0) // the checksum, below
	attributes := int(b.codec)
	if b.logTime != 0 {
		attributes |= 1 << 3
	}
	if b.transactional {
		attributes |= 1 << 4
	}
	if b.control {
		attributes |= 1<<5 | 1<<4
	}
	out = appendInt16(out, attributes)
	out = appendInt32(out, len(b.records)-1+int(b.holes))
	out = appendInt64(appendInt64(out, 1000), b.logTime)
	out = appendInt64(out, b.producer)
	out = appendInt32(appendInt16(out, 0), 0)
	out = appendInt32(out, len(b.records))
	out = append(out, records...)
	sealBatch(out)
	return out
}

// sealBatch sets the length and the checksum of a batch that was changed.
func sealBatch(wire []byte) {
	binary.BigEndian.PutUint32(wire[8:], uint32(len(wire)-12))
	binary.BigEndian.PutUint32(wire[17:], crc32.Checksum(wire[21:], crc32.MakeTable(crc32.Castagnoli)))
}

func appendInt16(b []byte, v int) []byte   { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int) []byte   { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// wireOf is a record set of some batches.
func wireOf(batches ...testBatch) (wire []byte) {
	for _, b := range batches {
		wire = append(wire, b.bytes()...)
	}
	return wire
}

// wireRecord is a record as it is in a record batch.
func wireRecord(offset int, key, value []byte, headers ...schema.Header) []byte {
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

// usage is n message events as a busy day brings them: 40 orgs, thousands of users, a few models; about 350 bytes each.
func usage(n int, now time.Time) []testRecord {
	random := rand.New(rand.NewPCG(1, 2))
	records := make([]testRecord, n)
	for i := range records {
		org := fmt.Sprintf("org-%02d", random.IntN(40))
		records[i] = testRecord{org, fmt.Sprintf(`{"specversion":"1.0","id":"0192f3c4-%04x-7abc-8def-%012x","source":"//chat.example/eu-%d","type":"usage.message.v1","time":%q,`+
			`"data":{"org_id":%q,"user_id":"user-%05d","channel":"assistant","assistant_id":"asst-%04d","conversation_id":"conv-%08x","model":"model-%d","client":"web"}}`,
			i&0xffff, i, random.IntN(3), now.Add(-time.Duration(random.IntN(3600_000))*time.Millisecond).UTC().Format(time.RFC3339Nano), org, random.IntN(20000),
			random.IntN(2000), random.Uint32(), random.IntN(12))}
	}
	return records
}
