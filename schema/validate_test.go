package schema

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// validated returns the verdicts on the lines of a text, by line number.
func validated(t *testing.T, r io.Reader) (lines int, verdicts map[int]*Rejection) {
	t.Helper()
	verdicts = map[int]*Rejection{}
	lines, rejected, err := ValidateLines(r, "f", benchNow, func(line int, rej *Rejection) { verdicts[line] = rej })
	if err != nil || rejected != len(verdicts) {
		t.Fatal(rejected, len(verdicts), err)
	}
	return lines, verdicts
}

// Whatever a line holds, validate gives the verdict that ingest gives on a record with that value.
func TestValidateSaysWhatIngestDoes(t *testing.T) {
	good := string(structured(message, chat("")))
	padded := func(size int) string { return good + strings.Repeat(" ", size-len(good)) }
	values := []string{
		good, `{"x"`, string(structured("x", chat(""))), mark + good, " \t" + good, good + "\t ", mark, mark + mark + good,
		"\u00a0", "\u00a0" + good, "\v", good + "\f", "\u2028" + good, "null", "[]", `""`, "\x00", "\xff", "\xff\xfe{\x00",
		padded(MaxValueBytes), padded(MaxValueBytes + 1), padded(MaxValueBytes + 2), padded(3 * MaxValueBytes),
		mark + padded(MaxValueBytes-2), strings.Repeat(" ", MaxValueBytes+1), good + "\r" + good, "\r" + good,
		string(structured(message, chat(`,"preview":"\ud83d"`))),
		string(structured(message, chat(""), "data_base64", "null")),
	}
	for _, end := range []string{"\n", "\r\n"} {
		text := strings.Join(values, end)
		lines, verdicts := validated(t, strings.NewReader(text))
		if lines != len(values)-1 { // the byte order mark alone is no line of text
			t.Errorf("%d lines of %d", lines, len(values)-1)
		}
		for i, value := range values {
			var ev Event
			want := NewDecoder().Decode(&Record{Value: []byte(value)}, benchNow, &ev)
			if value == mark {
				want = nil
			}
			if got := verdicts[i+1]; (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("line %d, %.40q: %+v, ingest says %+v", i+1, value, got, want)
			}
		}
	}
}

// Lines without text are no records. A file may begin with a byte order mark, have empty lines, and
// end with or without a line feed.
func TestValidatePassesOverLinesWithoutText(t *testing.T) {
	good := string(structured(message, chat("")))
	for text, want := range map[string]string{
		"":                                       "0 map[]",
		"\n":                                     "0 map[]",
		mark:                                     "0 map[]",
		mark + "\r\n":                            "0 map[]",
		" \t\r\n\r\n \n":                         "0 map[]",
		mark + "\n\n" + good + "\r\n\r\n" + good: "2 map[]",
		good + "\r\n\n" + `{"x"` + "\n" + good[:9]: "3 map[3:malformed_json 4:malformed_json]",
		good + "\n" + good + "\r":                  "2 map[]",
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			lines, verdicts := validated(t, r)
			reasons := map[int]Reason{}
			for line, rej := range verdicts {
				reasons[line] = rej.Reason
			}
			if got := fmt.Sprint(lines, " ", reasons); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
	}
}

// A line of any length takes bounded memory.
func TestValidateHoldsNoMoreThanALine(t *testing.T) {
	const size = 256 << 20
	begin := string(structured(message, chat(""))[:20])
	endless := io.MultiReader(strings.NewReader(begin), io.LimitReader(blanks{}, size), strings.NewReader("\n{"))
	lines, verdicts := validated(t, endless)
	want := fmt.Sprintf("the value has %d bytes", size+len(begin))
	if lines != 2 || !strings.HasPrefix(verdicts[1].Detail, want) || verdicts[2].Reason != MalformedJSON {
		t.Errorf("%d lines, %+v", lines, verdicts)
	}
	l := lineReader{in: bufio.NewReader(io.LimitReader(blanks{}, size))}
	if _, read, err := l.next(); read != size || err != nil || cap(l.line) > 2*maxLine {
		t.Errorf("%d bytes of %d are held, error %v", cap(l.line), read, err)
	}
}

// A carriage return belongs to the end of its line even if it is the last byte of one read.
func TestALinesEndMayBeReadInTwo(t *testing.T) {
	for _, size := range []int{MaxValueBytes - 1, 2*MaxValueBytes - 1} {
		l := lineReader{in: bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", size)+"\r\n"), 1<<16)}
		if line, read, err := l.next(); read != size || len(line) > size || err != nil {
			t.Errorf("%d bytes of %d, %d held, error %v", read, size, len(line), err)
		}
	}
}

func TestValidateGivesTheErrorOfReading(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("\n"), iotest.ErrReader(io.ErrClosedPipe))
	if _, _, err := ValidateLines(broken, "f", benchNow, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// blanks is an endless reader of spaces.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
