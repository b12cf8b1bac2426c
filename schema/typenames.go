package schema

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// typeNames knows which files declare a message or an enum, by full names with a leading dot.
type typeNames struct {
	paths map[string][]string
	files map[string]*descriptorpb.FileDescriptorProto
}

func newTypeNames(files []*descriptorpb.FileDescriptorProto) typeNames {
	n := typeNames{make(map[string][]string), make(map[string]*descriptorpb.FileDescriptorProto, len(files))}
	for _, f := range files {
		n.files[f.GetName()] = f
		for name := range declaredNames([]*descriptorpb.FileDescriptorProto{f}) {
			n.paths[name] = append(n.paths[name], f.GetName())
		}
	}
	return n
}

// isDeclared reports whether one of the files, or one of the binary, declares a type.
func (n typeNames) isDeclared(name string) bool { return n.paths[name] != nil || isLinked(name) }

// makeAbsolute replaces relative names of types in a file as protoc resolves them: the innermost scope
// that has the type wins.
func (n typeNames) makeAbsolute(f *descriptorpb.FileDescriptorProto) {
	scope := scopeOf(f)
	eachField(scope, f.GetMessageType(), f.GetExtension(), func(scope string, field *descriptorpb.FieldDescriptorProto) {
		field.TypeName = n.absolute(scope, field.TypeName)
		field.Extendee = n.absolute(scope, field.Extendee)
	})
	for _, s := range f.GetService() {
		for _, m := range s.GetMethod() {
			m.InputType, m.OutputType = n.absolute(scope, m.InputType), n.absolute(scope, m.OutputType)
		}
	}
}

func (n typeNames) absolute(scope string, name *string) *string {
	if name == nil || *name == "" || strings.HasPrefix(*name, ".") {
		return name
	}
	for ; ; scope = scope[:max(strings.LastIndexByte(scope, '.'), 0)] {
		if full := scope + "." + *name; n.isDeclared(full) {
			return proto.String(full)
		}
		if scope == "" {
			return name
		}
	}
}

// eachField calls visit with each field and extension, and the scope that its names of types start from.
func eachField(
	scope string, messages []*descriptorpb.DescriptorProto, extensions []*descriptorpb.FieldDescriptorProto,
	visit func(scope string, field *descriptorpb.FieldDescriptorProto),
) {
	for _, x := range extensions {
		visit(scope, x)
	}
	for _, m := range messages {
		inside := scope + "." + m.GetName()
		for _, field := range m.GetField() {
			visit(inside, field)
		}
		eachField(inside, m.GetNestedType(), m.GetExtension(), visit)
	}
}

// addImports adds imports to a file that refers to types of files that it does not import, where exactly
// one file declares the type.
func (n typeNames) addImports(f *descriptorpb.FileDescriptorProto) {
	visible := map[string]bool{f.GetName(): true}
	for _, path := range f.GetDependency() {
		n.see(path, visible)
	}
	noteReferences(f, func(name string) {
		if path := n.unseen(name, visible); path != "" {
			f.Dependency = append(f.Dependency, path)
			n.see(path, visible)
		}
	})
}

// see adds a file and those that it imports publicly.
func (n typeNames) see(path string, visible map[string]bool) {
	if visible[path] {
		return
	}
	visible[path] = true
	if f := n.files[path]; f != nil {
		for _, i := range f.GetPublicDependency() {
			if int(i) < len(f.GetDependency()) && i >= 0 {
				n.see(f.GetDependency()[i], visible)
			}
		}
	}
}

// unseen returns the only file that declares a type where it is not visible, and "" otherwise.
func (n typeNames) unseen(name string, visible map[string]bool) string {
	paths := n.paths[name]
	switch {
	case name == "" || slices.ContainsFunc(paths, func(path string) bool { return visible[path] }):
		return ""
	case len(paths) == 1:
		return paths[0]
	case len(paths) > 1:
		return ""
	}
	path := linkedPath(name)
	if visible[path] {
		return ""
	}
	return path
}

// linkedPath returns the path of the file of the binary that declares an element, or "". The name has a
// leading dot.
func linkedPath(name string) string {
	plain := protoreflect.FullName(strings.TrimPrefix(name, "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(plain)
	if err != nil && strings.HasPrefix(name, ".google.") {
		found, err = embeddedFiles().FindDescriptorByName(plain)
	}
	if err != nil || !isKnownImport(found.ParentFile().Path()) {
		return ""
	}
	return found.ParentFile().Path()
}
