package schema

import (
	"encoding/binary"
	"strings"
)

// A nameTable finds a known name by the eight bytes after its opening quote. It need not look for
// the closing quote first, nor compare the name with each known one. A name that is not in the
// table is unknown.
type nameTable struct {
	factor uint64 // head × factor gives each name a place of its own
	places [1 << nameBits]knownName
}

const nameBits = 7 // more than twice as many places as names, so that a factor is found soon

type knownName struct {
	head uint64 // the first eight bytes of the name and its closing quote, then 0s
	tail string // the bytes after head, with the closing quote
	size int    // of the name, without quotes
	key  key    // noKey: the place is empty
}

// names has one table for each place. It holds the names that the switch of that place in keys.go
// knows, and the name of the member that is an object.
var names = [...]*nameTable{
	inEnvelope: newNameTable(specversion, dataBase64, knownName{tail: "data", key: dataObject}),
	inData:     newNameTable(orgID, deleted, knownName{tail: "settings", key: settingsObject}),
	inSettings: newNameTable(userLevelData, pseudonymize),
}

// newNameTable makes a table of the names of the keys from first to last, and of more. In more,
// tail is the whole name.
func newNameTable(first, last key, more ...knownName) *nameTable {
	for k := first; k <= last; k++ {
		more = append(more, knownName{tail: keyNames[k][strings.LastIndexByte(keyNames[k], '.')+1:], key: k})
	}
	for i := range more {
		n := &more[i]
		quoted := n.tail + `"`
		n.size = len(n.tail)
		n.head = shortHead([]byte(quoted))
		n.tail = quoted[min(8, len(quoted)):]
	}
	t := &nameTable{factor: 1}
	for !t.fill(more) {
		t.factor *= 6364136223846793005 // a factor of random generators: its powers are well mixed
	}
	return t
}

// fill puts each name in its place. It returns false if two names have the same place.
func (t *nameTable) fill(all []knownName) bool {
	clear(t.places[:])
	for _, n := range all {
		to := t.at(n.head)
		if to.key != noKey {
			return false
		}
		*to = n
	}
	return true
}

func (t *nameTable) at(head uint64) *knownName { return &t.places[head*t.factor>>(64-nameBits)] }

// find reads the name that starts at i. It returns its key, or noKey if the name is unknown, and
// the position of its closing quote, or doubt.
func (t *nameTable) find(b []byte, i int) (k key, end int) {
	rest := b[i:]
	head := uint64(0)
	if len(rest) >= 8 {
		head = upToQuote(binary.LittleEndian.Uint64(rest))
	} else {
		head = shortHead(rest)
	}
	if n := t.at(head); n.head == head && n.key != noKey {
		if n.tail == "" || len(rest)-8 >= len(n.tail) && string(rest[8:8+len(n.tail)]) == n.tail {
			return n.key, i + n.size
		}
	}
	return noKey, textEnd(b, i)
}

// shortHead is the head of b. If b has fewer than eight bytes, 0s follow.
func shortHead(b []byte) uint64 {
	var padded [8]byte
	copy(padded[:], b)
	return upToQuote(binary.LittleEndian.Uint64(padded[:]))
}

// upToQuote is w with 0s after the first quote.
func upToQuote(w uint64) uint64 {
	differs := w ^ '"'*ones
	quote := (differs - ones) &^ differs & high // only the lowest set bit counts: the first quote's highest bit
	return w & (quote ^ (quote - 1))
}
