package suite

import (
	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

var named = clickhouse.Named

// tell gives the oracle a record that the test produced itself.
func (b *bed) tell(r traffic.Record) {
	in := oracle.Record{Value: r.Value}
	for _, h := range r.Headers {
		in.Headers = append(in.Headers, oracle.Header(h))
	}
	b.oracle.Add(in, b.now)
}

func (b *bed) count(query string) (n uint64) {
	b.t.Helper()
	b.must(b.conn.QueryRow(b.t.Context(), query).Scan(&n))
	return n
}

// counter is the sum of a counter of the last ingest, over the series in which any label has this
// value.
func (b *bed) counter(name, label string) (total float64) {
	b.t.Helper()
	families, err := b.metrics.Gather()
	b.must(err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					total += m.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}
