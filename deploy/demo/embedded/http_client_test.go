package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"rollcall/deploy/demo/embedded/enginetest"
)

// connect opens the production client over HTTP, without compression as schema/tables does.
func connect(t *testing.T) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.HTTP,
		Addr:     []string{strings.TrimPrefix(enginetest.Shared(t).URL, "http://")},
		Auth:     clickhouse.Auth{Database: "default", Username: "default"},
		Settings: clickhouse.Settings{"async_insert": 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// everyType is a row with all types that Rollcall's tables have, and similar ones.
type everyType struct {
	S   string                     `ch:"s"`
	LC  string                     `ch:"lc"`
	FS  string                     `ch:"fs"`
	U8  uint8                      `ch:"u8"`
	U64 uint64                     `ch:"u64"`
	I32 int32                      `ch:"i32"`
	Big big.Int                    `ch:"big"`
	F   float64                    `ch:"f"`
	B   bool                       `ch:"b"`
	D   time.Time                  `ch:"d"`
	DT  time.Time                  `ch:"dt"`
	M   map[string]uint64          `ch:"m"`
	MD  map[string]decimal.Decimal `ch:"md"`
	Dec decimal.Decimal            `ch:"dec"`
	N   *string                    `ch:"n"`
	Nil *time.Time                 `ch:"nil"`
	A   []string                   `ch:"a"`
	E   string                     `ch:"e"`
	ID  uuid.UUID                  `ch:"id"`
}

const everyColumn = `s String, lc LowCardinality(String), fs FixedString(3), u8 UInt8, u64 UInt64, i32 Int32, big UInt256, f Float64, b Bool, d Date, dt DateTime64(3, 'UTC'),
	m Map(LowCardinality(String), UInt64), md Map(String, Decimal(38, 9)), dec Decimal(38, 9), n Nullable(String), nil Nullable(Date), a Array(LowCardinality(String)), e Enum8('x' = 1, 'y' = 2), id UUID`

func TestClientWritesAndReadsEveryType(t *testing.T) {
	text := "not null"
	huge, _ := new(big.Int).SetString("115792089237316195423570985008687907853269984665640564039457584007913129639935", 10)
	want := everyType{
		S: "line\nend, \x00 and 漢字", LC: "low", FS: "abc", U8: 255, U64: 1<<64 - 1, I32: -1, Big: *huge, F: 0.1, B: true,
		D: time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), DT: time.Date(2026, 10, 31, 23, 59, 59, 999e6, time.UTC),
		M: map[string]uint64{"": 0, "a": 1}, MD: map[string]decimal.Decimal{"x": decimal.RequireFromString("0.000000001")},
		Dec: decimal.RequireFromString("12345678901234567890.123456789"), N: &text, A: []string{"p", "", "p"}, E: "y",
		ID: uuid.MustParse("01020304-0506-0708-090a-0b0c0d0e0f10"),
	}
	ctx := context.Background()
	conn := connect(t)
	table := table(t, everyColumn)
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := batch.AppendStruct(&want); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var got []everyType
	if err := conn.Select(ctx, &got, "SELECT * FROM "+table); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 {
		t.Fatalf("%d rows", len(got))
	}
	for _, row := range got {
		if a, b := fmt.Sprintf("%+v", plain(row)), fmt.Sprintf("%+v", plain(want)); a != b {
			t.Errorf("got  %s\nwant %s", a, b)
		}
	}
}

// plain returns a row in a form that can be compared as text: pointers are followed, decimals
// written out.
func plain(row everyType) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(&row).Elem()
	for i := range v.NumField() {
		value := v.Field(i)
		if value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		if text, ok := value.Addr().Interface().(fmt.Stringer); ok && value.CanAddr() {
			fields[v.Type().Field(i).Name] = text.String()
			continue
		}
		fields[v.Type().Field(i).Name] = value.Interface()
	}
	return fields
}

func TestClientReadsManyBlocks(t *testing.T) {
	rows, err := connect(t).Query(context.Background(),
		"SELECT number, toString(number) FROM numbers({n:UInt64})", clickhouse.Named("n", 100_000))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := uint64(0)
	for ; rows.Next(); want++ {
		var n uint64
		var s string
		if err := rows.Scan(&n, &s); err != nil || n != want || s != fmt.Sprint(want) {
			t.Fatalf("row %d is %d %q, %v", want, n, s, err)
		}
	}
	if rows.Err() != nil || want != 100_000 {
		t.Errorf("%d rows, %v", want, rows.Err())
	}
}

func TestClientParameters(t *testing.T) {
	conn := connect(t)
	nasty := "'; DROP TABLE x; -- \\ \t\n\r\x00 {a:String} \u2028 漢"
	var s string
	var list []string
	var day time.Time
	err := conn.QueryRow(context.Background(), "SELECT {s:String}, {l:Array(String)}, {d:DateTime64(3, 'UTC')}",
		clickhouse.Named("s", nasty), clickhouse.Named("l", []string{"a", "b'c"}),
		clickhouse.DateNamed("d", time.UnixMilli(1_700_000_000_123).UTC(), clickhouse.MilliSeconds)).Scan(&s, &list, &day)
	if err != nil || s != nasty || !reflect.DeepEqual(list, []string{"a", "b'c"}) || day.UnixMilli() != 1_700_000_000_123 {
		t.Errorf("got %q, %q, %v, %v", s, list, day, err)
	}
}

func TestClientFormats(t *testing.T) {
	ctx := context.Background()
	conn := connect(t)
	table := table(t, "n UInt64, s String")
	var rows strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&rows, "%d,\"row %d\"\n", i, i)
	}
	if err := conn.InsertFormat(ctx, "CSV", "INSERT INTO "+table, strings.NewReader(rows.String())); err != nil {
		t.Fatal(err)
	}
	stream, err := conn.QueryFormat(ctx, "CSV", "SELECT * FROM "+table+" ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if got, err := io.ReadAll(stream); err != nil || string(got) != rows.String() {
		t.Errorf("%d of %d bytes, %v", len(got), rows.Len(), err)
	}
}

func TestClientSeesParquetWhole(t *testing.T) {
	stream, err := connect(t).QueryFormat(context.Background(), "Parquet",
		"SELECT number, map('k', number) AS m FROM numbers(100000) SETTINGS max_block_size = 1000")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	file, err := io.ReadAll(stream)
	if err != nil || !bytes.HasPrefix(file, []byte("PAR1")) || !bytes.HasSuffix(file, []byte("PAR1")) {
		t.Fatalf("%d bytes, %v", len(file), err)
	}
	name := table(t, "number UInt64, m Map(String, UInt64)")
	r := send(t, "POST", bytes.NewReader(file),
		url.Values{"query": {"INSERT INTO " + name + " FORMAT Parquet"}, "async_insert": {"0"}})
	if got := mustAsk(t, "SELECT count(), sum(m['k']) FROM "+name, nil); r.status != 200 || got != "100000\t4999950000\n" {
		t.Errorf("read back: %d %s %q", r.status, r.body, got)
	}
}

func TestClientErrors(t *testing.T) {
	ctx := context.Background()
	conn := connect(t)
	assertCode := func(what string, err error, code int32) {
		t.Helper()
		var known *clickhouse.Exception
		if !errors.As(err, &known) || known.Code != code {
			t.Errorf("%s: got %v, want code %d", what, err, code)
		}
	}
	assertCode("exec", conn.Exec(ctx, "DROP TABLE scratch.nothing"), 60)
	_, err := conn.Query(ctx, "SELECT nothing")
	assertCode("query", err, 47)
	assertCode("insert", conn.InsertFormat(ctx, "CSV", "INSERT INTO scratch.nothing", strings.NewReader("1\n")), 60)
	assertCode("rows of another type",
		conn.InsertFormat(ctx, "CSV", "INSERT INTO "+table(t, "n UInt64"), strings.NewReader("x\n")), 117)

	stream, err := conn.QueryFormat(ctx, "CSV",
		"SELECT number, sipHash64(number), throwIf(number = 200000) FROM numbers(400000)")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, stream)
	stream.Close()
	assertCode("format, among rows", err, 395)
	if n == 0 {
		t.Error("no rows came before the failure")
	}

	rows, err := conn.Query(ctx, "SELECT number, sipHash64(number), throwIf(number = 200000) FROM numbers(400000)")
	for err == nil && rows.Next() {
	}
	if err == nil {
		err = rows.Err()
	}
	assertCode("query, among rows", err, 395)
}

// A query ends soon after its client has gone, whether the query was computing or waiting for the
// client to read.
func TestClientGoesAway(t *testing.T) {
	conn := connect(t)
	for name, query := range map[string]string{
		"while it computes": "SELECT max(sipHash64(number)) FROM numbers(1000000000000)",
		"while it sends":    "SELECT number, toString(number) FROM numbers(1000000000000)",
	} {
		t.Run(name, func(t *testing.T) {
			mark := uuid.NewString()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				if stream, err := conn.QueryFormat(ctx, "CSV", "SELECT '"+mark+"', * FROM ("+query+")"); err == nil {
					<-ctx.Done()
					stream.Close()
				}
			}()
			running := func() string {
				return mustAsk(t, "SELECT count() FROM system.processes WHERE query LIKE '%"+mark+
					"%' AND query NOT LIKE '%system.processes%'", nil)
			}
			eventually(t, "the query runs", func() bool { return running() == "1\n" })
			cancel()
			<-done
			eventually(t, "the query is gone", func() bool { return running() == "0\n" })
		})
	}
}

// eventually polls until holds returns true, for at most 10 s.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A type that clickhouse-go cannot carry gives an error with the type's name, in the Native format
// only.
func TestClientCannotReadAState(t *testing.T) {
	conn := connect(t)
	_, err := conn.Query(context.Background(), "SELECT uniqExactState(toString(number)) FROM numbers(3)")
	var known *clickhouse.Exception
	if !errors.As(err, &known) || known.Code != 50 || !strings.Contains(known.Message, "AggregateFunction") {
		t.Errorf("got %v", err)
	}
}
