package schema

import (
	"slices"
	"strings"
	"testing"
)

// decoded decodes a record that must be an event.
func decoded(t *testing.T, rec *Record) Event {
	t.Helper()
	ev, rej := decodeBoth(t, rec, benchNow)
	if rej != nil {
		t.Fatalf("%s: %+v", rec.Value, rej)
	}
	return ev
}

func entityVersion(t *testing.T, data string) uint64 {
	t.Helper()
	return decoded(t, &Record{Value: structured(entity, data)}).Version
}

func TestAttributesOfADeletedEntityAreNotItsContent(t *testing.T) {
	bare := entityVersion(t, user(`,"deleted":true`))
	for _, attributes := range []string{`,"name":"N"`, `,"role":7`, `,"joined_at":"never","email":[]`} {
		if entityVersion(t, user(`,"deleted":true`+attributes)) != bare {
			t.Errorf("%s makes it another version", attributes)
		}
	}
	if entityVersion(t, user("")) == bare || entityVersion(t, user(`,"name":"N"`)) == entityVersion(t, user("")) {
		t.Error("deleted, empty and named are one version")
	}
}

// Without settings an event leaves those of the workspace as they were; with {} it sets the
// defaults. These two are different contents. A default that is written out and one that is left
// out are the same content.
func TestSettingsAreContent(t *testing.T) {
	workspace := func(settings string) uint64 {
		return entityVersion(t, `{"org_id":"o","kind":"workspace","id":"o"`+settings+`}`)
	}
	versions := []uint64{
		workspace(``), workspace(`,"settings":{}`), workspace(`,"settings":{"byok":true}`),
		workspace(`,"settings":{"workflows":true}`),
		workspace(`,"settings":{"pseudonymize":true}`), workspace(`,"settings":{"user_level_data":false}`),
	}
	slices.Sort(versions)
	if len(slices.Compact(versions)) != 6 {
		t.Error("different settings are one version")
	}
	for same, as := range map[string]string{
		`,"settings":null`: ``, `,"settings":""`: ``, `,"settings":{"byok":true},"settings":null`: ``,
		`,"settings":{"byok":false,"user_level_data":true,"workflows":null,"x":1}`: `,"settings":{}`,
	} {
		if workspace(same) != workspace(as) {
			t.Errorf("%s is not %q", same, as)
		}
	}
	if entityVersion(t, user(`,"settings":{"byok":true}`)) != entityVersion(t, user("")) {
		t.Error("a user has settings")
	}
}

// Spellings of one content, and contents that differ in a field which the contract got later.
func TestLaterFieldsAreContent(t *testing.T) {
	for same, as := range map[string]string{
		`,"status":"active","company_name":"","license_type":null,"group_ids":[]`: ``,
		`,"group_ids":["b","a","b"]`:                 `,"group_ids":["a","b"]`,
		`,"group_ids":["g"],"status":"active"`:       `,"group_ids":["g"],"status":null`,
		`,"deleted":true,"group_ids":["g"]`:          `,"deleted":true`,
		`,"group_ids":["g"],"company_name":"\u0043"`: `,"company_name":"C","group_ids":["\u0067"]`,
	} {
		if entityVersion(t, user(same)) != entityVersion(t, user(as)) {
			t.Errorf("%s is not %q", same, as)
		}
	}
	var versions []uint64
	for _, content := range []string{
		``, `,"status":"invited"`, `,"status":"suspended"`, `,"company_name":"C"`, `,"license_type":"C"`,
		`,"group_ids":["C"]`, `,"group_ids":["C","D"]`, `,"group_ids":["CD"]`, `,"company_name":"C","group_ids":["D"]`,
	} {
		versions = append(versions, entityVersion(t, user(content)))
	}
	slices.Sort(versions)
	if len(slices.Compact(versions)) != 9 {
		t.Error("different contents are one version")
	}
}

// An event that was stored before Rollcall knew the later fields is in the log without them. Sent
// again it has its fields, and wins. The event without such fields has the version that it had.
func TestAReplayShowsItsLaterFields(t *testing.T) {
	const later = `"company_name":"C","license_type":"L","status":"invited","group_ids":["g","h"]`
	rename := strings.NewReplacer("company_name", "x1", "license_type", "x2", "status", "x3", "group_ids", "x4")
	unknown := rename.Replace(later)
	for _, attributes := range []string{
		``, `,"name":"N"`, `,"department":"D"`, `,"joined_at":"2020-02-29"`, `,"owner_id":"v"`,
	} {
		stored := entityVersion(t, user(attributes+","+unknown))
		if stored != entityVersion(t, user(attributes)) {
			t.Fatal("unknown fields are content")
		}
		again := entityVersion(t, user(attributes+","+later))
		// An erasure of the owner may have put a redacted copy, and one of the person a tombstone, in
		// the place of what was stored.
		if again <= stored+Redaction+Erased || again-stored > 1<<(laterBits+2) || again&Erased != 0 {
			t.Errorf("%q: stored as %x, again as %x", attributes, stored, again)
		}
	}
}

// Wherever the version of the stored event lies, there are versions above it, and room for what
// may stand for them.
func TestVersionsAbove(t *testing.T) {
	laters := []uint64{0, 1, 2, 1<<laterBits - 1, 1 << laterBits, 1<<64 - 1}
	for _, version := range []uint64{
		0, 2, 4, 1 << 63, 1<<64 - 1<<(laterBits+2) - 2, 1<<64 - 1<<(laterBits+2), 1<<64 - 1<<(laterBits+2) + 2,
		1<<64 - 1<<20, 1<<64 - 16, 1<<64 - 14, 1<<64 - 12, 1<<64 - 10,
	} {
		for _, later := range laters {
			got := above(version, later)
			if got <= version+Redaction+Erased || got-version > 1<<(laterBits+2) || (got-version)%4 != 0 ||
				got+Redaction+Erased < got {
				t.Errorf("above %x with %x is %x", version, later, got)
			}
		}
		if version < 1<<64-1<<20 && above(version, 1) == above(version, 2) {
			t.Errorf("above %x two contents are one", version)
		}
	}
	for version := uint64(1<<64 - 8); version != 0; version += 2 { // no room: nothing panics or wraps
		if got := above(version, 7); got != version {
			t.Errorf("above %x is %x", version, got)
		}
	}
}

func TestTheLastOfRepeatedDataCounts(t *testing.T) {
	once := decoded(t, &Record{Value: structured(message, chat(""))})
	twice := decoded(t, &Record{
		Value: structured(message, chat(`,"model":"m","settings":{"byok":1}`)+`,"data":`+chat("")),
	})
	if once.Version != twice.Version {
		t.Error("something of the first data stayed")
	}
	if _, rej := decodeBoth(t, &Record{Value: structured(message, chat("")+`,"data":null`)}, benchNow); rej == nil ||
		rej.Reason != MissingField {
		t.Errorf("%+v", rej)
	}
}

func TestTheLastOfRepeatedHeadersCounts(t *testing.T) {
	rec := &Record{Value: []byte(request("")), Headers: binaryHeaders(token)}
	want := decoded(t, rec)
	rec.Headers = slices.Concat([]Header{
		{[]byte("ce_id"), []byte("other")}, {[]byte("ce_time"), nil}, {[]byte("ce_data_base64"), []byte("e30=")},
		{[]byte("CE_ID"), []byte("x")},
	}, rec.Headers)
	if got := decoded(t, rec); got.EventID != want.EventID || got.Version != want.Version {
		t.Error("an earlier header, or one that means nothing, counts")
	}
	rec.Headers = append(rec.Headers, Header{[]byte("ce_id"), nil})
	if _, rej := decodeBoth(t, rec, benchNow); rej == nil || rej.Reason != NotCloudEvent {
		t.Errorf("%+v", rej)
	}
}

func TestAnAttributeInAHeaderIsUTF8(t *testing.T) {
	for _, name := range []string{"ce_id", "ce_source"} {
		rec := &Record{
			Value: []byte(request("")), Headers: append(binaryHeaders(token), Header{[]byte(name), []byte("\xff")}),
		}
		if _, rej := decodeBoth(t, rec, benchNow); rej == nil || rej.Reason != InvalidValue {
			t.Errorf("%s: %+v", name, rej)
		}
	}
}
