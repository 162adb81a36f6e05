// Package schema is what an event is: the contract with the producers as types, rules and prose. It
// imports no sibling and talks to nobody; where events rest is told by schema/tables. Producers
// start with PRODUCERS.md; the same rules as JSON Schemas are in jsonschema, valid events in
// testdata.
//
// # From a record to an event
//
// One Kafka record is one CloudEvents 1.0 event. In structured mode, the usual one, the record's
// value is the envelope:
//
//	{"specversion":"1.0","id":"5b1c","source":"/chat","type":"usage.message.v1","time":"2026-10-31T08:15:30.123Z",
//	 "data":{"org_id":"acme","user_id":"ada","channel":"assistant","assistant_id":"support","model":"gpt-5-mini"}}
//
// In binary mode the envelope is in the headers ce_specversion, ce_id, ce_source, ce_type and
// ce_time, and the value is data alone. Both say the same thing. The modes are told apart as the
// binding of CloudEvents to Kafka says:
//
//	content-type begins with application/cloudevents    structured, whatever ce_* headers repeat of the envelope
//	else there is a header ce_specversion               binary
//	else                                                structured: no header is required
//
// The name of the content-type header and its value are read in any case, and blanks before the
// value are passed over. The names of ce_* headers are exact. Of repeated headers the last counts.
// [Decoder.Decode] reads either mode and gives an [Event], or a [Rejection] with its [Reason] and
// one sentence about it.
//
// A key is known or ignored, and is known by its exact spelling; of a repeated key the last counts,
// also where the earlier one was data as a whole. An optional field that is null or "" is absent; a
// required one then is missing. The same holds for the members of the envelope: a data_base64 that
// is null does no harm, a time that is null is missing. A type knows its own fields only: what is
// wrong with prompt_tokens in a message is of no interest. A value of the wrong JSON type is
// invalid, never converted. Limits are in bytes of UTF-8: 128 for the envelope's id, 256 for
// source, ids and texts, 2048 for url, 4096 for name and description. Counts are digits only, 0 …
// 2³²−1. Times are RFC 3339 and are kept as UTC milliseconds, rounded down. Second 60, a leap
// second, is the last millisecond before it, with any fraction and offset.
//
// Costs are kept in 10⁻⁹ USD, 0 … 10⁹ USD. A number is rounded half-even from its text, never by
// way of a float. A text is never rounded: it may have an exponent ("3.5E-7", as decimal types
// print small costs), but no more than 9 digits after the point when it is written out, zeros at
// its end included.
//
// A byte order mark before the JSON is passed over. The escape of a lone surrogate, which is what
// is left of a character where a producer cuts a text in the middle, stands for U+FFFD in every
// text and key, known or not.
//
// # Why a record is rejected
//
// The first reason that applies to the record as a whole, in this order:
//
//	too_large       more than 1,048,576 bytes of value
//	malformed_json  not one JSON value in valid UTF-8, or empty: a tombstone of Kafka deletes nothing here
//	not_cloudevent  no object, a batch (by its value or its content-type), data_base64; specversion other than "1.0"; id, source or type missing
//	unknown_type    a type that is none of the five
//	missing_field   time, data or a required field is absent, whatever else is wrong
//	invalid_value   of another JSON type, too long, out of range, none of the listed words
//	too_old         its UTC day is before the earliest exportable date, today minus 12 months
//	in_future       its time is more than 24 h ahead
//
// The last two do not concern entity events, whose time may be anywhere from 1970 to 2299, where
// the tables' calendar ends. Both are judged by the clock of the moment the record is read.
//
// # Identity
//
// An event is (org_id, UTC day of time, type, source, id). Of the five, org and day are kept as
// they are, and the other three as the [EventID], a hash of them. Two records with one identity are
// one event, whatever topic, partition, order or number they come in. A retry must therefore repeat
// the first attempt's time: at midnight another time is another day, and the same id on two days is
// two events.
//
// If records of one identity differ in content, the one with the highest Version wins, the same one
// in every order of arrival. The version is a hash of the content after normalisation: of the
// type's known fields, the time in milliseconds, and nothing else. Key order, unknown keys, the
// offset the time is written in, "0.50" for 0.5, null for nothing, escapes and the content mode
// make no difference. The lowest bit of a version is 0; the tombstone of an erased copy has that
// copy's version and [Erased], so it takes the copy's place among the others and no replay brings
// the copy back. Both hashes are stored: to change what they are made of makes old events new ones.
//
// # Entities
//
// An entity event carries the full state of one entity from its time on: what it leaves out is
// empty from then on, except that a workspace event without settings leaves those as they were, and
// that settings with a member left out have that member's default. With deleted: true nothing but
// org_id, kind, id and deleted is looked at, and the last attributes before stay what exports show.
//
// # How it is read
//
// Two readers fill the same table of known keys. The scanner reads the JSON that producers usually
// send without allocating, about as fast as it can be walked over, and gives up at the first doubt;
// the full decoder reads everything, and decides. The rules come after, in one place for both
// (judge.go, data.go). A fuzz test holds the two to one verdict and one event; another, in
// deploy/test/suite, holds them to the suite's oracle.
package schema
