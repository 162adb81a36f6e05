package export

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"rollcall/schema/tables"
)

// insert stores rows. It makes their block here: the driver's batches would first ask the engine
// for the types of the columns, and a request waits for its row.
func (a *audit) insert(ctx context.Context, rows []auditRow) error {
	block := newAuditBlock()
	for _, r := range rows {
		block.add(r)
	}
	native, err := block.encode(len(rows))
	if err != nil {
		return err
	}
	return a.conn.InsertFormat(tables.WithoutQuorum(ctx), "Native", block.insert(), bytes.NewReader(native))
}

// An auditBlock has the columns of export_audit, in the order of input. Texts are sent as String,
// whatever text type their column has; the engine converts them.
type auditBlock struct {
	requestID         proto.ColUUID
	started, finished proto.ColDateTime64
	start, end        proto.ColDate32
	org, credential   proto.ColStr
	keyID, keyName    proto.ColStr
	dataType, format  proto.ColStr
	request, outcome  proto.ColStr
	status            proto.ColUInt16
	bytes             proto.ColUInt64
	rows              *proto.ColNullable[uint64]
	input             proto.Input
}

func newAuditBlock() *auditBlock {
	b := &auditBlock{rows: new(proto.ColUInt64).Nullable()}
	b.started.WithPrecision(proto.PrecisionMilli)
	b.finished.WithPrecision(proto.PrecisionMilli)
	b.input = proto.Input{
		{Name: "request_id", Data: &b.requestID}, {Name: "org_id", Data: &b.org},
		{Name: "credential", Data: &b.credential}, {Name: "key_id", Data: &b.keyID}, {Name: "key_name", Data: &b.keyName},
		{Name: "data_type", Data: &b.dataType}, {Name: "format", Data: &b.format},
		{Name: "period_start", Data: &b.start}, {Name: "period_end", Data: &b.end}, {Name: "request", Data: &b.request},
		{Name: "started_at", Data: &b.started}, {Name: "finished_at", Data: &b.finished},
		{Name: "outcome", Data: &b.outcome}, {Name: "status", Data: &b.status},
		{Name: "bytes", Data: &b.bytes}, {Name: "rows", Data: b.rows},
	}
	return b
}

func (b *auditBlock) add(r auditRow) {
	finished := r.finished
	if finished.IsZero() {
		finished = time.Unix(0, 0)
	}
	b.requestID.Append(r.requestID)
	b.org.Append(r.who.Org)
	b.credential.Append(string(r.who.Kind))
	b.keyID.Append(r.who.KeyID)
	b.keyName.Append(r.who.KeyName)
	b.dataType.Append(r.dataType)
	b.format.Append(r.format)
	b.start.Append(auditDate(r.start))
	b.end.Append(auditDate(r.end))
	b.request.Append(r.request)
	b.started.Append(r.started)
	b.finished.Append(finished)
	b.outcome.Append(r.outcome)
	b.status.Append(uint16(r.status))
	b.bytes.Append(r.bytes)
	rows := proto.Null[uint64]()
	if r.rows != nil {
		rows = proto.NewNullable(*r.rows)
	}
	b.rows.Append(rows)
}

func auditDate(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return t
}

// insert is the statement that takes the block.
func (b *auditBlock) insert() string {
	names := make([]string, len(b.input))
	for i, column := range b.input {
		names[i] = column.Name
	}
	return "INSERT INTO export_audit (" + strings.Join(names, ", ") + ")"
}

func (b *auditBlock) encode(rows int) ([]byte, error) {
	var buf proto.Buffer
	block := proto.Block{Columns: len(b.input), Rows: rows}
	if err := block.EncodeRawBlock(&buf, 0, b.input); err != nil {
		return nil, fmt.Errorf("encode the audit's rows: %w", err)
	}
	return buf.Buf, nil
}
