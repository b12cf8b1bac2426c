package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// differences names the services that are not the same in both, sorted; where all are, the
// files that are not.
func differences(a, b *Files) []string {
	if different := unequal(serviceShapes(a), serviceShapes(b)); len(different) > 0 {
		return different
	}
	return unequal(fileDigests(a), fileDigests(b))
}

// unequal returns the keys of values that only one has, or both have otherwise.
func unequal(a, b map[string]string) []string {
	var keys []string
	for key, value := range a {
		if b[key] != value {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func fileDigests(f *Files) map[string]string {
	digests := make(map[string]string)
	for _, file := range f.Set.GetFile() {
		h := sha256.New()
		writeShape(h, file)
		digests[file.GetName()] = hex.EncodeToString(h.Sum(nil))
	}
	return digests
}

// serviceShapes returns, for each service, a digest of its methods and of all types that they
// lead to: what can be said with it. Where elements stand, comments, and options that the gateway
// does not know do not count, since a compiler and a server may differ in those.
func serviceShapes(f *Files) map[string]string {
	types := indexTypes(f.Set.GetFile())
	shapes := make(map[string]string)
	for _, file := range f.Set.GetFile() {
		for _, service := range file.GetService() {
			if name := join(file.GetPackage(), service.GetName()); slices.Contains(f.Services, name) {
				shapes[name] = types.shapeOf(service)
			}
		}
	}
	return shapes
}

// typeIndex has messages and enums by full name with a leading dot, as fields refer to them.
type typeIndex map[string]indexedType

type indexedType struct {
	file *descriptorpb.FileDescriptorProto
	proto.Message
}

func indexTypes(files []*descriptorpb.FileDescriptorProto) typeIndex {
	types := make(typeIndex)
	for _, file := range files {
		types.add(file, scopeOf(file), file.GetMessageType(), file.GetEnumType())
	}
	return types
}

func (x typeIndex) add(f *descriptorpb.FileDescriptorProto, scope string, messages []*descriptorpb.DescriptorProto, enums []*descriptorpb.EnumDescriptorProto) {
	for _, e := range enums {
		x[scope+"."+e.GetName()] = indexedType{f, e}
	}
	for _, m := range messages {
		name := scope + "." + m.GetName()
		x[name] = indexedType{f, m}
		x.add(f, name, m.GetNestedType(), m.GetEnumType())
	}
}

func (x typeIndex) shapeOf(service *descriptorpb.ServiceDescriptorProto) string {
	h := sha256.New()
	reached := make(map[string]bool)
	var next []string
	reach := func(name string) {
		if name != "" && !reached[name] {
			reached[name] = true
			next = append(next, name)
		}
	}
	methods := make(map[string]*descriptorpb.MethodDescriptorProto)
	for _, m := range service.GetMethod() {
		methods[m.GetName()] = m
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		writeShape(h, methods[name])
		reach(methods[name].GetInputType())
		reach(methods[name].GetOutputType())
	}
	for len(next) > 0 {
		found := x[next[0]]
		next = next[1:]
		if m, ok := found.Message.(*descriptorpb.DescriptorProto); ok {
			for _, field := range m.GetField() {
				reach(field.GetTypeName())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reached)) {
		found := x[name]
		writeText(h, name)
		if found.Message == nil {
			continue // one that the gateway carries, and neither of the two
		}
		writeText(h, found.file.GetSyntax()+found.file.GetEdition().String())
		if features := found.file.GetOptions().GetFeatures(); features != nil {
			writeShape(h, features)
		}
		writeShape(h, found.Message)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writeShape adds an element, less what only tells where it stands.
func writeShape(h hash.Hash, element proto.Message) {
	bare := proto.Clone(element)
	switch e := bare.(type) {
	case *descriptorpb.FileDescriptorProto:
		e.SourceCodeInfo = nil
		dropUnknown(e.GetOptions())
	case *descriptorpb.DescriptorProto:
		e.NestedType, e.EnumType, e.Extension = nil, nil, nil
		dropUnknown(e.GetOptions())
		for _, f := range e.GetField() {
			dropUnknown(f.GetOptions())
		}
		for _, o := range e.GetOneofDecl() {
			dropUnknown(o.GetOptions())
		}
	case *descriptorpb.EnumDescriptorProto:
		dropUnknown(e.GetOptions())
		for _, v := range e.GetValue() {
			dropUnknown(v.GetOptions())
		}
	case *descriptorpb.MethodDescriptorProto:
		dropUnknown(e.GetOptions())
	}
	dropUnknown(bare)
	// Marshalling what was parsed cannot fail.
	text, _ := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(bare)
	writeDigest(h, text)
}

func dropUnknown(m proto.Message) {
	if r := m.ProtoReflect(); r.IsValid() {
		r.SetUnknown(nil)
	}
}
