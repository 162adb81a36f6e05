package schema

import "crypto/sha256"

// A Record is one Kafka record. Key, Value and Headers are views into the fetched data.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      Millis // the record's own timestamp; an event's time is in its envelope
	Key       []byte
	Value     []byte
	Headers   []Header
	Cut       *Cut // nil: Value is whole
}

// A Cut describes a value that was too large to be held. The record's Value then is its first
// KeptOfTooLarge bytes.
type Cut struct {
	Size   uint64 // of the whole value, in bytes
	SHA256 [sha256.Size]byte
}

// KeptOfTooLarge is how many bytes are kept of a value that is larger than MaxValueBytes.
const KeptOfTooLarge = 64 << 10

// A Header of a Kafka record.
type Header struct{ Key, Value []byte }
