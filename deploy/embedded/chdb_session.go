package embedded

import (
	"fmt"
	"sort"
	"strings"
	"unsafe"
)

// session is one connection to the engine: its settings, its current database and one statement at a time. Not safe for concurrent use.
type session struct {
	lib    *chdb
	handle *unsafe.Pointer
}

// usage is what a statement read, made and wrote.
type usage struct {
	ReadRows, ReadBytes, ResultRows, ResultBytes, WrittenRows, WrittenBytes uint64
}

func (s *session) close() { s.lib.close(s.handle) }

// query runs one statement to its end and returns its result in the given format. A failed one is an *exception.
func (s *session) query(sql, format string, params map[string]string) (body []byte, used usage, err error) {
	p := newParams(params)
	defer p.release()
	names, nameLens, values, valueLens := p.pointers()
	result := s.lib.query(*s.handle, p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)), names, nameLens, values, valueLens, uintptr(len(params)))
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

// quote writes text as ClickHouse reads it back between two marks: ' for a string, ` for a name.
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

// insertStream is an INSERT whose rows are still coming.
type insertStream struct {
	lib    *chdb
	handle unsafe.Pointer
}

// insert begins an INSERT: sql is the statement up to its data, without FORMAT. The session takes no other statement until the stream is closed.
func (s *session) insert(sql, format string, params map[string]string) (*insertStream, error) {
	p := newParams(params)
	defer p.release()
	names, nameLens, values, valueLens := p.pointers()
	handle := s.lib.insert(*s.handle, p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)), names, nameLens, values, valueLens, uintptr(len(params)))
	if text := s.lib.insertFailure(handle); text != "" {
		s.lib.insertDestroy(handle)
		return nil, parseException(text)
	}
	return &insertStream{lib: s.lib, handle: handle}, nil
}

// Write hands rows over, in pieces of any size. It waits while the engine is behind.
func (i *insertStream) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if i.lib.insertAppend(i.handle, unsafe.SliceData(data), uintptr(len(data))) == 0 {
		return len(data), nil
	}
	if text := i.lib.insertFailure(i.handle); text != "" {
		return 0, parseException(text)
	}
	_, err := i.finish() // a failure in the pipeline shows when the insert is finished
	if err == nil {
		err = newException(codeLogicalError, "the engine refused the insert's data and did not say why")
	}
	return 0, err
}

// finish ends the data. The rows are stored when it returns nil.
func (i *insertStream) finish() (usage, error) {
	_, used, err := i.lib.take(i.lib.insertDone(i.handle))
	return used, err
}

// cancel ends the insert without storing what is not stored yet.
func (i *insertStream) cancel() { i.lib.insertCancel(i.handle) }

func (i *insertStream) close() { i.lib.insertDestroy(i.handle) }
