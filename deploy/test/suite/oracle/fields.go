package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// data reads the fields of an event and remembers what was wrong with them.
type data struct {
	fields           map[string]json.RawMessage // nil: there is no JSON object
	missing, invalid bool
}

func newData(raw json.RawMessage) *data {
	d := &data{fields: object(raw)}
	d.missing = len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
	d.invalid = !d.missing && d.fields == nil
	return d
}

// value is a field's JSON text. It is empty if the field is absent, null or "".
func (d *data) value(name string) string {
	v := strings.TrimSpace(string(d.fields[name]))
	if v == "null" || v == `""` {
		return ""
	}
	return v
}

// need notes the required fields that are absent.
func (d *data) need(names ...string) {
	for _, name := range names {
		d.missing = d.missing || d.value(name) == ""
	}
}

// text reads a text of at most max bytes. If enum is given, the text must be one of it.
func (d *data) text(name string, max int, enum ...string) (s string) {
	v := d.value(name)
	if v == "" {
		return ""
	}
	if json.Unmarshal([]byte(v), &s) != nil || len(s) > max || len(enum) > 0 && !slices.Contains(enum, s) {
		d.invalid = true
	}
	return s
}

func (d *data) bool(name string, absent bool) bool {
	switch d.value(name) {
	case "true":
		return true
	case "false":
		return false
	case "":
		return absent
	}
	d.invalid = true
	return false
}

func (d *data) count(name string) int64 {
	v := d.value(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || v[0] == '+' {
		d.invalid = true
	}
	return int64(n)
}

var decimal = regexp.MustCompile(`^-?[0-9]+(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// written tells whether a text is a decimal number with at most 9 digits after the point when it is
// written without exponent.
func written(s string) bool {
	m := decimal.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	places := big.NewInt(int64(len(m[1])))
	return places.Sub(places, exponentOf(m[2])).Cmp(big.NewInt(9)) <= 0
}

func exponentOf(s string) *big.Int {
	n, ok := new(big.Int).SetString(strings.TrimPrefix(s, "+"), 10)
	if !ok {
		return new(big.Int) // there is no exponent
	}
	return n
}

// cost reads a cost in 10⁻⁹ USD.
func (d *data) cost(name string) int64 {
	v := d.value(name)
	if v == "" {
		return 0
	}
	var s string
	if json.Unmarshal([]byte(v), &s) == nil {
		if !written(s) {
			d.invalid = true
			return 0
		}
		v = s
	}
	nano, ok := nanos(v)
	if !ok || nano.Sign() < 0 || nano.Cmp(big.NewInt(1e18)) > 0 {
		d.invalid = true
		return 0
	}
	return nano.Int64()
}

// nanos is a number times 10⁹, rounded half to even.
func nanos(number string) (*big.Int, bool) {
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	exponent := exponentOf(power)
	if _, ok := new(big.Rat).SetString(mantissa); !ok {
		return nil, false
	}
	// For exponents far beyond both ends, only the sign counts, and whether the number is 0.
	far := big.NewInt(int64(5000 + len(mantissa)))
	switch {
	case strings.Trim(mantissa, "-0.") == "" || exponent.Cmp(new(big.Int).Neg(far)) < 0:
		return new(big.Int), true
	case exponent.Cmp(far) > 0:
		return big.NewInt(2e18), !strings.HasPrefix(mantissa, "-")
	}
	r, ok := new(big.Rat).SetString(fmt.Sprintf("%se%d", mantissa, exponent))
	if !ok {
		return nil, false
	}
	r.Mul(r, big.NewRat(1e9, 1))
	whole, rest := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int)) // DivMod is Euclidean, so rest is not negative
	switch rest.Lsh(rest, 1).Cmp(r.Denom()) {
	case 1:
		whole.Add(whole, big.NewInt(1))
	case 0:
		whole.Add(whole, new(big.Int).And(whole, big.NewInt(1)))
	}
	return whole, true
}

var rfc3339 = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// time reads a time in milliseconds since 1970, cut, not rounded. A leap second counts as the
// millisecond before it.
func (d *data) time(raw json.RawMessage) int64 {
	env := data{fields: map[string]json.RawMessage{"time": raw}}
	env.need("time")
	s := env.text("time", 1<<20)
	d.missing = d.missing || env.missing
	d.invalid = d.invalid || env.invalid
	if s == "" {
		return 0
	}
	m := rfc3339.FindStringSubmatch(s)
	if m == nil {
		d.invalid = true
		return 0
	}
	if minute, leap := strings.CutSuffix(m[2], ":60"); leap {
		m[2] = minute + ":59"
		m[3] = ".999"
	}
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", m[1]+"T"+m[2]+strings.ToUpper(m[4]))
	if err != nil {
		d.invalid = true
		return 0
	}
	ms, _ := strconv.ParseInt((strings.TrimPrefix(m[3], ".") + "000")[:3], 10, 64)
	return at.UnixMilli() + ms
}

// date reads a date, YYYY-MM-DD.
func (d *data) date(name string) string {
	s := d.text(name, 10)
	at, err := time.Parse(time.DateOnly, s)
	outside := at.Year() < firstYear || at.Year() > lastYear
	if s != "" && (err != nil || at.Format(time.DateOnly) != s || outside) {
		d.invalid = true
	}
	return s
}
