package schema

// A kindOf is the JSON type of a member's value.
type kindOf uint8

const (
	absent kindOf = iota // not there, null or ""
	text
	number
	boolTrue
	boolFalse
	object
	array
)

// A field is the value of one known key: the unescaped text, or the number as written.
type field struct {
	bytes []byte
	kind  kindOf
}

// fields are the values of all known keys of one record, as the scanner or the full decoder found
// them. The rules are applied afterwards.
type fields struct {
	value    [keyCount]field
	seen     uint64 // bit k: value[k] belongs to this record and is not absent
	batch    bool   // the value is an array, or the content type says that it is a batch
	envelope bool   // the value is an object (structured mode), or the headers are the envelope (binary mode)
	headers  bool   // the envelope is from headers
	repeated bool   // ce_* headers are there and do not count: the content type says that the value is the envelope
	data     kindOf
	settings kindOf
	groups   idList // the value of groupIDs, if that is an array
}

const (
	dataKeys     = (uint64(1)<<userLevelData - 1) &^ (uint64(1)<<orgID - 1)
	settingsKeys = (uint64(1)<<keyCount - 1) &^ (uint64(1)<<userLevelData - 1)
)

func (f *fields) reset() {
	f.seen = 0
	f.data = absent
	f.settings = absent
	f.batch = false
	f.envelope = false
	f.headers = false
}

// put sets a key, or removes it if the value is null or "". Of repeated keys the last counts.
func (f *fields) put(k key, kind kindOf, bytes []byte) {
	if kind == text && len(bytes) == 0 || kind == absent {
		f.seen &^= 1 << k
		return
	}
	v := &f.value[k]
	v.bytes = bytes
	v.kind = kind
	f.seen |= 1 << k
}

// startData drops what an earlier data member set, startSettings what an earlier settings member
// set.
func (f *fields) startData(kind kindOf) {
	f.seen &^= dataKeys | settingsKeys
	f.data = kind
	f.settings = absent
}

func (f *fields) startSettings(kind kindOf) {
	f.seen &^= settingsKeys
	f.settings = kind
}

// has reports whether a key is there and is neither null nor "".
func (f *fields) has(k key) bool { return f.seen>>k&1 == 1 }

func (f *fields) get(k key) field {
	if f.seen>>k&1 == 0 {
		return field{}
	}
	return f.value[k]
}

// text is the key's text. It is "" if the key is absent, is not a text, or is longer than an id may
// be: it reads rejected records, which may hold anything.
func (f *fields) text(k key) string {
	if v := f.get(k); v.kind == text && len(v.bytes) <= maxID {
		return string(v.bytes)
	}
	return ""
}
