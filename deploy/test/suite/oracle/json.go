package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// DiffNDJSON says where a file with one JSON object per line differs from the table. It returns nil
// if they are the same.
func (t Table) DiffNDJSON(file []byte) error {
	var rows []json.RawMessage
	for line := range bytes.Lines(file) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			return errors.New("the last line does not end: the file is cut")
		}
		rows = append(rows, json.RawMessage(line))
	}
	return t.diffObjects(rows)
}

// DiffJSON says where a JSON array of objects differs from the table. It returns nil if they are
// the same.
func (t Table) DiffJSON(file []byte) error {
	var rows []json.RawMessage
	if err := json.Unmarshal(file, &rows); err != nil {
		return err
	}
	if rows == nil {
		return errors.New("null instead of an array")
	}
	return t.diffObjects(rows)
}

func (t Table) diffObjects(rows []json.RawMessage) error {
	if len(rows) != len(t.Rows) {
		return fmt.Errorf("want %d rows, got %d", len(t.Rows), len(rows))
	}
	for i, raw := range rows {
		names, values, err := members(raw)
		if err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
		if !slices.Equal(names, t.Columns) {
			return fmt.Errorf("row %d: columns:\nwant %v\ngot  %v", i+1, t.Columns, names)
		}
		for j, c := range t.Rows[i] {
			if !c.matchesJSON(values[j]) {
				return fmt.Errorf("row %d, %s: want %s%s, got %s in %s", i+1, t.Columns[j], c.Text, c.json(), values[j], raw)
			}
		}
	}
	return nil
}

// members returns the members of a JSON object, in order.
func members(raw json.RawMessage) (names []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("%s is not an object", raw)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		names = append(names, name.(string))
		values = append(values, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, nil, fmt.Errorf("something follows the object: %s", raw)
	}
	return names, values, nil
}

// matchesJSON tells whether raw is the cell's value, in the JSON type of the cell's kind.
func (c Cell) matchesJSON(raw json.RawMessage) bool {
	got := string(bytes.TrimSpace(raw))
	if c.Null {
		return got == "null"
	}
	switch c.Kind {
	case Map:
		return c.matchesObject(raw)
	case List:
		var all []string
		return json.Unmarshal(raw, &all) == nil && all != nil && slices.Equal(all, c.List)
	case Bool:
		return got == c.Text
	case Number:
		if c.Text == "" {
			return got == "null"
		}
		return equalNumbers(c.Text, got)
	case Near:
		return c.near(got)
	case Date:
		if c.Text == "" {
			return got == "null"
		}
	}
	var s string
	return len(got) > 0 && got[0] == '"' && json.Unmarshal(raw, &s) == nil && s == c.Text
}

func (c Cell) matchesObject(raw json.RawMessage) bool {
	names, values, err := members(raw)
	if err != nil || len(names) != len(c.Map) {
		return false
	}
	for i, name := range names {
		if want, ok := c.Map[name]; !ok || !equalMembers(want, values[i]) {
			return false
		}
	}
	return slices.IsSorted(names)
}

// equalMembers compares the values of a map: numbers, or texts in JSON.
func equalMembers(want string, got json.RawMessage) bool {
	if want[0] != '"' {
		return equalNumbers(want, string(got))
	}
	var w, g string
	return json.Unmarshal([]byte(want), &w) == nil && got[0] == '"' && json.Unmarshal(got, &g) == nil && w == g
}

func equalNumbers(want, got string) bool {
	w, _ := new(big.Rat).SetString(want)
	var n json.Number
	if len(got) == 0 || got[0] == '"' || json.Unmarshal([]byte(got), &n) != nil {
		return false
	}
	g, ok := new(big.Rat).SetString(n.String())
	return ok && w.Cmp(g) == 0
}
