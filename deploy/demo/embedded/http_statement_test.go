package embedded

import (
	"errors"
	"testing"
)

func TestParseStatement(t *testing.T) {
	tests := []struct {
		name, text string
		want       statement
	}{
		{"select", "SELECT 1", statement{sql: "SELECT 1", kind: rowsOut, outAt: 8}},
		{"final semicolon and comment", "SELECT 1 ; -- FORMAT CSV", statement{sql: "SELECT 1", kind: rowsOut, outAt: 8}},
		{"comment at the end", "SELECT 1 -- x", statement{sql: "SELECT 1", kind: rowsOut, outAt: 8}},
		{"format", "SELECT 1 FORMAT CSV", statement{sql: "SELECT 1 FORMAT CSV", kind: rowsOut, format: "CSV", outAt: 9}},
		{"format before settings", "SELECT 1 format TSV SETTINGS max_threads=1",
			statement{sql: "SELECT 1 format TSV SETTINGS max_threads=1", kind: rowsOut, format: "TSV", outAt: 9}},
		{"settings before format", "SELECT 1 SETTINGS max_threads=1 FORMAT TSV",
			statement{sql: "SELECT 1 SETTINGS max_threads=1 FORMAT TSV", kind: rowsOut, format: "TSV", outAt: 9}},
		{"settings alone", "SELECT 1 SETTINGS max_threads=1",
			statement{sql: "SELECT 1 SETTINGS max_threads=1", kind: rowsOut, outAt: 9}},
		{"settings of an arm", "SELECT 1 SETTINGS max_threads=1 UNION ALL SELECT 2",
			statement{sql: "SELECT 1 SETTINGS max_threads=1 UNION ALL SELECT 2", kind: rowsOut, outAt: 50}},
		{"a table called settings", "SELECT 1 FROM system.settings WHERE 1 = 1",
			statement{sql: "SELECT 1 FROM system.settings WHERE 1 = 1", kind: rowsOut, outAt: 41}},
		{"a column called format", "SELECT t.format FROM t",
			statement{sql: "SELECT t.format FROM t", kind: rowsOut, outAt: 22}},
		{"an alias called format", "SELECT 1 AS format FORMAT CSV",
			statement{sql: "SELECT 1 AS format FORMAT CSV", kind: rowsOut, format: "CSV", outAt: 19}},
		{"a column called format under an alias", "SELECT a, format f",
			statement{sql: "SELECT a, format f", kind: rowsOut, outAt: 18}},
		{"format in a subquery's text", "SELECT 'a FORMAT CSV', (SELECT 1)",
			statement{sql: "SELECT 'a FORMAT CSV', (SELECT 1)", kind: rowsOut, outAt: 33}},
		{"a subquery before format", "SELECT 1, (SELECT 2) FORMAT CSV",
			statement{sql: "SELECT 1, (SELECT 2) FORMAT CSV", kind: rowsOut, format: "CSV", outAt: 21}},
		{"brackets first", "(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV",
			statement{sql: "(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV", kind: rowsOut, format: "CSV", outAt: 32}},
		{"semicolons in texts", `SELECT ';', ";", $x$;$x$, 'a\';'`,
			statement{sql: `SELECT ';', ";", $x$;$x$, 'a\';'`, kind: rowsOut, outAt: 32}},
		{"comments first", "/* x */ -- y\n# z\nSHOW TABLES",
			statement{sql: "/* x */ -- y\n# z\nSHOW TABLES", kind: rowsOut, outAt: 28}},
		{"with", "WITH 1 AS x SELECT x", statement{sql: "WITH 1 AS x SELECT x", kind: rowsOut, outAt: 20}},
		{"with … insert", "WITH 1 AS x INSERT INTO t SELECT x",
			statement{sql: "WITH 1 AS x INSERT INTO t SELECT x", outAt: 34}},
		{"ddl", "CREATE TABLE t (format String) ENGINE = Memory;",
			statement{sql: "CREATE TABLE t (format String) ENGINE = Memory", outAt: 46}},
		{"insert values", "INSERT INTO t (a) VALUES (1), (';')",
			statement{sql: "INSERT INTO t (a) ", kind: rowsIn, format: "Values", data: " (1), (';')"}},
		{"insert format with rows", "INSERT INTO t FORMAT CSV\n1,2\n\n3",
			statement{sql: "INSERT INTO t ", kind: rowsIn, format: "CSV", data: "1,2\n\n3"}},
		{"insert format, binary rows", "INSERT INTO db.t FORMAT Native\r\n\x01\n\n;\x00",
			statement{sql: "INSERT INTO db.t ", kind: rowsIn, format: "Native", data: "\x01\n\n;\x00"}},
		{"insert with settings", "INSERT INTO t SETTINGS async_insert=0 FORMAT CSV",
			statement{sql: "INSERT INTO t SETTINGS async_insert=0 ", kind: rowsIn, format: "CSV"}},
		{"insert into a table called format", "INSERT INTO format FORMAT CSV",
			statement{sql: "INSERT INTO format ", kind: rowsIn, format: "CSV"}},
		{"insert into a table called values", "INSERT INTO db.values (format) VALUES",
			statement{sql: "INSERT INTO db.values (format) ", kind: rowsIn, format: "Values"}},
		{"insert into a quoted table", "INSERT INTO `a FORMAT b` FORMAT CSV",
			statement{sql: "INSERT INTO `a FORMAT b` ", kind: rowsIn, format: "CSV"}},
		{"insert without format", "INSERT INTO t", statement{sql: "INSERT INTO t", kind: rowsIn, format: "Values"}},
		{"insert select", "INSERT INTO t SELECT 1 AS format", statement{sql: "INSERT INTO t SELECT 1 AS format", outAt: 32}},
		{"insert into function", "INSERT INTO FUNCTION file('x') SELECT 1;",
			statement{sql: "INSERT INTO FUNCTION file('x') SELECT 1", outAt: 39}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseStatement(test.text)
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestParseStatementRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		code       int
	}{
		{"nothing", " -- a comment", codeSyntaxError},
		{"two statements", "SELECT 1; SELECT 2", codeSyntaxError},
		{"two statements, the second hidden", "SELECT ';'; /* */ DROP TABLE t", codeSyntaxError},
		{"two statements after an insert", "INSERT INTO t SELECT 1; DROP TABLE t", codeSyntaxError},
		{"a file to write", "SELECT 1 INTO OUTFILE 'x'", codeNotImplemented},
		{"a file to read", "INSERT INTO t FROM INFILE 'x' FORMAT CSV", codeNotImplemented},
		{"format without a name", "INSERT INTO t FORMAT", codeSyntaxError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseStatement(test.text)
			var refused *exception
			if !errors.As(err, &refused) || refused.Code != test.code {
				t.Errorf("got %v, want code %d", err, test.code)
			}
		})
	}
}

// Whatever the text is, the lexer ends and never reads outside the text.
func FuzzParseStatement(f *testing.F) {
	for _, text := range []string{
		"SELECT 1 FORMAT CSV", "INSERT INTO t FORMAT x 1", "SELECT $a$ 'b", "/*", "'\\", "`", "--", "$$",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stmt, err := parseStatement(text)
		if err == nil && (stmt.outAt > len(stmt.sql) || len(stmt.sql) > len(text) || len(stmt.data) > len(text)) {
			t.Errorf("%+v of %q", stmt, text)
		}
	})
}
