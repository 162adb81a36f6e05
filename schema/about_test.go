package schema

import (
	"strings"
	"testing"
)

// A reject must be found when the person that it names is erased, even if it is no event at all.
func TestRejectionsNameWhomTheySpeakOf(t *testing.T) {
	large := strings.Repeat(" ", MaxValueBytes)
	for name, c := range map[string]struct {
		value     string
		binary    bool
		org, user string
	}{
		"another type": {string(structured("x", chat(""))), false, "o", "u"},
		"an entity":    {string(structured(entity, user(`,"role":"x"`))), false, "o", "u"},
		"an entity of another kind": {
			string(structured(entity, `{"org_id":"o","kind":"project","id":"u","role":"x"}`)), false, "o", "",
		},
		"cut after the names": {string(structured(message, chat("")[:len(chat(""))-4])), false, "o", "u"},
		"broken before the names": {
			`{"specversion":1.,"data":{"org_id" : "o","user_id":` + "\n" + `"u"}}`, false, "o", "u",
		},
		"broken entity":                  {`{"id":"e-1",,"data":{"org_id":"o","id":"u","kind":"user"}}`, false, "o", "u"},
		"broken, names with escapes":     {`x{"org_id":"\u006f","user_id":"a\"b"}`, false, "o", `a"b`},
		"broken, a name that is cut":     {`x{"org_id":"o","user_id":"u`, false, "o", ""},
		"broken, the last of two counts": {`x{"org_id":"o","user_id":"a","user_id":"u","user_id":7}`, false, "o", "u"},
		"broken binary entity":           {`{"org_id":"o","kind":"user","id":"u"`, true, "o", "u"},
		"too large":                      {string(structured(message, chat(""))) + large, false, "o", "u"},
		"too large and cut": {
			`{"data":{"org_id":"o","kind":"user","id":"u","description":"` + large + `"}}`, false, "o", "u",
		},
		"too large, binary": {chat("") + large, true, "o", "u"},
		"a batch":           {`[` + string(structured(message, chat(""))) + `]`, false, "", ""},
		"nothing":           {``, false, "", ""},
		"quotes only":       {`"user_id":"`, false, "", ""},
	} {
		rec := &Record{Value: []byte(c.value)}
		if c.binary {
			rec.Headers = binaryHeaders(entity)
		}
		if _, rej := decodeBoth(t, rec, benchNow); rej == nil || rej.Org != c.org || rej.User != c.user {
			t.Errorf("%s: %+v, want %q of %q", name, rej, c.user, c.org)
		}
	}
}

// The event's own time shows whether a reject is older than an erasure.
func TestRejectionsSayWhenTheirEventWas(t *testing.T) {
	at := `"time":"2026-10-31T10:15:30.250+02:00"`
	const want = Millis(1793434530250)
	large := strings.Repeat(" ", MaxValueBytes)
	for name, c := range map[string]struct {
		value  string
		binary bool
		want   Millis
	}{
		"read":              {`{` + at + `,"data":{}}`, false, want},
		"unreadable":        {`{"time":"yesterday","data":{}}`, false, 0},
		"a number":          {`{"time":1793434530250,"data":{}}`, false, 0},
		"missing":           {`{"data":{}}`, false, 0},
		"cut behind it":     {`{` + at + `,"data":{`, false, want},
		"broken before it":  {`{"id":,` + at, false, want},
		"too large":         {`{` + at + large, false, want},
		"binary":            {`{}`, true, 1793434530000},
		"binary, cut":       {`{` + at, true, 1793434530000},
		"binary, too large": {`{` + at + large, true, 1793434530000},
	} {
		rec := &Record{Value: []byte(c.value)}
		if c.binary {
			rec.Headers = binaryHeaders(message)
		}
		if _, rej := decodeBoth(t, rec, benchNow); rej == nil || rej.Time != c.want || rej.Timed != (c.want != 0) {
			t.Errorf("%s: %+v, want %d", name, rej, c.want)
		}
	}
}

// Nothing that was read of one record may appear in the rejection of the next.
func TestARejectionIsAboutItsOwnRecord(t *testing.T) {
	d := NewDecoder()
	ev := new(Event)
	for _, value := range []string{string(structured(message, chat(""))), `x`, `7`, strings.Repeat(" ", MaxValueBytes+1)} {
		if rej := d.Decode(&Record{Value: []byte(value)}, benchNow, ev); rej != nil && rej.Org+rej.User != "" {
			t.Errorf("%.10s: %+v", value, rej)
		}
	}
}
