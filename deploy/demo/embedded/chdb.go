package embedded

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// chdb is the part of libchdb's C interface that is used here. Pointers belong to the library.
// *byte with a length is text that may hold NUL bytes.
type chdb struct {
	setSignalHandlers func(enabled int32)

	connect func(argc int32, argv unsafe.Pointer) *unsafe.Pointer
	close   func(conn *unsafe.Pointer)

	query func(
		conn unsafe.Pointer, sql *byte, sqlLen uintptr, format *byte, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr,
	) unsafe.Pointer
	destroy     func(result unsafe.Pointer)
	failure     func(result unsafe.Pointer) string
	buffer      func(result unsafe.Pointer) *byte
	length      func(result unsafe.Pointer) uintptr
	resultRows  func(result unsafe.Pointer) uint64
	resultBytes func(result unsafe.Pointer) uint64
	rowsRead    func(result unsafe.Pointer) uint64
	bytesRead   func(result unsafe.Pointer) uint64
	rowsWritten func(result unsafe.Pointer) uint64
	bytesWrite  func(result unsafe.Pointer) uint64

	insert func(
		conn unsafe.Pointer, sql *byte, sqlLen uintptr, format *byte, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr,
	) unsafe.Pointer
	insertAppend  func(stream unsafe.Pointer, data *byte, length uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertFailure func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)
}

// A process can load the library once, and cannot unload it.
var loadOnce struct {
	sync.Mutex
	path string
	lib  *chdb
}

// loadLibrary loads libchdb from path. It prevents the library from taking over the process's
// signals, which Go needs.
func loadLibrary(path string) (lib *chdb, err error) {
	loadOnce.Lock()
	defer loadOnce.Unlock()
	if loadOnce.lib != nil {
		if loadOnce.path != path {
			return nil, fmt.Errorf("this process has loaded the engine from %s; it cannot load another from %s", loadOnce.path,
				path)
		}
		return loadOnce.lib, nil
	}
	defer func() { // purego panics if the library lacks a function
		if p := recover(); p != nil {
			lib = nil
			err = fmt.Errorf("%s is not the engine this binary needs (version %s): %v", path, EngineVersion(), p)
		}
	}()
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine: %w", err)
	}
	lib = &chdb{}
	for name, function := range lib.functions() {
		purego.RegisterLibFunc(function, handle, name)
	}
	lib.setSignalHandlers(0)
	loadOnce.path = path
	loadOnce.lib = lib
	return lib, nil
}

func (l *chdb) functions() map[string]any {
	return map[string]any{
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_query_with_params_n":         &l.query,
		"chdb_destroy_query_result":        &l.destroy,
		"chdb_result_error":                &l.failure,
		"chdb_result_buffer":               &l.buffer,
		"chdb_result_length":               &l.length,
		"chdb_result_rows_read":            &l.resultRows,
		"chdb_result_bytes_read":           &l.resultBytes,
		"chdb_result_storage_rows_read":    &l.rowsRead,
		"chdb_result_storage_bytes_read":   &l.bytesRead,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_result_bytes_written":        &l.bytesWrite,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertFailure,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
	}
}

// open makes a connection. The first one of a process starts the engine with the given arguments;
// later ones must name the same --path. While a connection is open, opening another takes half a
// millisecond.
func (l *chdb) open(args ...string) (*session, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, 0, len(args)+1)
	for _, arg := range append([]string{"rollcall"}, args...) {
		text := append([]byte(arg), 0)
		pin.Pin(&text[0])
		argv = append(argv, &text[0])
	}
	pin.Pin(&argv[0])
	handle := l.connect(int32(len(argv)), unsafe.Pointer(&argv[0]))
	if handle == nil {
		return nil, errors.New("the engine refused to start: " +
			"is its directory writable, and was it written by this version or an older one?")
	}
	return &session{lib: l, handle: handle}, nil
}

// cParams are query parameters in the form that libchdb takes. Values are in ClickHouse's escaped
// text form, as in the HTTP interface.
type cParams struct {
	pin               runtime.Pinner
	names, values     []*byte
	nameLens, valLens []uintptr
}

func newParams(params map[string]string) *cParams {
	p := &cParams{}
	for name, value := range params {
		p.names = append(p.names, p.text(name))
		p.nameLens = append(p.nameLens, uintptr(len(name)))
		p.values = append(p.values, p.text(value))
		p.valLens = append(p.valLens, uintptr(len(value)))
	}
	if len(params) > 0 {
		p.pin.Pin(&p.names[0])
		p.pin.Pin(&p.values[0])
		p.pin.Pin(&p.nameLens[0])
		p.pin.Pin(&p.valLens[0])
	}
	return p
}

// text copies s to memory that does not move until release.
func (p *cParams) text(s string) *byte {
	b := append([]byte(s), 0)
	p.pin.Pin(&b[0])
	return &b[0]
}

func (p *cParams) release() { p.pin.Unpin() }

// pointers returns four arrays: names, their lengths, values, their lengths.
func (p *cParams) pointers() (names, nameLens, values, valueLens unsafe.Pointer) {
	return unsafe.Pointer(unsafe.SliceData(p.names)), unsafe.Pointer(unsafe.SliceData(p.nameLens)),
		unsafe.Pointer(unsafe.SliceData(p.values)), unsafe.Pointer(unsafe.SliceData(p.valLens))
}
