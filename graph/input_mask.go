package graph

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// masks are the field masks of a request, which clients don't see: what they
// would say follows from the operation. Nil where there is none.
type masks struct {
	// updated is the field that the update mask is about, whether or not it is an input.
	updated protoreflect.FieldDescriptor
	// update takes the paths of the keys that are given for resource.
	update   *wire.Field
	resource *inputField
	// read takes the paths of what is selected.
	read *wire.Field
}

// takeMask reports whether a field of a request is a mask that is derived.
func (s *inputShape) takeMask(f *wire.Field) bool {
	fd := f.Descriptor()
	if !isMask(f) {
		return false
	}
	switch {
	case fd.Name() == "update_mask" && s.masks.updated != nil:
		s.masks.update = f
		return true
	case fd.Name() == "read_mask":
		s.masks.read = f
		return true
	}
	return false
}

func isMask(f *wire.Field) bool {
	md := f.Descriptor().Message()
	return md != nil && md.FullName() == "google.protobuf.FieldMask" && !f.IsList()
}

func wellKnown(m *wire.Message) bool {
	return m.Descriptor().FullName().Parent() == "google.protobuf"
}

// findMasked finds the input that an update mask is about.
func (s *inputShape) findMasked() {
	if s.masks.update == nil {
		return
	}
	for _, in := range s.fields {
		if in.field != nil && in.field.Descriptor() == s.masks.updated && in.kind == inputMessage {
			s.masks.resource = in
		}
	}
}

// updateMask appends the update mask of a request: the paths, in proto names, of the
// keys that the client gave for the resource (AIP-134). A key that is given as null
// is listed too, which clears the field. The resource's own name is not.
func (e *encoder) updateMask(dst []byte, s *inputShape, object value) []byte {
	resource, ok := object.field(s.masks.resource.definition.Name)
	if ok {
		resource, ok = e.variables.resolve(resource)
	}
	if !ok {
		return dst
	}
	m := masker{variables: e.variables}
	for _, in := range s.masks.resource.child.fields {
		if !in.identifier {
			m.member("", in, resource)
		}
	}
	if len(m.paths) == 0 {
		return dst // nothing but the name: the backend decides what that means
	}
	return appendMask(dst, s.masks.update, m.paths)
}

// masker collects the paths of given keys.
type masker struct {
	variables variables
	paths     []string
}

func (m *masker) member(prefix string, in *inputField, object value) {
	given, ok := object.field(in.definition.Name)
	if ok {
		given, ok = m.variables.resolve(given)
	}
	if !ok || in.kind == inputAbsent {
		return
	}
	if in.kind == inputOneof {
		m.members(prefix, in.child, given)
		return
	}
	path := prefix + string(in.field.Descriptor().Name())
	if in.kind == inputMessage && !in.field.IsList() && given.size() > 0 {
		m.members(path+".", in.child, given)
		return
	}
	m.paths = append(m.paths, path)
}

func (m *masker) members(prefix string, s *inputShape, object value) {
	for _, in := range s.fields {
		m.member(prefix, in, object)
	}
}

// appendMask appends a google.protobuf.FieldMask field.
func appendMask(dst []byte, f *wire.Field, paths []string) []byte {
	var body []byte
	for _, path := range paths {
		body = protowire.AppendTag(body, 1, protowire.BytesType)
		body = protowire.AppendString(body, path)
	}
	return f.AppendWireMessage(dst, body)
}
