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
