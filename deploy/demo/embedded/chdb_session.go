package embedded

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"unsafe"
)

// session is one connection to the engine. It has its own settings and current database, and runs
// one statement at a time. It is not safe for concurrent use.
type session struct {
	lib    *chdb
	handle *unsafe.Pointer
}

// usage counts what a statement read, returned and wrote.
type usage struct {
	ReadRows, ReadBytes, ResultRows, ResultBytes, WrittenRows, WrittenBytes uint64
}

func (s *session) close() { s.lib.close(s.handle) }

// query runs one statement to its end and returns its result in the given format. If the statement
// fails, the error is an *exception.
func (s *session) query(sql, format string, params map[string]string) (body []byte, used usage, err error) {
	p := newParams(params)
	defer p.release()
	names, nameLens, values, valueLens := p.pointers()
	result := s.lib.query(*s.handle, p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)), names, nameLens,
		values, valueLens, uintptr(len(params)))
	return s.lib.take(result)
}

// take copies a result out of the library and frees it.
func (l *chdb) take(result unsafe.Pointer) (body []byte, used usage, err error) {
	if result == nil {
		return nil, used, newException(codeLogicalError, "the engine gave no result")
	}
	defer l.destroy(result)
	if text := l.failure(result); text != "" {
		return nil, used, parseException(text)
	}
	if length := l.length(result); length > 0 {
		body = append(body, unsafe.Slice(l.buffer(result), length)...)
	}
	return body, usage{
		ReadRows: l.rowsRead(result), ReadBytes: l.bytesRead(result),
		ResultRows: l.resultRows(result), ResultBytes: l.resultBytes(result),
		WrittenRows: l.rowsWritten(result), WrittenBytes: l.bytesWrite(result),
	}, nil
}

// use makes database the current one.
func (s *session) use(database string) error {
	_, _, err := s.query("USE "+quote(database, '`'), "", nil)
	return err
}

// set changes settings of this session.
func (s *session) set(settings map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	var assignments []string
	for name, value := range settings {
		if !isSettingName(name) {
			return newException(codeUnknownSetting, fmt.Sprintf("there is no setting %q", name))
		}
		assignments = append(assignments, name+" = "+quote(value, '\''))
	}
	sort.Strings(assignments)
	_, _, err := s.query("SET "+strings.Join(assignments, ", "), "", nil)
	return err
}

func isSettingName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return name != ""
}

// quote writes text so that ClickHouse reads it back unchanged between two marks: ' for a string, `
// for a name.
func quote(text string, mark byte) string {
	var b strings.Builder
	b.WriteByte(mark)
	for i := range len(text) {
		if text[i] == mark || text[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	b.WriteByte(mark)
	return b.String()
}

// insertStream is an INSERT that still receives rows.
type insertStream struct {
	lib    *chdb
	handle unsafe.Pointer
}

// insert begins an INSERT. sql is the statement up to its data, without FORMAT. The session takes
// no other statement until the stream is closed.
func (s *session) insert(sql, format string, params map[string]string) (*insertStream, error) {
	p := newParams(params)
	defer p.release()
	names, nameLens, values, valueLens := p.pointers()
	handle := s.lib.insert(*s.handle, p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)), names,
		nameLens, values, valueLens, uintptr(len(params)))
	if text := s.lib.insertFailure(handle); text != "" {
		s.lib.insertDestroy(handle)
		return nil, parseException(text)
	}
	return &insertStream{lib: s.lib, handle: handle}, nil
}

// insertPiece is how many bytes of an insert's rows are passed to the engine at once.
const insertPiece = 256 << 10

// readFrom passes all rows of r to the engine. It waits while the engine is behind.
func (i *insertStream) readFrom(r io.Reader) error {
	piece := make([]byte, insertPiece)
	for {
		n, err := fill(piece, r)
		if n > 0 && i.lib.insertAppend(i.handle, unsafe.SliceData(piece), uintptr(n)) != 0 {
			return i.refusal()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return newException(codeBadArguments, "the insert's rows could not be read from the body: "+err.Error())
		}
	}
}

// fill reads until piece is full or r ends. Unlike io.ReadFull it returns r's own error, so that a
// body that broke off is not taken for one that ended.
func fill(piece []byte, r io.Reader) (n int, err error) {
	for n < len(piece) && err == nil {
		var m int
		m, err = r.Read(piece[n:])
		n += m
	}
	return n, err
}

// refusal returns the reason why the engine takes no more rows.
func (i *insertStream) refusal() error {
	if text := i.lib.insertFailure(i.handle); text != "" {
		return parseException(text)
	}
	// Errors after the parser show only here.
	if _, err := i.finish(); err != nil {
		return err
	}
	return newException(codeLogicalError, "the engine refused the insert's rows and did not say why")
}

// finish ends the data. If it returns nil, the rows are stored.
func (i *insertStream) finish() (usage, error) {
	_, used, err := i.lib.take(i.lib.insertDone(i.handle))
	return used, err
}

// cancel ends the insert. Rows that are not stored yet are dropped.
func (i *insertStream) cancel() { i.lib.insertCancel(i.handle) }

func (i *insertStream) close() { i.lib.insertDestroy(i.handle) }
