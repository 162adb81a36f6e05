package schema

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// identify computes the event's identity and version. Both are hashes of fields that have their
// length before them, so two different lists of fields are never the same bytes. Both are stored: a
// change of what is hashed turns old events into new ones.
func (d *Decoder) identify(ev *Event) {
	b := append(d.content[:0], byte(ev.Type))
	b = prefixed(b, ev.Source)
	b = prefixed(b, ev.ID)
	ev.EventID = xxh3.Hash128(b).Bytes()

	b = append(b[:0], byte(ev.Type))
	b = binary.LittleEndian.AppendUint64(b, uint64(ev.Time))
	switch ev.Type {
	case Message, Action:
		b = appendAll(b, ev.User, ev.Channel, ev.Action, ev.Assistant, ev.Project, ev.Workflow, ev.Conversation,
			ev.Model, ev.Client, ev.APIKey)
	case Token:
		b = appendAll(b, ev.User, ev.APIKey, ev.Model, ev.Provider, ev.Deployment,
			ev.Assistant, ev.Project, ev.Workflow, ev.Client)
		b = appendCounts(b, ev.PromptTokens, ev.CompletionTokens, ev.CachedPromptTokens, ev.CacheCreationTokens)
		b = binary.LittleEndian.AppendUint64(b, ev.CostNanoUSD)
		b = appendBool(b, ev.BYOK)
	case WorkflowRun:
		b = appendAll(b, ev.Workflow, ev.Run, ev.Status, ev.ErrorType, ev.Trigger, ev.User)
		b = appendCounts(b, ev.DurationMS)
	case EntityState:
		b = ev.Entity.append(b)
	}
	d.content = b
	ev.Version = xxh3.Hash(b) &^ Erased
	if ev.Type == EntityState {
		if b = ev.Entity.appendLater(b[:0]); len(b) > 0 {
			ev.Version = above(ev.Version, xxh3.Hash(b))
		}
		d.content = b
	}
}

func (e *Entity) append(b []byte) []byte {
	b = append(b, byte(e.Kind))
	b = appendBool(b, e.Deleted)
	b = appendAll(b, e.ID, e.Name, e.Email, e.Role, e.Department, e.Description, e.URL, e.Owner)
	if e.JoinedAt != nil {
		b = binary.LittleEndian.AppendUint32(append(b, 1), uint32(*e.JoinedAt))
	} else {
		b = append(b, 0)
	}
	if s := e.Settings; s != nil {
		for _, on := range [...]bool{true, s.UserLevelData, s.BYOK, s.Workflows, s.Pseudonymize} {
			b = appendBool(b, on)
		}
	}
	return b
}

// appendLater appends the fields that the contract got later than those of append. It appends
// nothing if the event has none of them: an event that was stored before keeps its version.
//
// The events that were stored before are the reason for the second hash. Rollcall ignored these
// fields then, so its log has the event without them. When the event is sent again, the copy with
// its fields must win against that one. A hash of all fields would win against it only every second
// time. So the version is that of the copy without the fields, and a little more (see above).
//
// After a release these fields, too, are what they are. The next new field needs a function of its
// own, and another step above the version with these.
func (e *Entity) appendLater(b []byte) []byte {
	if len(e.Company) == 0 && len(e.License) == 0 && e.Status == Active && len(e.GroupIDs) == 0 {
		return b
	}
	b = appendAll(b, e.Company, e.License)
	b = append(b, byte(e.Status))
	return appendAll(b, e.GroupIDs...)
}

// laterBits is the number of bits of the hash of later fields that count.
const laterBits = 46

// above returns the version of a copy that has later fields. version is that of the same copy
// without them, later is the hash of them. The result is a multiple of 4 above version, at most
// 2⁴⁸, so
//
//   - it is greater than version, and greater than the tombstone and the redacted copy that may
//     stand for version: the greatest of them is version + Redaction + Erased;
//   - two copies that differ only in later fields have versions that differ by 4 or more, but for
//     one pair in 2⁴⁶. So what stands for one of them never has the version of the other;
//   - against a copy that differs in other fields it wins or loses as version does, but for one
//     pair in 2¹⁶. For that pair, too, the same copy wins in every order of arrival.
//
// Close to the end of the 64 bits there is room for fewer bits of the hash. Only the last 8 of the
// 2⁶⁴ versions leave no room at all.
func above(version, later uint64) uint64 {
	room := (^uint64(0) - version) / 4 // at least 3 above the greatest result: redacted and erased
	if room < 2 {
		return version
	}
	return version + 4*(1+later%min(room-1, 1<<laterBits))
}

func prefixed(b, field []byte) []byte {
	n := len(b)
	if size := len(field); size < 0x80 && cap(b)-n > size {
		b = b[:n+1+size]
		b[n] = byte(size)
		copy(b[n+1:], field)
		return b
	}
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

func appendAll(b []byte, fields ...[]byte) []byte {
	for _, f := range fields {
		b = prefixed(b, f)
	}
	return b
}

func appendCounts(b []byte, counts ...uint32) []byte {
	for _, n := range counts {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
