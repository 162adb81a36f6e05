package schema

import (
	"slices"
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
