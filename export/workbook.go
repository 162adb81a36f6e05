package export

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"syscall"

	"github.com/klauspost/compress/flate"
	"github.com/xuri/excelize/v2"

	"rollcall/export/query"
)

const (
	// maxWorkbooks is how many workbooks one process makes at the same time. Each takes up to 80 MB
	// of memory, a core, and the space of its cells on disk. Further ones wait for their turn.
	maxWorkbooks = 2
	maxSheetRows = 1_048_575 // what a sheet holds, less the header
	maxCellChars = 32_767    // UTF-16 code units
	maxRowBytes  = 16 << 20  // of one row of the engine; a row whose cells are within maxCellChars is shorter
	// maxSheetBytes is what a spreadsheet program reads of one part of the file, uncompressed.
	maxSheetBytes = math.MaxUint32
)

// errMaking marks the errors of a workbook that was not made.
var errMaking = errors.New("make the workbook")

// workbooks makes the files of format=xlsx. Each is made whole, on disk, before the answer begins:
// only then is it known whether the rows fit a sheet.
type workbooks struct {
	turns   chan struct{} // has as many as are being made
	dir     string        // where temporary files are; "": the system's directory for them
	maxRows uint64
}

func newWorkbooks() workbooks {
	return workbooks{turns: make(chan struct{}, maxWorkbooks), maxRows: maxSheetRows}
}

// turn waits until another workbook may be made. end must be called when it has been made.
func (w workbooks) turn(ctx context.Context) (end func(), err error) {
	select {
	case w.turns <- struct{}{}:
		return func() { <-w.turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: wait for the ones before it: %w", errMaking, ctx.Err())
	}
}

// A workbook is a file that is made. Its file has no name any more, so nothing of it is left when
// it is closed, and nothing when the process is killed.
type workbook struct {
	*os.File
	size int64
	rows uint64
}

// make makes the workbook of the engine's rows, which are lines of JSON arrays. It reads them to
// their end.
func (w workbooks) make(
	ctx context.Context, columns []query.Column, name string, rows io.Reader,
) (_ *workbook, err error) {
	dir, err := os.MkdirTemp(w.dir, "rollcall-xlsx-")
	if err != nil {
		return nil, makingFailed(err)
	}
	defer os.RemoveAll(dir)
	file, err := os.CreateTemp(dir, "workbook-")
	if err != nil {
		return nil, makingFailed(err)
	}
	made := &workbook{File: file}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, makingFailed(err)
	}
	s := &sheet{columns: columns, name: name, dir: dir, maxRows: w.maxRows}
	defer s.close()
	if err := s.begin(); err != nil {
		return nil, makingFailed(err)
	}
	if err := s.fill(rows); err != nil {
		return nil, makingFailed(err)
	}
	if err := s.pack(ctx, file); err != nil {
		return nil, makingFailed(err)
	}
	made.rows = s.rows
	if made.size, err = file.Seek(0, io.SeekCurrent); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, makingFailed(err)
	}
	return made, nil
}

// makingFailed says what to answer if no workbook was made. A full disk passes.
func makingFailed(err error) error {
	err = fmt.Errorf("%w: %w", errMaking, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &failure{
			status: http.StatusServiceUnavailable, retryAfter: retryLate, err: err,
			detail: "The service has no room on its disk for this workbook at the moment; " +
				"try again in half a minute, or take format=csv, which needs none.",
		}
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return &failure{
			status: http.StatusInternalServerError, err: err,
			detail: "The service cannot write workbooks to its temporary directory; " +
				"take format=csv, which needs none, and tell its operator.",
		}
	}
	return err
}

// unfit refuses rows that no workbook holds.
func unfit(format string, args ...any) error {
	return &failure{status: http.StatusUnprocessableEntity, param: "format", detail: fmt.Sprintf(format, args...)}
}

// A sheet is the workbook's only one, while its rows are written. The library keeps up to 32 MB of
// them in memory, and what is more in a file in dir.
type sheet struct {
	columns []query.Column
	name    string
	dir     string
	maxRows uint64

	book    *excelize.File
	writer  *excelize.StreamWriter
	date    int // style
	rows    uint64
	bytes   int64 // of the engine's rows
	unnamed bool  // the library's file has no name any more
}

// begin writes the header row, which is frozen.
func (s *sheet) begin() (err error) {
	s.book = excelize.NewFile(excelize.Options{TmpDir: s.dir})
	if err := s.book.SetDocProps(&excelize.DocProperties{Creator: "Rollcall", LastModifiedBy: "Rollcall"}); err != nil {
		return err
	}
	if err := s.book.SetSheetName("Sheet1", s.name); err != nil {
		return err
	}
	if s.writer, err = s.book.NewStreamWriter(s.name); err != nil {
		return err
	}
	const shortDate = 14 // a built-in format: the reader's own way to write dates
	if s.date, err = s.book.NewStyle(&excelize.Style{NumFmt: shortDate}); err != nil {
		return err
	}
	bold, err := s.book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	err = s.writer.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return err
	}
	header := make([]any, len(s.columns))
	for i, c := range s.columns {
		header[i] = excelize.Cell{StyleID: bold, Value: c.Name}
		width := float64(max(len(c.Name)+3, 12)) // characters; three are for the filter's button
		if err := s.writer.SetColWidth(i+1, i+1, width); err != nil {
			return err
		}
	}
	return s.writer.SetRow("A1", header)
}

// write appends a row.
func (s *sheet) write(cells []any) error {
	if s.rows == s.maxRows {
		return unfit("A sheet holds %d rows, and this export has more; take format=csv, ndjson, json or parquet, "+
			"or ask for a shorter period.", s.maxRows)
	}
	s.rows++
	at, err := excelize.CoordinatesToCellName(1, int(s.rows)+1)
	if err != nil {
		return err
	}
	if err := s.writer.SetRow(at, cells); err != nil {
		return err
	}
	return s.removeName()
}

// removeName removes the name of the library's file as soon as there is one: then nothing of it is
// left however the process ends. The library goes on in memory if it cannot make that file, so a
// file that is missing is an error.
func (s *sheet) removeName() error {
	if s.unnamed || s.rows%256 != 0 {
		return nil
	}
	files, err := os.ReadDir(s.dir)
	switch {
	case err != nil:
		return err
	case len(files) > 0:
		s.unnamed = true
		return os.RemoveAll(s.dir)
	case s.bytes > 2*excelize.StreamChunkSize:
		return &fs.PathError{Op: "write the cells to a file in", Path: s.dir, Err: fs.ErrNotExist}
	}
	return nil
}

// pack ends the sheet and writes the workbook.
func (s *sheet) pack(ctx context.Context, file io.Writer) error {
	last, err := excelize.CoordinatesToCellName(len(s.columns), int(s.rows)+1)
	if err != nil {
		return err
	}
	if err := s.book.AutoFilter(s.name, "A1:"+last, nil); err != nil {
		return err
	}
	if err := s.writer.Flush(); err != nil {
		return err
	}
	archive := zipped{zip.NewWriter(untilDone{ctx, file})}
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	// The library would write the archive to a buffer, which would hold the whole file in memory.
	// With an archive of ours, the buffer stays empty.
	s.book.SetZipWriter(func(io.Writer) excelize.ZipWriter { return archive })
	_, err = s.book.WriteToBuffer()
	return err
}

func (s *sheet) close() {
	if s.book != nil {
		_ = s.book.Close() // removes the library's file; its rows are in the workbook, or not wanted
	}
}

// zipped is an archive whose parts are not longer than spreadsheet programs read them.
type zipped struct{ *zip.Writer }

func (z zipped) Create(name string) (io.Writer, error) {
	w, err := z.Writer.Create(name)
	return &part{w, maxSheetBytes}, err
}

type part struct {
	io.Writer
	left int64
}

func (p *part) Write(b []byte) (int, error) {
	if p.left -= int64(len(b)); p.left < 0 {
		return 0, unfit("This export is too large for a workbook; take format=csv, ndjson, json or parquet, " +
			"or ask for a shorter period.")
	}
	return p.Writer.Write(b)
}

// untilDone is a writer that fails when the context has ended.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Writer.Write(p)
}
