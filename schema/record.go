package schema

// A Record is one Kafka record. Key, Value and Headers are views into the fetched data.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      Millis // the record's own timestamp; an event's time is in its envelope
	Key       []byte
	Value     []byte
	Headers   []Header
}

// A Header of a Kafka record.
type Header struct{ Key, Value []byte }
