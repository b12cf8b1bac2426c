package schema

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// repair corrects what generators of descriptors other than protoc get wrong, before anything is linked:
//
//   - a file without declarations and with a syntax that does not exist, which grpc-go sends for a file that it
//     does not have, is removed;
//   - extensions among the fields of a message move to its extensions (protobufjs);
//   - the entry message of a map gets the name that follows from its field (protobufjs);
//   - relative names of types become absolute;
//   - files that stand for those that the binary carries, such as google_protobuf.proto, are replaced by them
//     (protobufjs has one file for each package).
func (g *gathering) repair() {
	g.remove(isPlaceholder)
	for _, f := range g.order {
		repairGenerated(f.GetMessageType())
	}
	g.useKnownFiles()
	names := newTypeNames(g.order)
	for _, f := range g.order {
		names.makeAbsolute(f)
	}
}

// repairReflected is [gathering.repair] for answers of reflection servers, which may also have lost how a file was written:
//
//   - oneofs that stand for `optional` are marked as such;
//   - a file that is said to be proto3 and cannot be is proto2.
func (g *gathering) repairReflected() {
	g.repair()
	for _, f := range g.order {
		if f.GetSyntax() != "proto3" {
			continue
		}
		if isProto2(f) {
			f.Syntax = proto.String("proto2")
			continue
		}
		markOptional(f.GetMessageType())
	}
}

func isPlaceholder(f *descriptorpb.FileDescriptorProto) bool {
	switch f.GetSyntax() {
	case "", "proto2", "proto3", "editions":
		return false
	}
	return declaresNothing(f)
}

func repairGenerated(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		m.Field = slices.DeleteFunc(m.Field, func(f *descriptorpb.FieldDescriptorProto) bool {
			if f.GetExtendee() == "" {
				return false
			}
			m.Extension = append(m.Extension, f)
			return true
		})
		for _, nested := range m.GetNestedType() {
			if nested.GetOptions().GetMapEntry() {
				nameMapEntry(m, nested)
			}
		}
		repairGenerated(m.GetNestedType())
	}
}

// nameMapEntry names the entry message of a map as protoc does: field_name → FieldNameEntry.
func nameMapEntry(m, entry *descriptorpb.DescriptorProto) {
	field := mapField(m, entry.GetName())
	if field == nil {
		return
	}
	name := mapEntryName(field.GetName())
	if name == entry.GetName() || slices.ContainsFunc(m.GetNestedType(), func(n *descriptorpb.DescriptorProto) bool { return n.GetName() == name }) {
		return
	}
	scope := field.GetTypeName()[:strings.LastIndexByte(field.GetTypeName(), '.')+1]
	entry.Name, field.TypeName = proto.String(name), proto.String(scope+name)
}

// mapField returns the field of a map by the name of its entry message. A message of the same name may
// be the type of other fields.
func mapField(m *descriptorpb.DescriptorProto, entry string) (found *descriptorpb.FieldDescriptorProto) {
	for _, f := range m.GetField() {
		if f.GetLabel() != descriptorpb.FieldDescriptorProto_LABEL_REPEATED || lastName(f.GetTypeName()) != entry {
			continue
		}
		if name := f.GetName(); found == nil || strings.ToUpper(name[:min(1, len(name))])+name[min(1, len(name)):] == entry {
			found = f
		}
	}
	return found
}

func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func mapEntryName(field string) string {
	var b strings.Builder
	upper := true
	for _, c := range []byte(field) {
		if c == '_' {
			upper = true
			continue
		}
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = false
		b.WriteByte(c)
	}
	return b.String() + "Entry"
}

// markOptional marks the fields whose oneof has their name with an underscore before it and no other
// member. Real oneofs must stand before those.
func markOptional(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		members := make(map[int32][]*descriptorpb.FieldDescriptorProto)
		for _, f := range m.GetField() {
			if f.OneofIndex != nil {
				members[f.GetOneofIndex()] = append(members[f.GetOneofIndex()], f)
			}
		}
		var first, last []int32
		for i, o := range m.GetOneofDecl() {
			if only := members[int32(i)]; len(only) == 1 && o.GetName() == "_"+only[0].GetName() {
				only[0].Proto3Optional = proto.Bool(true)
				last = append(last, int32(i))
			} else {
				first = append(first, int32(i))
			}
		}
		orderOneofs(m, append(first, last...), members)
		markOptional(m.GetNestedType())
	}
}

func orderOneofs(m *descriptorpb.DescriptorProto, order []int32, members map[int32][]*descriptorpb.FieldDescriptorProto) {
	oneofs := make([]*descriptorpb.OneofDescriptorProto, 0, len(order))
	for place, index := range order {
		oneofs = append(oneofs, m.GetOneofDecl()[index])
		for _, f := range members[index] {
			f.OneofIndex = proto.Int32(int32(place))
		}
	}
	m.OneofDecl = oneofs
}

// isProto2 reports whether a file has what proto3 does not allow.
func isProto2(f *descriptorpb.FileDescriptorProto) bool {
	return slices.ContainsFunc(f.GetExtension(), extendsMessage) || slices.ContainsFunc(f.GetEnumType(), isClosedEnum) ||
		slices.ContainsFunc(f.GetMessageType(), isProto2Message)
}

func isProto2Message(m *descriptorpb.DescriptorProto) bool {
	return len(m.GetExtensionRange()) > 0 || slices.ContainsFunc(m.GetField(), isProto2Field) ||
		slices.ContainsFunc(m.GetExtension(), extendsMessage) || slices.ContainsFunc(m.GetEnumType(), isClosedEnum) ||
		slices.ContainsFunc(m.GetNestedType(), isProto2Message)
}

func isProto2Field(f *descriptorpb.FieldDescriptorProto) bool {
	return f.DefaultValue != nil || f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP ||
		f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED
}

func isClosedEnum(e *descriptorpb.EnumDescriptorProto) bool {
	return len(e.GetValue()) > 0 && e.GetValue()[0].GetNumber() != 0
}

// extendsMessage reports whether an extension is one of something else than options.
func extendsMessage(x *descriptorpb.FieldDescriptorProto) bool {
	return !strings.HasPrefix(strings.TrimPrefix(x.GetExtendee(), "."), "google.protobuf.")
}

// useKnownFiles takes the files of the binary in place of those that stand for them: a file elsewhere
// that declares the same and imports nothing, and one of the same path that does not fit the others.
func (g *gathering) useKnownFiles() {
	var services []string
	g.remove(func(f *descriptorpb.FileDescriptorProto) bool {
		if known := linkedFile(f.GetName()); known != nil {
			return isDamaged(f, known)
		}
		if len(importsOf(f)) > 0 || hasKnownSuffix(f.GetName()) {
			return false
		}
		if slices.ContainsFunc(f.GetExtension(), func(x *descriptorpb.FieldDescriptorProto) bool { return scopeOf(f)+"."+x.GetName() == httpRule }) {
			g.stripped = f.GetName()
		}
		return removeKnown(f, &services)
	})
	for _, name := range services { // which nobody needs to import
		_ = g.add(protodesc.ToFileDescriptorProto(linkedFile(linkedPath(name))))
	}
}

// isDamaged reports whether a file does not link, or has other names for fields than the one of the binary.
func isDamaged(f *descriptorpb.FileDescriptorProto, known protoreflect.FileDescriptor) bool {
	fd, err := protodesc.NewFile(f, protoregistry.GlobalFiles)
	if err != nil {
		return true
	}
	for i := range fd.Messages().Len() {
		served := fd.Messages().Get(i)
		message := known.Messages().ByName(served.Name())
		if message == nil {
			continue
		}
		for j := range message.Fields().Len() {
			field := message.Fields().Get(j)
			if other := served.Fields().ByNumber(field.Number()); other != nil && other.Name() != field.Name() {
				return true
			}
		}
	}
	return false
}

// removeKnown removes from a file what the binary declares, notes services among that, and reports
// whether nothing is left.
func removeKnown(f *descriptorpb.FileDescriptorProto, services *[]string) (empty bool) {
	scope := scopeOf(f)
	f.MessageType = slices.DeleteFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return isLinked(scope + "." + m.GetName()) })
	f.EnumType = slices.DeleteFunc(f.EnumType, func(e *descriptorpb.EnumDescriptorProto) bool { return isLinked(scope + "." + e.GetName()) })
	f.Extension = slices.DeleteFunc(f.Extension, func(x *descriptorpb.FieldDescriptorProto) bool { return isLinked(scope + "." + x.GetName()) })
	f.Service = slices.DeleteFunc(f.Service, func(s *descriptorpb.ServiceDescriptorProto) bool {
		name := scope + "." + s.GetName()
		if isLinked(name) {
			*services = append(*services, name)
			return true
		}
		return false
	})
	return declaresNothing(f)
}

func declaresNothing(f *descriptorpb.FileDescriptorProto) bool {
	return len(f.GetMessageType())+len(f.GetEnumType())+len(f.GetExtension())+len(f.GetService()) == 0
}

// httpRule is the extension of methods in google/api/annotations.proto.
const httpRule = ".google.api.http"

// hasKnownSuffix reports whether a path ends with that of a file of the binary: it is that file, of a
// compiler that ran in another folder.
func hasKnownSuffix(path string) bool {
	for _, rest, more := strings.Cut(path, "/"); more; _, rest, more = strings.Cut(rest, "/") {
		if linkedFile(rest) != nil {
			return true
		}
	}
	return false
}
