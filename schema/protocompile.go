package schema

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// maxCompileErrors ends a compilation that finds ever more.
const maxCompileErrors = 100

// compile parses and links the files, with comments and positions kept. The error
// holds all findings of the first stage that has any: syntax, imports, meaning.
func (p protoSources) compile(ctx context.Context) (linker.Files, error) {
	parsed, err := p.parse()
	if err != nil {
		return nil, err
	}
	if err := p.checkImports(parsed); err != nil {
		return nil, err
	}
	var found findings
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(protocompile.ResolverFunc(parsed.find)),
		Reporter:       reporter.NewReporter(found.add, nil),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, p.paths()...)
	if len(found) > 0 {
		return nil, found.err()
	}
	return files, err
}

// parsedFiles are syntax trees by import path.
type parsedFiles map[string]*ast.FileNode

func (p protoSources) parse() (parsedFiles, error) {
	parsed := make(parsedFiles, len(p))
	var found findings
	for _, name := range p.paths() {
		handler := reporter.NewHandler(reporter.NewReporter(found.add, nil))
		file, err := parser.Parse(name, bytes.NewReader(p[name]), handler)
		if err != nil && !errors.Is(err, reporter.ErrInvalidSource) && len(found) == 0 {
			return nil, err
		}
		parsed[name] = file
	}
	return parsed, found.err()
}

// find implements the compiler's look-up. Files of google/protobuf are always
// ours, because the other linked files are built on those.
func (p parsedFiles) find(name string) (protocompile.SearchResult, error) {
	if !strings.HasPrefix(name, "google/protobuf/") && p[name] != nil {
		return protocompile.SearchResult{AST: p[name]}, nil
	}
	if file := linkedFile(name); file != nil {
		return protocompile.SearchResult{Desc: file}, nil
	}
	if p[name] != nil {
		return protocompile.SearchResult{AST: p[name]}, nil
	}
	return protocompile.SearchResult{}, protoregistry.NotFound
}

// checkImports finds imports that lead nowhere. The compiler would stop at the first.
func (p protoSources) checkImports(parsed parsedFiles) error {
	resolver := protocompile.WithStandardImports(protocompile.ResolverFunc(parsed.find))
	var found findings
	for _, name := range p.paths() {
		file := parsed[name]
		for _, decl := range file.Decls {
			node, ok := decl.(*ast.ImportNode)
			if !ok {
				continue
			}
			imported := node.Name.AsString()
			if _, err := resolver.FindFileByPath(imported); err == nil {
				continue
			}
			if err := found.add(reporter.Error(file.NodeInfo(node.Name), p.notFound(imported))); err != nil {
				return found.err()
			}
		}
	}
	return found.err()
}

// notFound says that there is no file to import, and where it may have been meant.
func (p protoSources) notFound(imported string) error {
	for _, name := range p.paths() {
		if folder, ok := strings.CutSuffix(name, "/"+imported); ok {
			return fmt.Errorf("there is no file %s, but there is %s: imports may start at the folder %s", imported, name, folder)
		}
		if strings.HasSuffix(imported, "/"+name) {
			return fmt.Errorf("there is no file %s, but there is %s: imports may start at a folder above", imported, name)
		}
	}
	return fmt.Errorf("there is no file %s", path.Clean(imported))
}

// findings are what a compiler reports, with positions.
type findings []reporter.ErrorWithPos

// add takes a finding. Its error ends the compilation.
func (f *findings) add(finding reporter.ErrorWithPos) error {
	*f = append(*f, finding)
	if len(*f) >= maxCompileErrors {
		return errors.New("there are too many errors")
	}
	return nil
}

// err returns all findings in the order of files and lines, or nil.
func (f findings) err() error {
	slices.SortStableFunc(f, func(a, b reporter.ErrorWithPos) int {
		return comparePositions(a.GetPosition(), b.GetPosition())
	})
	errs := make([]error, len(f))
	for i, finding := range f {
		errs[i] = finding
	}
	return errors.Join(errs...)
}

func comparePositions(a, b ast.SourcePos) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
