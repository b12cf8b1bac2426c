package schema

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// linkedFile returns a file that the binary carries for sources that lack it, or
// nil. Whatever else happens to be linked is not taken: a backend's schema must not
// depend on how we were built.
func linkedFile(path string) protoreflect.FileDescriptor {
	if !isKnownImport(path) {
		return nil
	}
	file, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		file, err = embeddedFiles().FindFileByPath(path)
	}
	if err != nil {
		return nil
	}
	return file
}

// missingImport is an import that no file was found for.
type missingImport struct {
	file *descriptorpb.FileDescriptorProto
	path string
}

// completeImports sees to it that [NewFiles] will find every imported file: it asks
// for those that are neither there nor known, and repairs what it gathered. Ask adds what it gets; its error
// means that asking on is of no use. An import that cannot be found is dropped
// if nothing of its file is needed, and a problem otherwise.
func (g *gathering) completeImports(ask func(path string) error, repair func()) error {
	for i := 0; i < len(g.order); i++ { // grows on the way
		file := g.order[i]
		for _, path := range importsOf(file) {
			if _, err := g.findImport(path, ask); err != nil {
				return fmt.Errorf("%s imports %s: %w", file.GetName(), path, err)
			}
		}
	}
	repair()
	var missing []missingImport
	for _, file := range g.order {
		for _, path := range importsOf(file) {
			if found, _ := g.findImport(path, askNobody); !found {
				missing = append(missing, missingImport{file, path})
			}
		}
	}
	g.dropUnused(missing)
	return nil
}

// findImport asks for an imported file, if need be under other paths: one that
// was compiled as `b.proto` may be imported as `a/b.proto`, or the other way round.
func (g *gathering) findImport(path string, ask func(string) error) (bool, error) {
	for shorter, more := path, true; more; _, shorter, more = strings.Cut(shorter, "/") {
		if g.has(shorter) {
			return true, nil
		}
		if err := ask(shorter); err != nil {
			return false, err
		}
		if g.has(shorter) || shorter == path && (linkedFile(path) != nil || g.hasSuffix("/"+path)) {
			return true, nil
		}
	}
	return false, nil
}

func (g *gathering) hasSuffix(suffix string) bool {
	return slices.ContainsFunc(g.order, func(file *descriptorpb.FileDescriptorProto) bool {
		return strings.HasSuffix(file.GetName(), suffix)
	})
}

// dropUnused removes imports whose files are nowhere, where everything that the
// importing file names is declared by others: they only brought options.
func (g *gathering) dropUnused(missing []missingImport) {
	if len(missing) == 0 {
		return
	}
	declared := declaredNames(g.order)
	for _, m := range missing {
		if name := firstUndeclared(m.file, declared); name != "" {
			g.report("", fmt.Sprintf("%s imports %s, which is missing, and %s is not declared without it%s",
				m.file.GetName(), m.path, strings.TrimPrefix(name, "."), g.otherCase(m.path)))
			continue
		}
		dropImport(m.file, m.path)
	}
}

// otherCase names a file whose path differs from an import in nothing but upper and lower case.
func (g *gathering) otherCase(path string) string {
	for _, file := range g.order {
		if strings.EqualFold(file.GetName(), path) {
			return otherCase(file.GetName())
		}
	}
	return ""
}

func otherCase(path string) string {
	return fmt.Sprintf("; there is %s, and imports distinguish upper and lower case", path)
}

// dropImport removes an import. Public and weak imports are counted by index and move along.
func dropImport(file *descriptorpb.FileDescriptorProto, path string) {
	if at := slices.Index(file.GetOptionDependency(), path); at >= 0 {
		file.OptionDependency = slices.Delete(file.OptionDependency, at, at+1)
	}
	at := slices.Index(file.GetDependency(), path)
	if at < 0 {
		return
	}
	file.Dependency = slices.Delete(file.Dependency, at, at+1)
	file.PublicDependency = withoutIndex(file.GetPublicDependency(), at)
	file.WeakDependency = withoutIndex(file.GetWeakDependency(), at)
}

// withoutIndex removes an index from a list of indexes and closes the gap.
func withoutIndex(indexes []int32, gone int) []int32 {
	var kept []int32
	for _, index := range indexes {
		switch {
		case int(index) < gone:
			kept = append(kept, index)
		case int(index) > gone:
			kept = append(kept, index-1)
		}
	}
	return kept
}
