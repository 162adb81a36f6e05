package ingest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A dying connection ends its process after the first statement that changes something.
type dying struct {
	driver.Conn
	end context.CancelFunc
	did *int
}

func (c dying) Exec(ctx context.Context, query string, args ...any) error {
	if *c.did++; *c.did > 1 {
		c.end()
		return context.Canceled
	}
	return c.Conn.Exec(ctx, query, args...)
}

// A person's description that names the same person as its owner belongs to that person. It is
// never written again without its owner. Such a copy would outrank the description's tombstone,
// which another process may still have to store.
func TestOwnDescriptionIsNotKeptWithoutItsOwner(t *testing.T) {
	options := enginetest.Database(t)
	conn, err := tables.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := time.Now().UTC().Add(-time.Hour)
	row := map[string]any{
		"org_id": "acme", "day": sent.Format(time.DateOnly), "event_id": "0123456789abcdef", "version": 2,
		"time": sent.Format("2006-01-02 15:04:05.000"), "kind": "user",
	}
	description := map[string]any{"entity_id": "ann", "name": "Ann", "owner_id": "ann", "source": "/test", "id": "e"}
	for name, value := range row {
		description[name] = value
	}
	enginetest.Insert(t, conn, "entities", description)

	ctx, end := context.WithCancel(t.Context())
	defer end()
	e := &engine{
		conn: dying{conn, end, new(int)}, options: options, log: slog.New(slog.DiscardHandler),
		waits:   newWaits(slog.New(slog.DiscardHandler)),
		metrics: newMetrics(prometheus.NewRegistry()), tracer: noop.NewTracerProvider().Tracer(""),
	}
	before := erasedRows{before: schema.Millis(time.Now().UnixMilli())}
	if err := e.deletePerson(ctx, erasedPerson{"acme", "ann"}, before); err == nil {
		t.Fatal("the process did not end")
	}

	row["version"] = 2 | schema.Erased
	enginetest.Insert(t, conn, "entities", row)
	var left uint64
	const query = "SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0"
	if err := conn.QueryRow(t.Context(), query).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d descriptions of the erased person are left, %v", left, err)
	}
}
