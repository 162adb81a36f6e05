package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go" // a reader that shares nothing with the engine that wrote the file
	"github.com/parquet-go/parquet-go/format"
)

// fromParquet turns a Parquet file into one JSON object per line for the oracle: dates as
// YYYY-MM-DD, decimals as numbers, maps as objects in their own order.
func fromParquet(file []byte) ([]byte, error) {
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, group := range f.RowGroups() {
		rows := group.Rows()
		defer rows.Close()
		for buffer := make([]parquet.Row, 64); ; {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				if err := writeRow(&out, f.Root(), row); err != nil {
					return nil, err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return out.Bytes(), nil
}

func writeRow(out *bytes.Buffer, root *parquet.Column, row parquet.Row) error {
	values := map[int][]parquet.Value{}
	for _, v := range row {
		values[v.Column()] = append(values[v.Column()], v)
	}
	out.WriteByte('{')
	for i, column := range root.Columns() {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(jsonText(column.Name()) + ":")
		text, err := cell(column, values)
		if err != nil {
			return fmt.Errorf("%s: %w", column.Name(), err)
		}
		out.WriteString(text)
	}
	out.WriteString("}\n")
	return nil
}

func cell(column *parquet.Column, values map[int][]parquet.Value) (string, error) {
	if column.Leaf() {
		return leaf(column, values[column.Index()][0])
	}
	if len(column.Columns()) == 1 && len(column.Columns()[0].Columns()) == 1 {
		return list(column.Columns()[0].Columns()[0], values)
	}
	if len(column.Columns()) != 1 || len(column.Columns()[0].Columns()) != 2 {
		return "", fmt.Errorf("neither a value nor a list nor a map: %s", column)
	}
	key := column.Columns()[0].Columns()[0]
	value := column.Columns()[0].Columns()[1]
	var members []string
	for i, k := range values[key.Index()] {
		if k.IsNull() { // an empty map
			continue
		}
		name, err := leaf(key, k)
		if err != nil {
			return "", err
		}
		number, err := leaf(value, values[value.Index()][i])
		if err != nil {
			return "", err
		}
		members = append(members, name+":"+number)
	}
	return "{" + strings.Join(members, ",") + "}", nil
}

func list(element *parquet.Column, values map[int][]parquet.Value) (string, error) {
	var all []string
	for _, v := range values[element.Index()] {
		if v.IsNull() { // an empty list
			continue
		}
		text, err := leaf(element, v)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return "[" + strings.Join(all, ",") + "]", nil
}

// leaf returns a single value. Its type must be the one that is promised for the column's kind.
func leaf(column *parquet.Column, v parquet.Value) (string, error) {
	if v.IsNull() {
		return "null", nil
	}
	if logical := column.Type().LogicalType(); logical != nil {
		switch kind := logical.Value.(type) {
		case *format.DecimalType:
			path := strings.Join(column.Path(), ".")
			isCost := strings.Contains(path, "cost_usd") || strings.HasSuffix(path, "Cost")
			if isCost && (kind.Precision != 38 || kind.Scale != 9) {
				return "", fmt.Errorf("a cost is a Decimal(%d, %d)", kind.Precision, kind.Scale)
			}
			unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(kind.Scale)), nil)
			return new(big.Rat).SetFrac(new(big.Int).SetBytes(v.ByteArray()), unit).FloatString(int(kind.Scale)), nil
		case *format.TimestampType:
			if _, inMillis := kind.Unit.Value.(*format.MilliSeconds); !inMillis || !kind.IsAdjustedToUTC {
				return "", fmt.Errorf("a time is a %s", kind)
			}
			return jsonText(time.UnixMilli(v.Int64()).UTC().Format(time.RFC3339)), nil
		case *format.DateType:
			return jsonText(time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)), nil
		case *format.StringType:
			return jsonText(string(v.ByteArray())), nil
		}
	}
	switch v.Kind() {
	case parquet.Boolean, parquet.Int32, parquet.Double, parquet.Float:
		return v.String(), nil
	case parquet.Int64:
		return fmt.Sprint(v.Uint64()), nil
	}
	return "", fmt.Errorf("values of type %s", column.Type())
}

func jsonText(s string) string {
	text, _ := json.Marshal(s) // a text can always be encoded
	return string(text)
}
