package schema

import (
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/descriptorpb"
)

// repairFiles repairs what real servers have and a Go program refuses, so that one
// old message does not hide a whole backend:
//
//   - message_set_wire_format is cleared, extension ranges end at the largest field
//     number, and extensions beyond it are left out;
//   - an import of a path that is missing leads to the one file whose path is the same but
//     for leading folders: compilers run in different folders name one file differently;
//   - a file that refers to types of files that it does not import gets those imports.
func repairFiles(files []*descriptorpb.FileDescriptorProto) {
	mender := newImportMender(files)
	for _, f := range files {
		mender.mend(f)
	}
	names := newTypeNames(files)
	for _, f := range files {
		names.addImports(f)
		f.Extension = slices.DeleteFunc(f.Extension, beyondNumbers)
		repairMessages(f.GetMessageType())
	}
}

func repairMessages(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		if m.GetOptions().GetMessageSetWireFormat() {
			m.Options.MessageSetWireFormat = nil
		}
		for _, r := range m.GetExtensionRange() {
			if r.GetEnd() > int32(protowire.MaxValidNumber)+1 {
				*r.End = int32(protowire.MaxValidNumber) + 1
			}
		}
		m.Extension = slices.DeleteFunc(m.Extension, beyondNumbers)
		repairMessages(m.GetNestedType())
	}
}

func beyondNumbers(extension *descriptorpb.FieldDescriptorProto) bool {
	return extension.GetNumber() > int32(protowire.MaxValidNumber)
}

// importMender finds files by the end of their path.
type importMender struct {
	paths map[string]bool
	bases map[string][]string // paths by their last element
}

func newImportMender(files []*descriptorpb.FileDescriptorProto) importMender {
	m := importMender{paths: make(map[string]bool), bases: make(map[string][]string)}
	for _, f := range files {
		m.paths[f.GetName()] = true
		base := path.Base(f.GetName())
		m.bases[base] = append(m.bases[base], f.GetName())
	}
	return m
}

func (m importMender) mend(f *descriptorpb.FileDescriptorProto) {
	imports := map[string]bool{f.GetName(): true}
	for _, imported := range f.GetDependency() {
		imports[imported] = true
	}
	for i, imported := range f.GetDependency() {
		if m.paths[imported] || linkedFile(imported) != nil {
			continue
		}
		if found := m.find(imported); found != "" && !imports[found] {
			imports[found] = true
			f.Dependency[i] = found
		}
	}
}

// find returns the only file that may be meant by a path, or "".
func (m importMender) find(imported string) string {
	var found string
	for _, p := range m.bases[path.Base(imported)] {
		if !strings.HasSuffix(p, "/"+imported) && !strings.HasSuffix(imported, "/"+p) {
			continue
		}
		if found != "" {
			return ""
		}
		found = p
	}
	return found
}
