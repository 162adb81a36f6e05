package export

import (
	"testing"

	"rollcall/export/query"
)

// Tombstones stay in the log and among the entities until they expire. No export and no figure
// shows them: neither as usage, nor as rows without an id.
func TestTombstonesAreNotExported(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.event("acme", yesterday(), map[string]any{
		"assistant_id": "a1", "project_id": "p1", "workflow_id": "w1", "api_key_id": "k1",
	})
	f.entity("acme", "user", "ada", yesterday(), map[string]any{"name": "Ada"})
	_, key := f.key("acme")
	bodies := func() (all []string) {
		for _, typ := range query.Types() {
			if a := f.get("/v1/exports/"+string(typ)+"?"+lastDays(), key); a.StatusCode == 200 {
				all = append(all, string(typ)+"\n"+a.body)
			}
		}
		return all
	}
	before := bodies()
	if len(before) < 4 {
		t.Fatalf("only %d types are exported", len(before))
	}
	for i, typ := range []string{"message", "action", "token", "workflow_run"} {
		f.event("acme", yesterday(), map[string]any{
			"type": typ, "version": 1001 + 2*i, "user_id": "", "channel": "", "model": "", "id": "", "source": "",
		})
	}
	for i, kind := range []string{"workspace", "user", "assistant", "workflow", "project", "api_key"} {
		f.entity("acme", kind, "", yesterday(), map[string]any{"version": 1001 + 2*i, "id": "", "source": ""})
	}
	after := bodies()
	for i := range before {
		if after[i] != before[i] {
			t.Errorf("with tombstones:\n%s\nwithout:\n%s", after[i], before[i])
		}
	}
}
