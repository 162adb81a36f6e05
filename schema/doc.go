// Package schema says what an event is: the contract with the producers as types, rules and prose.
// It imports no other package of this module and has no clients. Where events are stored is the
// matter of schema/tables. Producers start with PRODUCERS.md; the folder jsonschema has the same
// rules as JSON Schemas, and testdata has valid events.
//
// # From a record to an event
//
// One Kafka record is one CloudEvents 1.0 event. In structured mode, the usual one, the record's
// value is the envelope:
//
//	{"specversion":"1.0","id":"5b1c","source":"/chat",
//	 "type":"usage.message.v1","time":"2026-10-31T08:15:30.123Z",
//	 "data":{"org_id":"acme","user_id":"ada","channel":"assistant",
//	         "assistant_id":"support","model":"gpt-5-mini"}}
//
// In binary mode the headers ce_specversion, ce_id, ce_source, ce_type and ce_time are the
// envelope, and the value is data alone. Both modes carry the same event. They are told apart as
// CloudEvents' Kafka protocol binding says:
//
//	content-type starts with application/cloudevents  structured, whatever ce_* headers there are
//	otherwise, with a header ce_specversion           binary
//	otherwise                                         structured: no header is required
//
// The content-type header's name and value are compared in any case, and blanks before the value
// are ignored. The names of ce_* headers are compared exactly. Of repeated headers the last counts.
// [Decoder.Decode] reads either mode. It gives an [Event], or a [Rejection] with its [Reason] and
// one sentence about it.
//
// Keys are case-sensitive, and unknown keys are ignored. Of repeated keys the last counts; a second
// data replaces the first as a whole. An optional field that is null or "" is absent, and a
// required one is missing. The same holds for the members of the envelope: a data_base64 that is
// null does no harm, a time that is null is missing. A type checks its own fields only: a message
// with an invalid prompt_tokens is accepted. A value of the wrong JSON type is invalid and never
// converted.
//
// Limits are in bytes of UTF-8: 128 for the envelope's id, 256 for source, ids and texts, 2048 for
// url, 4096 for name and description. Counts are digits only, 0 … 2³²−1. Times are RFC 3339 and are
// kept as UTC milliseconds, rounded down. Second 60, a leap second, is the last millisecond before
// it, with any fraction and offset.
//
// Costs are kept in 10⁻⁹ USD, 0 … 10⁹ USD. A number is rounded half-even from its text, never
// through a float. A text is never rounded. It may have an exponent ("3.5E-7", as decimal types
// print small costs), but written out it has at most 9 digits after the point, zeros at its end
// included.
//
// A byte order mark before the JSON is ignored. A producer that cuts a text in the middle of a
// character leaves the escape of a lone surrogate. It stands for U+FFFD in every text and key,
// known or not.
//
// # Why a record is rejected
//
// The reason is the first of these that applies to the record as a whole:
//
//	too_large       the value has more than 1,048,576 bytes
//	malformed_json  the value is not one JSON value in valid UTF-8, or is empty: a tombstone of
//	                Kafka deletes nothing here
//	not_cloudevent  it is no object, or a batch (by its value or content-type), or has
//	                data_base64; specversion is not "1.0"; id, source or type is missing
//	unknown_type    the type is none of the five
//	missing_field   time, data or a required field is absent, whatever else is wrong
//	invalid_value   a value has another JSON type, is too long, out of range, or none of the
//	                listed words
//	too_old         its UTC day is before the earliest exportable date, today minus 12 months
//	in_future       its time is more than 24 h ahead
//
// The last two are judged by the clock at the moment when the record is read. They do not concern
// entity events: an entity's time may be anywhere from 1970 to 2299, where the tables' calendar
// ends.
//
// # Identity
//
// An event is (org_id, UTC day of time, type, source, id). Org and day are kept as they are; the
// other three are kept as the [EventID], a hash of them. Two records with one identity are one
// event, whatever their topic, partition, order and number. A retry must therefore repeat the time
// of the first attempt. After midnight a new time is on another day, and the same id on two days is
// two events.
//
// Copies of one identity may differ in content. Then the copy with the highest Version wins, so the
// same one wins in every order of arrival. The version is a hash of the content after
// normalisation: the type's known fields, the time in milliseconds, and nothing else. Key order,
// unknown keys, the time's offset, "0.50" for 0.5, null for an absent field, escapes and the
// content mode make no difference.
//
// The lowest bit of a version is 0. The tombstone of an erased copy has that copy's version with
// the bit [Erased]: it takes the copy's place among the others, and no replay brings the copy back.
// EventID and version are both stored: a change of what they are hashes of turns old events into
// new ones.
//
// A field that the contract gets later was ignored before, so the log has the event without it.
// Sent again, the event must show the field. So it is a copy with a higher version: the version of
// the copy without later fields, and at most 2⁴⁸ more, by a hash of these fields (above, in
// identity.go). Why this is exact:
//
//   - The version still follows from the record alone. So one copy wins, the same one in every
//     order of arrival, also while older processes go on storing the event without the fields.
//   - An event that has none of the fields, or only their defaults, has the version that it had: it
//     is the same copy as the one that is stored.
//   - Conflicts are counted where two copies meet in a batch. One decoder read both of them, so
//     their versions differ only if their contents do.
//   - A tombstone from before stands for the copy without the fields, and the copy with them would
//     win against it. But ingest knows an erased person by the id (package ingest) and stores a
//     tombstone for each copy that it drops, with that copy's own version.
//
// # Entities
//
// An entity event carries the full state of one entity from its time on. What it leaves out is
// empty from then on, with one exception: a workspace event without settings leaves the settings as
// they were. A member that is left out of settings has its default. An entity without a status is
// active. The ids of group_ids are a set: sorted by bytes, each once, at most 64. With deleted:
// true only org_id, kind, id and deleted are read, and exports go on showing the last attributes
// before it.
//
// # How a record is read
//
// Two readers fill the same table of known keys. The scanner reads the JSON that producers usually
// send. It allocates nothing and gives up at the first doubt. The full decoder then reads the value
// and decides; it reads everything. The rules are applied afterwards, in one place for both
// (judge.go, data.go). A fuzz test holds the two readers to the same verdict and the same event.
// Another, in deploy/test/suite, compares them with the suite's oracle.
package schema
