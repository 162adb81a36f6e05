package tables

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// codes returns all codes that have a class.
func codes() map[int32]string {
	all := map[int32]string{}
	for _, class := range []map[int32]string{passing, lasting, defects} {
		for code, name := range class {
			all[code] = name
		}
	}
	return all
}

func TestNoCodeHasTwoClasses(t *testing.T) {
	n := len(passing) + len(defects)
	for _, refused := range refusals {
		n += len(refused.names)
	}
	if n != len(codes()) {
		t.Errorf("%d codes have a class, but %d stand in the lists", len(codes()), n)
	}
}

func TestClassify(t *testing.T) {
	exception := func(code int32, name string) error { return &clickhouse.Exception{Code: code, CodeName: name} }
	for _, c := range []struct {
		err   error
		class Class
		name  string
	}{
		{exception(241, ""), Passing, "MEMORY_LIMIT_EXCEEDED"},
		{exception(242, "TABLE_IS_READ_ONLY"), Passing, "TABLE_IS_READ_ONLY"},
		{fmt.Errorf("store: %w", &clickhouse.HTTPError{StatusCode: 500, Err: exception(60, "")}), Lasting, "UNKNOWN_TABLE"},
		{exception(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"), Unknown, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"},
		{exception(4711, ""), Unknown, "CODE_4711"},
		{exception(4711, "not a name"), Unknown, "CODE_4711"},
		{&clickhouse.HTTPError{StatusCode: http.StatusBadGateway, Err: errors.New("a proxy's page")}, Passing, "NO_ANSWER"},
		{&clickhouse.HTTPError{StatusCode: http.StatusTooManyRequests, Err: errors.New("a proxy's page")}, Passing,
			"NO_ANSWER"},
		{&clickhouse.HTTPError{StatusCode: http.StatusForbidden, Err: errors.New("a proxy's page")}, Lasting, "OTHER"},
		{exception(62, "SYNTAX_ERROR"), Defect, "SYNTAX_ERROR"},
		{&url.Error{Op: "Post", URL: "http://x", Err: errors.New("connection refused")}, Passing, "NO_ANSWER"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), Passing, "NO_ANSWER"},
		{context.DeadlineExceeded, Passing, "NO_ANSWER"},
		{errors.New("something else"), Unknown, "OTHER"},
	} {
		if class, name := Classify(c.err); class != c.class || name != c.name {
			t.Errorf("%v is %s %s, not %s %s", c.err, class, name, c.class, c.name)
		}
	}
}

// Each failure that an operator can mend says how, in one short sentence; no other failure does.
func TestRemedies(t *testing.T) {
	for code := range codes() {
		err := fmt.Errorf("store: %w", &clickhouse.Exception{Code: code})
		class, name := Classify(err)
		if says := Remedy(err); (says != "") != (class == Lasting) || len(says) > 150 {
			t.Errorf("%s is %s, and its remedy %q", name, class, says)
		}
	}
	page := &clickhouse.HTTPError{StatusCode: http.StatusForbidden, Err: errors.New("a proxy's page")}
	if says := Remedy(page); says != remedyOfOther {
		t.Errorf("a proxy's page has the remedy %q", says)
	}
	if says := Remedy(errors.New("something else")); says != "" {
		t.Errorf("something else has the remedy %q", says)
	}
}

// failures returns the counts by stage, class and error.
func failures(t *testing.T, reg *prometheus.Registry) map[[3]string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[[3]string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			found[[3]string{label(m, "stage"), label(m, "class"), label(m, "error")}] = m.GetCounter().GetValue()
		}
	}
	return found
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// The stages of one process count into one metric. A statement whose caller gave up, and an answer
// without rows, are no failures. A server that invents names cannot create time series without
// limit.
func TestFailuresAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	one := NewFailures(reg, "one")
	two := NewFailures(reg, "two")
	one.see(&clickhouse.Exception{Code: 60})
	two.see(&clickhouse.Exception{Code: 60})
	two.see(&clickhouse.Exception{Code: 60})
	for _, none := range []error{nil, context.Canceled, fmt.Errorf("find: %w", sql.ErrNoRows)} {
		one.see(none)
	}
	(*Failures)(nil).see(io.EOF)
	found := failures(t, reg)
	if len(found) != 2 || found[[3]string{"one", "lasting", "UNKNOWN_TABLE"}] != 1 ||
		found[[3]string{"two", "lasting", "UNKNOWN_TABLE"}] != 2 {
		t.Errorf("%v", found)
	}

	for code := range int32(1000) {
		one.see(&clickhouse.Exception{Code: 10_000 + code})
	}
	found = failures(t, reg)
	if len(found) != 2+maxNames+1 || found[[3]string{"one", "unknown", "OTHER"}] != 1000-maxNames {
		t.Errorf("%d series, %v of them under one name", len(found), found[[3]string{"one", "unknown", "OTHER"}])
	}
}
