package rows

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"rollcall/schema"
)

// Rejects are rows of the table of refused records, schema/tables/migrations/0005_ingest.sql.
type Rejects struct {
	table

	topic      words
	partition  numbers[int32]
	offset     numbers[int64]
	sha        hashes
	rejectedAt numbers[schema.Millis]
	recordTime numbers[schema.Millis]
	reason     words
	detail     texts
	org, user  texts
	key        texts
	headers    pairs
	value      texts
	valueSize  numbers[uint64]

	sentAt []schema.Millis // schema.Rejection.SentAt of each row; not stored
	chosen []uint32        // the rows that Blocks split last
}

// NewRejects makes Rejects without rows.
func NewRejects() *Rejects {
	r := &Rejects{}
	r.partition = numbers[int32]{width: 4, typ: "Int32"}
	r.offset = numbers[int64]{width: 8, typ: "Int64"}
	r.sha = hashes{width: 32, typ: "FixedString(32)"}
	r.rejectedAt = numbers[schema.Millis]{width: 8, typ: "DateTime64(3, 'UTC')"}
	r.recordTime = numbers[schema.Millis]{width: 8, typ: "DateTime64(3, 'UTC')"}
	r.valueSize = numbers[uint64]{width: 8, typ: "UInt64"}
	r.table = table{name: "rejects", fields: []field{
		{"topic", &r.topic}, {"partition", &r.partition}, {"offset", &r.offset}, {"value_sha256", &r.sha},
		{"rejected_at", &r.rejectedAt}, {"record_time", &r.recordTime}, {"reason", &r.reason}, {"detail", &r.detail},
		{"org_id", &r.org}, {"user_id", &r.user}, {"key", &r.key}, {"headers", &r.headers}, {"value", &r.value},
		{"value_size", &r.valueSize},
	}}
	return r
}

// Len is how many rows were added since Reset.
func (r *Rejects) Len() int { return len(r.offset.values) }

// Held is the memory that the rows take, in bytes. Reset keeps it.
func (r *Rejects) Held() int { return r.table.held() + 8*cap(r.sentAt) + 4*cap(r.chosen) }

// A Reject says which record was refused, why, and whom it names. Its texts are valid until Reset.
type Reject struct {
	Topic     []byte
	Partition int32
	Offset    int64
	Reason    []byte
	Org, User []byte
	SentAt    schema.Millis // see schema.Rejection.SentAt
}

// Reject returns what a row says of its record apart from the content.
func (r *Rejects) Reject(row uint32) Reject {
	return Reject{
		Topic:     r.topic.at(row),
		Partition: r.partition.values[row],
		Offset:    r.offset.values[row],
		Reason:    r.reason.at(row),
		Org:       r.org.at(row),
		User:      r.user.at(row),
		SentAt:    r.sentAt[row],
	}
}

// Reset forgets the rows.
func (r *Rejects) Reset() {
	r.table.reset()
	r.sentAt = r.sentAt[:0]
}

// rejectBlock is the approximate size of a block of rejects, in bytes. A reject may be a thousand
// times as large as an event, and its block is held twice: here, and by ClickHouse.
const rejectBlock = 8 << 20

// Blocks splits the rows into blocks, in the order of arrival. The table is a set of records by
// their offsets. So it does not matter where the rows are split, nor which blocks are stored
// already when a batch comes again.
func (r *Rejects) Blocks() (blocks []Block) {
	rows := withRoom(r.chosen[:0], r.Len())
	for row := range uint32(r.Len()) {
		rows = append(rows, row)
	}
	r.chosen = rows
	from := 0
	bytes := 0
	for i, row := range rows {
		bytes += r.rowBytes(row)
		if bytes >= rejectBlock || i+1 == len(rows) {
			blocks = append(blocks, Block{&r.table, rows[from : i+1]})
			from = i + 1
			bytes = 0
		}
	}
	return blocks
}

func (r *Rejects) rowBytes(row uint32) int {
	n := rowBytes + r.headers.rowBytes(row)
	for _, c := range []*texts{&r.detail, &r.org, &r.user, &r.key, &r.value} {
		n += len(c.at(row))
	}
	return n
}

// Add copies one refused record.
func (r *Rejects) Add(rec *schema.Record, rej *schema.Rejection, now time.Time) {
	value := rec.Value
	whole := rec.Cut
	if whole == nil {
		whole = &schema.Cut{Size: uint64(len(value)), SHA256: sha256.Sum256(value)}
	}
	if rej.Reason == schema.TooLarge {
		value = value[:min(len(value), schema.KeptOfTooLarge)]
	}
	r.topic.add([]byte(rec.Topic))
	r.partition.add(rec.Partition)
	r.offset.add(rec.Offset)
	r.sha.add(whole.SHA256[:])
	r.rejectedAt.add(schema.Millis(now.UnixMilli()))
	r.recordTime.add(rec.Time)
	r.sentAt = append(r.sentAt, rej.SentAt(rec))
	r.reason.add([]byte(rej.Reason))
	r.detail.add([]byte(rej.Detail))
	r.org.add([]byte(rej.Org))
	r.user.add([]byte(rej.User))
	r.key.add(rec.Key)
	r.headers.add(rec.Headers)
	r.value.add(value)
	r.valueSize.add(whole.Size)
}

// pairs are lists of two strings each: Array(Tuple(String, String)).
type pairs struct {
	ends          []uint32
	names, values texts
	wanted        []uint32 // memory of encode, used again
}

func (c *pairs) kind() string { return "Array(Tuple(String, String))" }
func (c *pairs) len() int     { return len(c.ends) }
func (c *pairs) size() int    { return 4*len(c.ends) + c.names.size() + c.values.size() }
func (c *pairs) held() int    { return 4*cap(c.ends) + c.names.held() + c.values.held() + 4*cap(c.wanted) }

func (c *pairs) reserve(rows int) { c.ends = withRoom(c.ends, rows) }

func (c *pairs) reset() {
	c.ends = c.ends[:0]
	c.names.reset()
	c.values.reset()
}

func (c *pairs) add(headers []schema.Header) {
	for _, h := range headers {
		c.names.add(h.Key)
		c.values.add(h.Value)
	}
	c.ends = append(c.ends, uint32(len(c.names.ends)))
}

// of returns the places of a row's pairs: the first, and the one after the last.
func (c *pairs) of(row uint32) (from, to uint32) {
	if row > 0 {
		from = c.ends[row-1]
	}
	return from, c.ends[row]
}

func (c *pairs) rowBytes(row uint32) (n int) {
	from, to := c.of(row)
	for i := from; i < to; i++ {
		n += headerBytes + len(c.names.at(i)) + len(c.values.at(i))
	}
	return n
}

func (c *pairs) encode(out []byte, rows []uint32) []byte {
	c.wanted = c.wanted[:0]
	for _, row := range rows {
		from, to := c.of(row)
		for i := from; i < to; i++ {
			c.wanted = append(c.wanted, i)
		}
		out = binary.LittleEndian.AppendUint64(out, uint64(len(c.wanted)))
	}
	return c.values.encode(c.names.encode(out, c.wanted), c.wanted)
}
