package schema

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// maxCompileRounds bounds how often files with errors are taken out and the others compiled.
const maxCompileRounds = 20

// compile parses and links the files, with comments and positions kept. It leaves out files with errors, and
// those that import them, and returns what it found of them.
func (p protoSources) compile(ctx context.Context) (linker.Files, findings, error) {
	parsed, found, err := p.parse()
	if err != nil {
		return nil, nil, err
	}
	for range maxCompileRounds {
		found = append(found, p.removeUnresolved(parsed)...)
		if len(parsed) == 0 {
			break
		}
		files, errs, err := parsed.link(ctx)
		if len(errs) == 0 {
			return files, found, err
		}
		found = append(found, errs...)
		if !parsed.remove(errs) {
			break
		}
	}
	return nil, found, found.err()
}

// link compiles the files.
func (p parsedFiles) link(ctx context.Context) (linker.Files, findings, error) {
	var found findings
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(protocompile.ResolverFunc(p.find)),
		Reporter:       reporter.NewReporter(found.add, nil),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, slices.Sorted(maps.Keys(p))...)
	return files, found, err
}

// remove removes the files that errors were found in, and reports whether there was one.
func (p parsedFiles) remove(found findings) bool {
	before := len(p)
	for _, finding := range found {
		delete(p, finding.GetPosition().Filename)
	}
	return len(p) < before
}

// parsedFiles are syntax trees by import path.
type parsedFiles map[string]*ast.FileNode

// parse returns the files without syntax errors, and what it found in the others.
func (p protoSources) parse() (parsedFiles, findings, error) {
	parsed := make(parsedFiles, len(p))
	var all findings
	for _, name := range p.paths() {
		var found findings
		handler := reporter.NewHandler(reporter.NewReporter(found.add, nil))
		file, err := parser.Parse(name, bytes.NewReader(p[name]), handler)
		switch {
		case len(found) > 0:
			all = append(all, found...)
		case err != nil && !errors.Is(err, reporter.ErrInvalidSource):
			return nil, nil, err
		default:
			parsed[name] = file
		}
	}
	return parsed, all, nil
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

// removeUnresolved removes the files with imports that lead nowhere, and those that import them. The compiler would
// stop at the first.
func (p protoSources) removeUnresolved(parsed parsedFiles) (all findings) {
	for {
		found := p.unresolved(parsed)
		if !parsed.remove(found) {
			return all
		}
		all = append(all, found...)
	}
}

func (p protoSources) unresolved(parsed parsedFiles) (found findings) {
	resolver := protocompile.WithStandardImports(protocompile.ResolverFunc(parsed.find))
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
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
			if found.add(reporter.Error(file.NodeInfo(node.Name), p.notFound(imported))) != nil {
				return found
			}
		}
	}
	return found
}

// notFound says that there is no file to import, and which may have been meant.
func (p protoSources) notFound(imported string) error {
	if p[imported] != nil {
		return fmt.Errorf("the imported file %s has errors", imported)
	}
	for _, name := range p.paths() {
		if strings.EqualFold(name, imported) {
			return fmt.Errorf("there is no file %s%s", imported, otherCase(name))
		}
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

// sort puts findings in the order of files and lines.
func (f findings) sort() {
	slices.SortStableFunc(f, func(a, b reporter.ErrorWithPos) int {
		return comparePositions(a.GetPosition(), b.GetPosition())
	})
}

// err returns all findings, or nil.
func (f findings) err() error {
	f.sort()
	errs := make([]error, len(f))
	for i, finding := range f {
		errs[i] = finding
	}
	return errors.Join(errs...)
}

// problems returns the findings as problems of files that are not served.
func (f findings) problems() (problems []Problem) {
	f.sort()
	for _, finding := range f {
		problems = addProblem(problems, Problem{
			Severity: Error, Position: finding.GetPosition().String(), Message: finding.Unwrap().Error(),
		})
	}
	return problems
}

func comparePositions(a, b ast.SourcePos) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
