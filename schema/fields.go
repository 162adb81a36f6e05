package schema

// A kindOf is what JSON a member's value is.
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

// fields are all known keys of one record, as the scanner or the full decoder found them; which
// rules hold is judged afterwards.
type fields struct {
	value    [keyCount]field
	seen     uint64 // bit k: value[k] belongs to this record and is not absent
	batch    bool   // the value is an array, or says that it is a batch
	envelope bool   // the value is an object (structured mode), or the headers are the envelope (binary mode)
	headers  bool   // the envelope is from headers
	repeated bool   // headers have attributes that do not count: by the content type the value is the envelope
	data     kindOf
	settings kindOf
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

// put sets a key; the last of repeated keys counts.
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

// startData forgets an earlier data member, startSettings an earlier settings member.
func (f *fields) startData(kind kindOf) {
	f.seen &^= dataKeys | settingsKeys
	f.data = kind
	f.settings = absent
}

func (f *fields) startSettings(kind kindOf) {
	f.seen &^= settingsKeys
	f.settings = kind
}

// has says whether a key is there and is neither null nor "".
func (f *fields) has(k key) bool { return f.seen>>k&1 == 1 }

func (f *fields) get(k key) field {
	if f.seen>>k&1 == 0 {
		return field{}
	}
	return f.value[k]
}

// text is the key's text, or "" where it is absent or something else: for what is read of a record
// that is rejected.
func (f *fields) text(k key) string {
	if v := f.get(k); v.kind == text && len(v.bytes) <= maxID {
		return string(v.bytes)
	}
	return ""
}
