package graph

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// validName reports whether GraphQL can say the name. A JSON name may be any
// text, and names from two underscores on belong to introspection.
func validName(name string) bool {
	if name == "" || strings.HasPrefix(name, "__") || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// lowerFirst makes `GetBook` a `getBook`.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// lowerCamel makes `in_stock` an `inStock`, as protobuf does for JSON names.
func lowerCamel(s string) string {
	var b strings.Builder
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '_':
			upper = true
			continue
		case upper && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		upper = false
		b.WriteByte(c)
	}
	return b.String()
}

// The names of types come from the lock. What it doesn't know, which no served
// method leads to, has its full name.

func (b *builder) typeName(d protoreflect.Descriptor) string {
	return orQualified(b.snap.Names.Type(string(d.FullName())), d, "")
}

func (b *builder) inputName(md protoreflect.MessageDescriptor) string {
	return orQualified(b.snap.Names.Input(string(md.FullName())), md, "_Input")
}

func (b *builder) patchInputName(md protoreflect.MessageDescriptor) string {
	return orQualified(b.snap.Names.PatchInput(string(md.FullName())), md, "_PatchInput")
}

// entryName returns the name of the type of a map's entries.
func (b *builder) entryName(fd protoreflect.FieldDescriptor) string {
	name := b.snap.Names.Entry(string(fd.ContainingMessage().FullName()), string(fd.Name()))
	return orQualified(name, fd, "_Entry")
}

func (b *builder) entryInputName(fd protoreflect.FieldDescriptor) string {
	name := b.snap.Names.EntryInput(string(fd.ContainingMessage().FullName()), string(fd.Name()))
	return orQualified(name, fd, "_EntryInput")
}

// caseName returns the name of the enum of a oneof's members.
func (b *builder) caseName(od protoreflect.OneofDescriptor) string {
	name := b.snap.Names.Case(string(od.Parent().FullName()), string(od.Name()))
	return orQualified(name, od, "_Case")
}

// unionName returns the name of the union of a oneof's members.
func (b *builder) unionName(od protoreflect.OneofDescriptor) string {
	name := b.snap.Names.Union(string(od.Parent().FullName()), string(od.Name()))
	return orQualified(name, od, "_Union")
}

func (b *builder) connectionName(md protoreflect.MessageDescriptor) string {
	return orQualified(b.snap.Names.Connection(string(md.FullName())), md, "_Connection")
}

// edgeName returns the name of the type of one entry of a connection.
func (b *builder) edgeName(md protoreflect.MessageDescriptor) string {
	return orQualified(b.snap.Names.Edge(string(md.FullName())), md, "_Edge")
}

func (b *builder) oneofInputName(od protoreflect.OneofDescriptor) string {
	name := b.snap.Names.OneofInput(string(od.Parent().FullName()), string(od.Name()))
	return orQualified(name, od, "_Input")
}

func orQualified(name string, d protoreflect.Descriptor, end string) string {
	if name != "" {
		return name
	}
	return strings.ReplaceAll(string(d.FullName()), ".", "_") + end
}
