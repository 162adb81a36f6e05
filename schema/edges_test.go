package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// A field that was decoded is not replaced by a name that is found in the rest of a broken record.
// The rest is searched from its first byte.
func TestNamesOfBrokenRecords(t *testing.T) {
	long := strings.Repeat("o", 256)
	for name, c := range map[string]struct {
		value     string
		binary    bool
		org, user string
		timed     bool
	}{
		"read before":             {`{"data":{"org_id":"o","user_id":"u"},"x":{"org_id":"p"},`, false, "o", "u", false},
		"at the beginning":        {`"org_id":"o","user_id":"u"`, false, "o", "u", false},
		"of the envelope":         {`{"time":"2026-10-31T08:15:30Z",}`, false, "", "", true},
		"not of a binary value":   {`{"time":"2026-10-31T08:15:30Z",}`, true, "", "", false},
		"an id before data":       {`{"id":"e",,"data":{"kind":"user"`, false, "", "", false},
		"a name and nothing":      {`x"org_id"`, false, "", "", false},
		"a name and a colon":      {`x"org_id":`, false, "", "", false},
		"a name and a quote":      {`x"org_id":"`, false, "", "", false},
		"an empty name":           {`x"org_id":"","user_id":"u"`, false, "", "u", false},
		"without a colon":         {`x"org_id""o"`, false, "", "", false},
		"a number, then a text":   {`x"org_id":7,"user_id":"u"`, false, "", "u", false},
		"bytes that are no UTF-8": {"x\"org_id\":\"o\xff\"", false, "", "", false},
		"256 bytes":               {`x"org_id":"` + long + `"`, false, long, "", false},
		"257 bytes":               {`x"org_id":"` + long + `o"`, false, "", "", false},
		"256 escapes":             {`x"org_id":"` + strings.Repeat(`\u006f`, 256) + `"`, false, long, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &Record{Value: []byte(c.value)}
			if c.binary {
				rec.Headers = binaryHeaders(message)[:4] // without ce_time
			}
			_, rej := decodeBoth(t, rec, benchNow)
			if rej == nil || rej.Org != c.org || rej.User != c.user || rej.Timed != c.timed {
				t.Errorf("%+v, want %q of %q, timed %v", rej, c.user, c.org, c.timed)
			}
		})
	}
}

// The first and the last day that the tables hold, and their neighbours.
func TestDaysAtTheLimits(t *testing.T) {
	for day, want := range map[string]Reason{
		"1899-12-31": InvalidValue, "1900-01-01": "", "2299-12-31": "", "2300-01-01": InvalidValue,
	} {
		value := structured(entity, user(`,"joined_at":"`+day+`"`))
		if _, rej := decodeBoth(t, &Record{Value: value}, benchNow); reasonOf(rej) != want {
			t.Errorf("joined on %s: %+v, want %q", day, rej, want)
		}
	}
	for at, want := range map[string]Reason{
		"1969-12-31T23:59:59.999Z": InvalidValue, "1970-01-01T00:00:00Z": "",
		"2299-12-31T23:59:59.999Z": "", "2300-01-01T00:00:00Z": InvalidValue,
	} {
		value := structured(entity, user(""), "time", `"`+at+`"`)
		if _, rej := decodeBoth(t, &Record{Value: value}, benchNow); reasonOf(rej) != want {
			t.Errorf("an entity of %s: %+v, want %q", at, rej, want)
		}
	}
}

// A sentence quotes at most 64 bytes, and never half a character.
func TestQuotesAreShort(t *testing.T) {
	for value, want := range map[string]string{
		strings.Repeat("x", 64):        strings.Repeat("x", 64),
		strings.Repeat("x", 65):        strings.Repeat("x", 64) + "…",
		strings.Repeat("x", 63) + "éé": strings.Repeat("x", 63) + "…",
		strings.Repeat("x", 62) + "éé": strings.Repeat("x", 62) + "é…",
		strings.Repeat("\xff", 65):     "…",
		strings.Repeat("x", 61) + "😀😀": strings.Repeat("x", 61) + "…",
	} {
		if got := string(short([]byte(value))); got != want {
			t.Errorf("%q is quoted as %q, want %q", value, got, want)
		}
	}
}

// Days before 1970, and a millisecond either side of midnight.
func TestDaysOfMillis(t *testing.T) {
	const day = 86_400_000
	for m, want := range map[Millis]Day{
		0: 0, 1: 0, -1: -1, day - 1: 0, day: 1, -day: -1, -day - 1: -2, -day + 1: -1, 3*day - 1: 2,
	} {
		if got := m.Day(); got != want {
			t.Errorf("%d ms are of day %d, want %d", m, got, want)
		}
	}
}

// The sentence of a rejection quotes the value that came, or says that it is missing.
func TestSentencesSayWhatCame(t *testing.T) {
	for version, said := range map[string]string{
		`"0.3"`: `"0.3"`, `1.0`: "the number 1.0", `true`: "true", `false`: "false",
		`{}`: "an object", `[]`: "a list", `null`: "missing",
	} {
		value := structured(message, chat(""), "specversion", version)
		_, rej := decodeBoth(t, &Record{Value: value}, benchNow)
		if want := fmt.Sprintf("specversion is %s;", said); rej == nil || !strings.HasPrefix(rej.Detail, want) {
			t.Errorf("%s: %+v, want %q", version, rej, want)
		}
	}
}

// exactNano reads usual costs quickly and exactly. It refuses all others, which roundedNano then
// reads.
func TestExactCosts(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "5": 5e9, "10": 10e9, "0.25": 250_000_000, "12.5": 12_500_000_000, "0.000000001": 1,
		"0.123456789": 123_456_789,
		"1000000000":  1e18, "1000000000.0": 1e18, "999999999.999999999": 999_999_999_999_999_999, "007": 7e9,
	} {
		if got, ok := exactNano([]byte(text)); !ok || got != want {
			t.Errorf("%s: %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", ".5", "5.", "1.2.3", "-1", "+1", "1e3", "1000000000.000000001", "1000000001",
		"0.1234567890", "10000000000", "/", ":", "1/", "1:"} {
		if got, ok := exactNano([]byte(text)); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

// In the bytes that identities and versions are hashes of, a field's length is a varint, however
// much room the buffer has.
func TestLengthsInIdentities(t *testing.T) {
	for _, size := range []int{0, 1, 126, 127, 128, 129, 256, 4096} {
		field := bytes.Repeat([]byte("x"), size)
		want := append(binary.AppendUvarint([]byte("before"), uint64(size)), field...)
		for _, room := range []int{6, 6 + size, 7 + size, 8 + size, 10_000} {
			b := append(make([]byte, 0, room), "before"...)
			if got := prefixed(b, field); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, room for %d: got %d bytes, want %d: %.20q", size, room, len(got), len(want), got)
			}
		}
	}
}

// The tables cannot store a day of the year 0, but a reject keeps the time of its event.
func TestTimesOfTheYearZero(t *testing.T) {
	for text, want := range map[string]string{
		"0000-01-01T00:00:00Z": "0000-01-01", "0000-02-29T00:00:00Z": "0000-02-29", "0000-03-01T00:00:00Z": "0000-03-01",
	} {
		at, ok := parseTime([]byte(text))
		if got := at.Time().Format("2006-01-02"); !ok || got != want {
			t.Errorf("%s: %s %v", text, got, ok)
		}
	}
}
