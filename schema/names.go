package schema

import (
	"encoding/binary"
	"strings"
)

// A nameTable finds a known name by the eight bytes behind its opening quote, without looking for
// the closing one first and without comparing it to the others. What it does not know is no known
// name, so it need not be looked up elsewhere.
type nameTable struct {
	factor uint64 // brings each head to a place of its own
	places [1 << nameBits]knownName
}

const nameBits = 7 // more than twice as many places as names: then a factor is soon found

type knownName struct {
	head uint64 // the first eight bytes of the name with its closing quote; 0 is behind that
	tail string // the others
	size int    // of the name, without quotes
	key  key    // noKey: nothing is in this place
}

// names has the known names of each place: those that its switch in keys.go knows, and the member
// that holds an object.
var names = [...]*nameTable{
	inEnvelope: newNameTable(specversion, dataBase64, knownName{tail: "data", key: dataObject}),
	inData:     newNameTable(orgID, deleted, knownName{tail: "settings", key: settingsObject}),
	inSettings: newNameTable(userLevelData, pseudonymize),
}

// newNameTable has the names of the keys from first to last, and more, whose tail is the whole
// name.
func newNameTable(first, last key, more ...knownName) *nameTable {
	for k := first; k <= last; k++ {
		more = append(more, knownName{tail: keyNames[k][strings.LastIndexByte(keyNames[k], '.')+1:], key: k})
	}
	for i := range more {
		n := &more[i]
		quoted := n.tail + `"`
		n.size, n.head, n.tail = len(n.tail), shortHead([]byte(quoted)), quoted[min(8, len(quoted)):]
	}
	t := &nameTable{factor: 1}
	for !t.fill(more) {
		t.factor *= 6364136223846793005 // a factor of random generators: its powers are well mixed
	}
	return t
}

// fill puts each name in its place. It fails if two have the same one.
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

// find reads a name that starts at i: its key, or noKey, and where its closing quote is, or doubt.
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

// shortHead is the head of what has fewer than eight bytes, as if 0s followed.
func shortHead(b []byte) uint64 {
	var padded [8]byte
	copy(padded[:], b)
	return upToQuote(binary.LittleEndian.Uint64(padded[:]))
}

// upToQuote is w with 0 for what is behind the first quote.
func upToQuote(w uint64) uint64 {
	differs := w ^ '"'*ones
	quote := (differs - ones) &^ differs & high // of its bits the lowest is right: the highest one of the first quote
	return w & (quote ^ (quote - 1))
}
