package runbooks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var pages = []string{"OPERATIONS.md", "CLUSTER.md", "THREATS.md", "SIZING.md", "prometheus/alerts.yaml"}

const (
	org  = "org-sample"
	user = "user-erased"
	old  = "usage.old" // a topic that is given up
)

// elsewhere has what is not run here, and why.
var elsewhere = map[string]string{
	"rollcall bench ingest":           "a benchmark of minutes",
	"rollcall bench export":           "a benchmark of minutes",
	"rollcall migrate --cluster prod": "the embedded engine has no ON CLUSTER; schema/tables tests the statements",
	"rollcall forget":                 "names the command; the page has it with its flags, too",
	"rollcall topics retire":          "names the command; the page has it with a topic, too",
}

var inline = regexp.MustCompile("`(rollcall [a-z][^`]*)`")

// commands returns the commands that the pages show within their text, each once.
func commands(t *testing.T) (all []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, page := range pages {
		for _, m := range inline.FindAllStringSubmatch(read(t, page), -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				all = append(all, m[1])
			}
		}
	}
	return all
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns the block of shell commands whose first line is a comment that begins so.
func block(t *testing.T, page, begins string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, page), "```sh\n# "+begins)
	script, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("%s has no block of shell commands that begins with # %s", page, begins)
	}
	return "# " + begins + script
}

// Every command of the pages does what it says, and the blocks of backup and restore bring a
// workspace to another engine with the same exports.
func TestEveryCommandOfThePages(t *testing.T) {
	w := newWorld(t)
	first := w.engine()
	w.shell("rollcall migrate")
	w.usage()
	key := strings.TrimSpace(w.shell("rollcall keys create --org " + org))
	revoked := strings.Split(w.shell("rollcall keys create --org "+org), "_")[1]
	fill := strings.NewReplacer("--org O", "--org "+org, "--user U", "--user "+user, " TOPIC", " "+old, " ID", " "+revoked,
		"--from D", "--from "+from, "--to D", "--to "+to, "{{ $labels.reason }}", "invalid_value")

	all := commands(t)
	if len(all) < 15 {
		t.Fatalf("the pages show only %q", all)
	}
	w.shell("rollcall rebuild") // verify fails while there is nothing to compare
	for _, command := range all {
		if _, other := elsewhere[command]; !other {
			t.Log(command, "\n", w.shell(fill.Replace(command)))
		}
	}

	if left := w.query("SELECT count() FROM rollcall.events WHERE user_id = '" + user + "'"); left != "0" {
		t.Errorf("after rollcall forget, %s events of the person are left", left)
	}
	if list := w.shell("rollcall keys list"); !regexp.MustCompile(revoked + `.* revoked `).MatchString(list) {
		t.Errorf("after rollcall keys revoke:\n%s", list)
	}
	if list := w.shell("rollcall topics list"); !regexp.MustCompile(old + `.*retired`).MatchString(list) {
		t.Errorf("after rollcall topics retire:\n%s", list)
	}

	want := w.export(key)
	for _, stage := range w.stages {
		w.stop(stage)
	}
	here := strings.NewReplacer("127.0.0.1:8123", w.engineAddr, "/backups/", w.backups+"/")
	w.shell(here.Replace(block(t, "OPERATIONS.md", "backup")))
	w.stop(first)
	w.engine()
	w.shell(here.Replace(block(t, "OPERATIONS.md", "restore")))
	w.serve()
	if got := w.export(key); got != want {
		t.Errorf("after a restore, the export is\n%s\nbefore\n%s", got, want)
	}
}
