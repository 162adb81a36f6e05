package oracle

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// A Kind says how a cell is written and compared.
type Kind int

const (
	Text   Kind = iota
	Date        // YYYY-MM-DD, or empty
	Time        // YYYY-MM-DDTHH:MM:SSZ
	Number      // a count, ratio or cost, or empty: equal as text in csv, as a number elsewhere
	Near        // a count that may be 1 % off
	Bool
	Map  // of numbers, or of texts
	List // of texts
)

// A Cell of an export.
type Cell struct {
	Kind Kind
	Text string            // all but Map and List
	Map  map[string]string // name → number, or a text in JSON
	List []string
	Null bool // a text that is missing
}

func text(s string) Cell { return Cell{Kind: Text, Text: s} }
func date(s string) Cell { return Cell{Kind: Date, Text: s} }
func count(n int) Cell   { return Cell{Kind: Number, Text: strconv.Itoa(n)} }
func truth(b bool) Cell  { return Cell{Kind: Bool, Text: strconv.FormatBool(b)} }

func number(n *big.Int) Cell { return Cell{Kind: Number, Text: n.String()} }

// ratio is the quotient of two counts with so many digits, rounded half away from zero. It is 0 if
// nothing was counted.
func ratio(of, to *big.Int, digits int) Cell {
	if to.Sign() == 0 {
		of = new(big.Int)
		to = big.NewInt(1)
	}
	// FloatString rounds half away from zero.
	return Cell{Kind: Number, Text: new(big.Rat).SetFrac(of, to).FloatString(digits)}
}

// cost writes 10⁻⁹ USD in plain notation without trailing zeros.
func cost(nano *big.Int) Cell { return Cell{Kind: Number, Text: dollars(nano)} }

func dollars(nano *big.Int) string {
	whole, rest := new(big.Int).DivMod(nano, big.NewInt(1e9), new(big.Int))
	return strings.TrimSuffix(whole.String()+strings.TrimRight(fmt.Sprintf(".%09d", rest), "0"), ".")
}

func counts(m map[string]int) Cell {
	c := Cell{Kind: Map, Map: map[string]string{}}
	for k, n := range m {
		c.Map[k] = strconv.Itoa(n)
	}
	return c
}

// CSV is the cell as in a CSV file, before quoting.
func (c Cell) CSV() string {
	switch {
	case c.Kind == Map || c.Kind == List:
		return c.json()
	case c.Kind == Text && startsFormula(c.Text):
		return "'" + c.Text
	}
	return c.Text
}

// startsFormula tells whether a spreadsheet could run the text. It could if the first character
// that is not a control character starts a formula, or if a TAB, CR or LF comes before that
// character.
func startsFormula(text string) bool {
	for _, r := range text {
		if strings.ContainsRune("=+-@\t\r\n", r) {
			return true
		}
		if r >= ' ' {
			return false
		}
	}
	return false
}

// json writes a map or a list: compact, with keys sorted by bytes, and with only those escapes that
// JSON demands.
func (c Cell) json() string {
	if c.Kind == List {
		quoted := make([]string, len(c.List))
		for i, text := range c.List {
			quoted[i] = quote(text)
		}
		return "[" + strings.Join(quoted, ",") + "]"
	}
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(c.Map)) {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(quote(k) + ":" + c.Map[k])
	}
	if b.Len() == 0 {
		return "{}"
	}
	return b.String() + "}"
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[i])
		} else if r < 0x20 {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
