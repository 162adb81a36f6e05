package text

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	codeWidth    = 120
	commentWidth = 100
	longText     = 60
)

// A line of code may be longer where a break would hide more than it shows:
//   - in a string of more than longText characters, which should be found by searching for it: SQL,
//     messages, struct tags that hold a setting's help;
//   - in a table of a test, where a row is read as a row, and in what an example prints.
func TestLinesFit(t *testing.T) {
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		wide, err := wideLines(source, strings.HasSuffix(path, "_test.go"))
		for _, line := range wide {
			t.Errorf("%s:%s", path, line)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWideLines(t *testing.T) {
	words := strings.Repeat("word ", 24)
	for name, source := range map[string]string{
		"code":    "package p\n\nvar x = f(" + strings.Repeat("y, ", 40) + "y)\n",
		"comment": "package p\n\n// " + words + "\nvar x = 1\n",
	} {
		if wide, err := wideLines([]byte(source), false); err != nil || len(wide) != 1 {
			t.Errorf("%s: %d wide lines (%v), want 1", name, len(wide), err)
		}
	}
	for name, source := range map[string]string{
		"a long text": "package p\n\nvar x = \"" + words + "\"\n",
		"SQL":         "package p\n\nvar x = `SELECT\n" + words + "\n`\n",
		"a link":      "package p\n\n// https://example.org/" + strings.Repeat("x", 100) + "\nvar x = 1\n",
	} {
		if wide, err := wideLines([]byte(source), false); err != nil || len(wide) != 0 {
			t.Errorf("%s: wide lines %v (%v), want none", name, wide, err)
		}
	}
}

// wideLines names the lines of a source file that are too long.
func wideLines(source []byte, isTest bool) (wide []string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	excused := excusedLines(files, file, isTest)
	for i, line := range strings.Split(string(source), "\n") {
		limit := codeWidth
		if strings.HasPrefix(strings.TrimSpace(line), "//") {
			limit = commentWidth
		}
		width := utf8.RuneCountInString(line)
		if width > limit && !excused[i+1] && !strings.Contains(line, "://") {
			wide = append(wide, fmt.Sprintf("%d: %d columns, at most %d fit", i+1, width, limit))
		}
	}
	return wide, nil
}

// excusedLines are those with a long text, and in a test those of tables.
func excusedLines(files *token.FileSet, file *ast.File, isTest bool) map[int]bool {
	excused := map[int]bool{}
	excuse := func(n ast.Node) {
		for line := files.Position(n.Pos()).Line; line <= files.Position(n.End()).Line; line++ {
			excused[line] = true
		}
	}
	for _, comment := range file.Comments {
		if isTest && strings.HasPrefix(comment.Text(), "Output:") {
			excuse(comment)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING && len(n.Value) > longText {
				excuse(n)
			}
		case *ast.CompositeLit:
			if isTest && files.Position(n.Lbrace).Line < files.Position(n.Rbrace).Line {
				for _, row := range n.Elts {
					if files.Position(row.Pos()).Line == files.Position(row.End()).Line {
						excuse(row)
					}
				}
			}
		}
		return true
	})
	return excused
}
