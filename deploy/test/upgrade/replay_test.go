package upgrade

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/ingest/rows"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// What the last release without teams has stored of these two events: the first is in
// schema/testdata/identities.txt with its version. It ignored the fields that it did not know.
const (
	described = `{"specversion":"1.0","id":"7","source":"/people","type":"usage.entity.v1","time":"2026-10-31T08:15:30Z",` +
		`"data":{"org_id":"o","kind":"user","id":"u","name":"N","email":"e","role":"admin","joined_at":"2020-02-29","department":"D"`
	teams = `,"company_name":"C","license_type":"L","status":"suspended","group_ids":["h","g"]`

	beforeTeams    = 14 // migrations
	describedAs    = 0xe1344c4e630a7dfc
	describedID    = "6749d29fb938918fa5a9457e2a15d5c6"
	rowBeforeTeams = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, role, joined_at, department)
SELECT 'o', toDate32('2026-10-31'), unhex('` + describedID + `'), 16227679256875531772, 'user', 'u', toDateTime64('2026-10-31 08:15:30', 3, 'UTC'), '/people', '7', 'N', 'e', 'admin', toDate32('2020-02-29'), 'D'`
)

// An event that an earlier release stored, and that this one reads again from Kafka, is one event
// and shows the fields that the earlier release did not know. An earlier ingest that is still there
// changes nothing of it, and its blocks, which know no groups, are taken.
func TestAReplayAfterTheUpgradeShowsWhatItSays(t *testing.T) {
	releases := newDatabase(t).migrations()
	db := newDatabaseOf(t, releases, beforeTeams)
	db.exec(rowBeforeTeams)
	if _, err := tables.Migrate(t.Context(), db.options); err != nil {
		t.Fatal(err)
	}
	shows := func(when, want string) {
		t.Helper()
		var got string
		const all = `SELECT toString(groupArray((name, department, company_name, license_type, status, group_ids))) FROM entities FINAL WHERE org_id = 'o' AND entity_id = 'u'`
		if err := db.conn.QueryRow(t.Context(), all).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", when, got, err, want)
		}
	}
	shows("migrated", `[('N','D','','','active',[])]`)
	db.insert(described + "}}")
	shows("the event without such fields again", `[('N','D','','','active',[])]`)
	var versions uint64
	const all = "SELECT uniqExact(version) FROM entities WHERE org_id = 'o'"
	if err := db.conn.QueryRow(t.Context(), all).Scan(&versions); err != nil || versions != 1 {
		t.Errorf("it is another version than the one that was stored: %d, %v", versions, err)
	}
	db.insert(described + teams + "}}")
	shows("read again", `[('N','D','C','L','suspended',['g','h'])]`)
	db.exec(rowBeforeTeams)
	shows("stored once more by an earlier ingest", `[('N','D','C','L','suspended',['g','h'])]`)
	db.send("INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name) FORMAT Native",
		blockBeforeTeams())
	shows("in a block of an earlier ingest", `[('N','D','C','L','suspended',['g','h'])]`)
	db.exec("OPTIMIZE TABLE entities FINAL")
	shows("merged", `[('N','D','C','L','suspended',['g','h'])]`)
}

// insert stores one event as this release's ingest does.
func (db *database) insert(value string) {
	db.Helper()
	var ev schema.Event
	if rej := schema.NewDecoder().Decode(&schema.Record{Value: []byte(value)}, time.Now(), &ev); rej != nil {
		db.Fatal(rej.Detail)
	}
	e := rows.NewEntities()
	e.Add(&ev)
	for _, block := range e.Blocks(func(schema.Type, bool) {}) {
		db.send(block.Insert()+" FORMAT Native", block.Encode())
	}
}

// send sends a statement with a block of rows.
func (db *database) send(statement string, block []byte) {
	db.Helper()
	server, name, _ := strings.Cut(strings.TrimPrefix(db.options.URL, "http://"), "/")
	address := fmt.Sprintf("http://%s/?%s", server, url.Values{"database": {name}, "query": {statement}}.Encode())
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, bytes.NewReader(block))
	if err != nil {
		db.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		db.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		db.Fatalf("%s: %d, %s", statement, response.StatusCode, text)
	}
}

// blockBeforeTeams is the event in a block of the last release without teams: its kinds are six.
func blockBeforeTeams() []byte {
	const kinds = "Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6)"
	text := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	at := time.Date(2026, 10, 31, 8, 15, 30, 0, time.UTC)
	var id []byte
	fmt.Sscanf(describedID, "%x", &id)
	columns := []struct {
		name, kind string
		value      []byte
	}{
		{"org_id", "String", text("o")},
		{"day", "Date32", binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()/86_400))},
		{"event_id", "FixedString(16)", id}, {"version", "UInt64", binary.LittleEndian.AppendUint64(nil, describedAs)},
		{"kind", kinds, []byte{2}}, {"entity_id", "String", text("u")},
		{"time", "DateTime64(3, 'UTC')", binary.LittleEndian.AppendUint64(nil, uint64(at.UnixMilli()))},
		{"source", "String", text("/people")}, {"id", "String", text("7")}, {"name", "String", text("of an earlier ingest")},
	}
	block := []byte{byte(len(columns)), 1}
	for _, c := range columns {
		block = append(block, text(c.name)...)
		block = append(block, text(c.kind)...)
		block = append(block, c.value...)
	}
	return block
}
