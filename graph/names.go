package graph

import (
	"strconv"
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

// validValue reports whether an enum may have a value with the name.
func validValue(name string) bool {
	return validName(name) && name != "true" && name != "false" && name != "null"
}

// validStart changes the start of an identifier if no GraphQL name can have it.
func validStart(name string) string {
	switch {
	case strings.HasPrefix(name, "__"):
		return "x" + name
	case name == "" || name[0] >= '0' && name[0] <= '9':
		return "_" + name
	}
	return name
}

// freeName returns the first candidate that is free, or else the last with a number. Candidates are identifiers.
func freeName(free func(string) bool, candidates ...string) string {
	for _, name := range candidates {
		if free(name) {
			return name
		}
	}
	last := candidates[len(candidates)-1]
	for n := 2; ; n++ {
		if name := validStart(last + "_" + strconv.Itoa(n)); free(name) {
			return name
		}
	}
}

// oneofName returns the name of the field that stands for a oneof: the oneof's name in lowerCamelCase, or a similar one if that is
// not valid or another field has it.
func (b *builder) oneofName(od protoreflect.OneofDescriptor) string {
	if b.oneofs[od] == "" {
		b.nameOneofs(od.Parent().(protoreflect.MessageDescriptor))
	}
	return b.oneofs[od]
}

func (b *builder) nameOneofs(md protoreflect.MessageDescriptor) {
	taken := make(map[string]bool)
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fd.ContainingOneof() == nil || fd.ContainingOneof().IsSynthetic() {
			taken[fd.JSONName()] = true
		}
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		if od.IsSynthetic() {
			continue
		}
		camel, own := lowerCamel(string(od.Name())), string(od.Name())
		name := freeName(func(name string) bool { return validName(name) && !taken[name] }, camel, own)
		if name != camel {
			b.warn(od, "the GraphQL name %q of this oneof is not valid or belongs to another field; the oneof is published as %q", camel, name)
		}
		taken[name], b.oneofs[od] = true, name
	}
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
	return validStart(strings.ReplaceAll(string(d.FullName()), ".", "_")) + end
}
