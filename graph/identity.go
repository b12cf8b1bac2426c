package graph

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// A field is an ID if it identifies an object in any place: as its name or declared key, as a reference to it, or as the
// argument of a method by which it is found.

// isID reports whether a field identifies an object.
func (b *builder) isID(fd protoreflect.FieldDescriptor) bool {
	return identifies(fd) || isEntityKey(fd) || isReference(fd) || b.idArguments()[fd.FullName()]
}

// isReference reports whether a field holds names of resources (AIP-124).
func isReference(fd protoreflect.FieldDescriptor) bool {
	reference := referenceOptions(fd)
	return reference.GetType() != "" || reference.GetChildType() != ""
}

// isEntityKey reports whether a field is a key by which its message is declared to be fetched. Of a key of several
// fields only `id` counts: the others may be of any type in other subgraphs.
func isEntityKey(fd protoreflect.FieldDescriptor) bool {
	if fd.IsExtension() {
		return false
	}
	for _, o := range messageOptions(fd.ContainingMessage()).GetEntities() {
		leaves := keyLeaves(o.GetKey())
		for _, leaf := range leaves {
			named := leaf == string(fd.Name()) || leaf == fd.JSONName()
			if named && (len(leaves) == 1 || leaf == idField) {
				return true
			}
		}
	}
	return false
}

// keyLeaves returns the fields of a set of fields that have no fields themselves, as paths.
func keyLeaves(text string) []string {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: "{" + text + "}"}, maxFieldSet)
	if err != nil || len(doc.Operations) != 1 {
		return nil
	}
	var leaves []string
	var add func(prefix string, set ast.SelectionSet)
	add = func(prefix string, set ast.SelectionSet) {
		for _, selection := range set {
			f, ok := selection.(*ast.Field)
			switch {
			case ok && len(f.SelectionSet) == 0:
				leaves = append(leaves, prefix+f.Name)
			case ok:
				add(prefix+f.Name+".", f.SelectionSet)
			}
		}
	}
	add("", doc.Operations[0].SelectionSet)
	return leaves
}

// findIDArguments returns the fields of requests that take names or keys of objects.
func findIDArguments(services []*schema.Service) map[protoreflect.FullName]bool {
	found := make(map[protoreflect.FullName]bool)
	for _, s := range services {
		named := namedResources(s)
		for _, m := range s.Methods {
			for name := range resourceArguments(m, named) {
				found[name] = true
			}
			for _, name := range entityArguments(m) {
				found[name] = true
			}
		}
	}
	return found
}

// namedResources returns the resources that methods of a service take or return, by the names of their messages.
func namedResources(s *schema.Service) map[protoreflect.Name]protoreflect.MessageDescriptor {
	named := make(map[protoreflect.Name]protoreflect.MessageDescriptor)
	for _, m := range s.Methods {
		for _, md := range concerned(m) {
			if nameField(md) != nil {
				named[md.Name()] = md
			}
		}
	}
	return named
}

// concerned returns the messages that a method is about: its response, and what response and request hold.
func concerned(m *schema.Method) []protoreflect.MessageDescriptor {
	list := []protoreflect.MessageDescriptor{m.Descriptor.Output()}
	for _, md := range []protoreflect.MessageDescriptor{m.Descriptor.Input(), m.Descriptor.Output()} {
		for i := range md.Fields().Len() {
			if held := md.Fields().Get(i).Message(); held != nil {
				list = append(list, held)
			}
		}
	}
	return list
}

// resourceArguments returns the arguments of a method that have the name of a resource or, with an s, names of
// resources: the method's own name ends in that of the resource, as in GetBook, ArchiveBook and BatchGetBooks.
func resourceArguments(m *schema.Method, named map[protoreflect.Name]protoreflect.MessageDescriptor) map[protoreflect.FullName]bool {
	arguments := make(map[protoreflect.FullName]bool)
	add := func(md protoreflect.MessageDescriptor, plural string) {
		name := nameField(md).Name() + protoreflect.Name(plural)
		if fd := m.Descriptor.Input().Fields().ByName(name); fd != nil && fd.Kind() == protoreflect.StringKind && fd.IsList() == (plural != "") {
			arguments[fd.FullName()] = true
		}
	}
	for name, md := range named {
		if strings.HasSuffix(string(m.Descriptor.Name()), string(name)) {
			add(md, "")
		}
	}
	if list := soleResources(m.Descriptor.Output()); list != nil && startsWith(m, "BatchGet") {
		add(list.Message(), "s")
	}
	return arguments
}

// entityArguments returns the arguments of a method that take keys which are IDs, by the options of the messages that
// it returns.
func entityArguments(m *schema.Method) []protoreflect.FullName {
	var arguments []protoreflect.FullName
	for _, md := range concerned(m) {
		for _, o := range messageOptions(md).GetEntities() {
			leaves := keyLeaves(o.GetKey())
			if o.GetMethod() != m.FullName() || len(leaves) == 0 {
				continue
			}
			if len(o.GetArguments()) == 0 {
				arguments = appendPath(arguments, m, o.GetArgument())
			}
			for _, a := range o.GetArguments() {
				field := md.Fields().ByName(protoreflect.Name(a.GetField()))
				if field != nil && isEntityKey(field) {
					arguments = appendPath(arguments, m, strings.TrimPrefix(o.GetArgument()+"."+a.GetArgument(), "."))
				}
			}
		}
	}
	return arguments
}

// appendPath appends the field at a path of a method's request, unless there is none.
func appendPath(list []protoreflect.FullName, m *schema.Method, dotted string) []protoreflect.FullName {
	p, err := m.Input.Path(dotted)
	if err != nil {
		return list
	}
	return append(list, p.Field().Descriptor().FullName())
}
