package schema

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
)

// addImports adds the files that are imported and missing, also those that these import in turn, from the first of the
// folders that has them. What no folder has is left to the compiler, which knows the files that the binary carries
// and reports the others with their positions.
func (p protoSources) addImports(folders []string) error {
	if len(folders) == 0 {
		return nil
	}
	roots := make([]*os.Root, 0, len(folders))
	defer func() {
		for _, root := range roots {
			_ = root.Close()
		}
	}()
	for _, folder := range folders {
		root, err := os.OpenRoot(folder)
		if err != nil {
			return err
		}
		roots = append(roots, root)
	}
	size := 0
	for _, source := range p {
		size += len(source)
	}
	waiting := p.paths()
	for len(waiting) > 0 {
		name := waiting[0]
		waiting = waiting[1:]
		for _, imported := range importedBy(name, p[name]) {
			if _, known := p[imported]; known || linkedFile(imported) != nil {
				continue
			}
			source, err := readFirst(roots, imported, maxFilesBytes-size)
			if err != nil {
				return err
			}
			if source == nil {
				continue
			}
			if len(p) == maxFiles {
				return errTooManyFiles
			}
			size += len(source)
			p[imported] = source
			waiting = append(waiting, imported)
		}
	}
	return nil
}

// readFirst returns a file of the first root that has it; nil if none has.
func readFirst(roots []*os.Root, name string, limit int) ([]byte, error) {
	for _, root := range roots {
		file, err := root.Open(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if err != nil {
			continue // it is not there, or would be outside of the folder
		}
		defer file.Close()
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			continue
		}
		source, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
		if err == nil && len(source) > limit {
			err = errTooManyBytes
		}
		if source == nil {
			source = []byte{}
		}
		return source, err
	}
	return nil, nil
}

// importedBy returns the imports of a file; of one with faults, those that can be read.
func importedBy(name string, source []byte) (imports []string) {
	ignore := reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil)
	file, err := parser.Parse(name, bytes.NewReader(source), reporter.NewHandler(ignore))
	if file == nil || err != nil && !errors.Is(err, reporter.ErrInvalidSource) {
		return nil
	}
	for _, decl := range file.Decls {
		if node, ok := decl.(*ast.ImportNode); ok {
			imports = append(imports, node.Name.AsString())
		}
	}
	return imports
}
