package tables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// unanswered is the error of a request that got no answer. It says from which server, and why. The
// driver's own text has the address with all settings, a thousand characters, before the cause.
type unanswered struct {
	host string
	err  *url.Error
}

func (u *unanswered) Error() string {
	return fmt.Sprintf("ClickHouse at %s does not answer: %v", u.host, u.err.Err)
}

func (u *unanswered) Unwrap() error { return u.err }

// A plain error has the driver's or the server's text without advice that is not ours: settings of
// the driver that nobody can set here, and addresses of documents of other products.
type plain struct {
	says string
	err  error
}

func (p *plain) Error() string { return p.says }
func (p *plain) Unwrap() error { return p.err }

// withoutAdvice returns err, or its text without such advice.
func withoutAdvice(err error) error {
	if errors.Is(err, clickhouse.ErrAcquireConnTimeout) {
		return &plain{"no connection to ClickHouse became free in time: it answers too slowly for what is asked of it", err}
	}
	var refused *clickhouse.Exception
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "://") {
		return err
	}
	sentences := strings.SplitAfter(err.Error(), ". ")
	ours := slices.DeleteFunc(sentences[1:], func(s string) bool { return strings.Contains(s, "://") })
	return &plain{strings.TrimSpace(sentences[0] + strings.Join(ours, "")), err}
}

// short replaces four kinds of errors with short sentences: a request without an answer, a server
// that serves nothing, a profile that forbids the statement, and advice that is not ours. It
// returns all others unchanged.
func short(err error) error {
	if err := notServedError(err); err != nil {
		return err
	}
	if err := profileError(err); err != nil {
		return err
	}
	var lost *url.Error
	if !errors.As(err, &lost) {
		return withoutAdvice(err)
	}
	host := "an unknown address"
	if u, err := url.Parse(lost.URL); err == nil {
		host = u.Host
	}
	return &unanswered{host, lost}
}

func connect(o *clickhouse.Options, failures *Failures) (driver.Conn, error) {
	c, err := clickhouse.Open(o)
	if err != nil {
		return nil, err
	}
	return connection{c, failures}, nil
}

// A connection is the driver's connection. Wherever a request is sent, it counts the errors and
// makes them short. Errors of an answer that breaks off need that not: they have no address in
// them.
type connection struct {
	driver.Conn
	failures *Failures
}

func (c connection) failed(err error) error {
	c.failures.see(err)
	return short(err)
}

func (c connection) Select(ctx context.Context, dest any, query string, args ...any) error {
	return c.failed(c.Conn.Select(ctx, dest, query, args...))
}

func (c connection) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	rows, err := c.Conn.Query(ctx, query, args...)
	return rows, c.failed(err)
}

func (c connection) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	return row{c.Conn.QueryRow(ctx, query, args...), c}
}

func (c connection) PrepareBatch(
	ctx context.Context, query string, opts ...driver.PrepareBatchOption,
) (driver.Batch, error) {
	b, err := c.Conn.PrepareBatch(ctx, query, opts...)
	if err != nil {
		return nil, c.failed(err)
	}
	return batch{b, c}, nil
}

func (c connection) Exec(ctx context.Context, query string, args ...any) error {
	return c.failed(c.Conn.Exec(ctx, query, args...))
}

func (c connection) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := c.Conn.QueryFormat(ctx, format, query, args...)
	if err != nil {
		return nil, c.failed(err)
	}
	return stream{rows, c}, nil
}

func (c connection) InsertFormat(ctx context.Context, format, query string, data io.Reader) error {
	return c.failed(c.Conn.InsertFormat(ctx, format, query, data))
}

func (c connection) Ping(ctx context.Context) error { return c.failed(c.Conn.Ping(ctx)) }

type row struct {
	driver.Row
	of connection
}

func (r row) Err() error                { return r.of.failed(r.Row.Err()) }
func (r row) Scan(dest ...any) error    { return r.of.failed(r.Row.Scan(dest...)) }
func (r row) ScanStruct(dest any) error { return r.of.failed(r.Row.ScanStruct(dest)) }

type batch struct {
	driver.Batch
	of connection
}

func (b batch) Send() error { return b.of.failed(b.Batch.Send()) }

type stream struct {
	io.ReadCloser
	of connection
}

func (s stream) Read(to []byte) (int, error) {
	n, err := s.ReadCloser.Read(to)
	if err != nil && !errors.Is(err, io.EOF) {
		s.of.failures.see(err)
	}
	return n, err
}
