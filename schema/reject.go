package schema

// A Reason says why a record is not an event. The first that applies counts, in this order.
type Reason string

const (
	TooLarge      Reason = "too_large"
	MalformedJSON Reason = "malformed_json"
	NotCloudEvent Reason = "not_cloudevent"
	UnknownType   Reason = "unknown_type"
	MissingField  Reason = "missing_field"
	InvalidValue  Reason = "invalid_value"
	TooOld        Reason = "too_old"
	InFuture      Reason = "in_future"
)

// Reasons lists them all, in order.
func Reasons() []Reason {
	return []Reason{TooLarge, MalformedJSON, NotCloudEvent, UnknownType, MissingField, InvalidValue, TooOld, InFuture}
}

// MaxValueBytes is the largest value of a record, uncompressed.
const MaxValueBytes = 1 << 20

// A Rejection is the verdict on a record that broke a rule. Org, User and Time are what could be
// read of the record: rejects are found and erased by them.
type Rejection struct {
	Reason    Reason
	Detail    string // one sentence: which rule, where, what to do
	Org, User string
	Time      Millis // the event's own
	Timed     bool   // Time could be read
}

// SentAt is the time that an erasure compares: the earlier of the record's time and the event's
// own. The event's time counts because a record that is produced again has a new time. The record's
// time counts because the producer's clock may be ahead.
func (r *Rejection) SentAt(rec *Record) Millis {
	if r.Timed {
		return min(rec.Time, r.Time)
	}
	return rec.Time
}
