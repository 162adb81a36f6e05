package embedded

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// heldBytes is how much of an answer is held back. Until more is written, a failure can still get
// its own status.
const heldBytes = 256 << 10

// answer writes one HTTP answer. It sends status and headers as late as possible, and it writes
// failures so that no client can take them for rows.
type answer struct {
	w       http.ResponseWriter
	started time.Time
	tag     string // marks the text of a failure after rows

	held    bytes.Buffer
	spool   *os.File // what waits for the end and does not fit into held
	waiting bool     // everything is held until the end, whatever its size
	sent    bool     // status and headers are sent
}

func newAnswer(w http.ResponseWriter) *answer {
	return &answer{w: w, started: time.Now(), tag: strings.ToLower(rand.Text()[:16])}
}

// begin sets the headers that every answer has.
func (a *answer) begin(q *request) {
	h := a.w.Header()
	h.Set("X-ClickHouse-Query-Id", q.id)
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	a.waiting = q.waitForEnd
}

// rows copies the engine's output.
func (a *answer) rows(from io.Reader, revision uint64, format string) error {
	if revision > 0 && strings.EqualFold(format, "Native") {
		return recodeNative(a, from, revision)
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{a}, struct{ io.Reader }{from}, make([]byte, 128<<10))
	return err
}

// format sets the headers that name the rows' format.
func (a *answer) format(name string) {
	a.w.Header().Set("X-ClickHouse-Format", name)
	a.w.Header().Set("Content-Type", contentType(name))
}

func contentType(format string) string {
	switch f := strings.ToLower(format); {
	case strings.HasPrefix(f, "jsoneachrow"), strings.HasPrefix(f, "jsoncompacteachrow"), f == "ndjson", f == "jsonlines":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8; header=" +
			map[bool]string{true: "present", false: "absent"}[strings.Contains(f, "withnames")]
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	case f == "native", f == "parquet", f == "orc", f == "avro", strings.HasPrefix(f, "arrow"),
		strings.HasPrefix(f, "rowbinary"), f == "msgpack":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// summary sets the header with the statement's usage, if the headers are not sent yet.
func (a *answer) summary(u usage) {
	if a.sent {
		return
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	text, err := json.Marshal(map[string]string{
		"read_rows": number(u.ReadRows), "read_bytes": number(u.ReadBytes), "total_rows_to_read": number(u.ReadRows),
		"written_rows": number(u.WrittenRows), "written_bytes": number(u.WrittenBytes),
		"result_rows": number(u.ResultRows), "result_bytes": number(u.ResultBytes),
		"elapsed_ns": number(uint64(time.Since(a.started))),
	})
	if err == nil {
		a.w.Header().Set("X-ClickHouse-Summary", string(text))
	}
}

// finish sends what is still held back.
func (a *answer) finish() error {
	if a.sent {
		return nil
	}
	if a.spool == nil {
		a.w.Header().Set("Content-Length", strconv.Itoa(a.held.Len()))
	}
	return a.send()
}

// fail answers with an exception. If nothing is sent yet, the exception is the whole answer and has
// its own status. Else it follows the rows, between marks that hold this answer's tag.
func (a *answer) fail(e *exception) {
	text := e.Text + "\n"
	if a.sent {
		fmt.Fprintf(a, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", a.tag, text, len(text), a.tag)
		_ = a.finish() // the client has the exception, or is gone
		return
	}
	h := a.w.Header()
	for _, name := range []string{"X-ClickHouse-Format", "X-ClickHouse-Exception-Tag"} {
		h.Del(name)
	}
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	a.w.WriteHeader(e.status())
	io.WriteString(a.w, text)
}

func (a *answer) release() {
	if a.spool != nil {
		a.spool.Close()
	}
}

// Write sends a part of the body, or holds it back.
func (a *answer) Write(p []byte) (int, error) {
	switch {
	case a.sent:
		return a.w.Write(p)
	case a.spool != nil:
		return a.spool.Write(p)
	case a.held.Len()+len(p) <= heldBytes:
		return a.held.Write(p)
	case a.waiting:
		spool, err := os.CreateTemp("", "rollcall-answer-*")
		if err != nil {
			return 0, err
		}
		// The file's space is freed when the file is closed.
		os.Remove(spool.Name())
		a.spool = spool
		return spool.Write(p)
	}
	if err := a.send(); err != nil {
		return 0, err
	}
	return a.w.Write(p)
}

// send writes status, headers and what was held back.
func (a *answer) send() error {
	a.sent = true
	a.w.WriteHeader(http.StatusOK)
	if _, err := a.w.Write(a.held.Bytes()); err != nil || a.spool == nil {
		return err
	}
	if _, err := a.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(a.w, a.spool)
	return err
}
