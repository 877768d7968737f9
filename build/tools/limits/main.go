// Limits refuses Go files of more than 500 lines and functions of more than 60.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxFile     = 500
	maxFunction = 60
)

func main() {
	bad := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, ".go") {
			bad += check(path)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

func check(path string) (bad int) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if n := set.File(f.Pos()).LineCount(); n > maxFile {
		fmt.Fprintf(os.Stderr, "%s has %d lines, more than %d\n", path, n, maxFile)
		bad++
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil || strings.HasSuffix(path, "_test.go") {
			continue
		}
		if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > maxFunction {
			fmt.Fprintf(os.Stderr, "%s: function %s has %d lines, more than %d\n", path, fn.Name.Name, n, maxFunction)
			bad++
		}
	}
	return bad
}
