package graph

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// masks are the field masks of a request. Nil where there is none.
type masks struct {
	// updated is the field that the update mask is about, whether or not it is an input.
	updated protoreflect.FieldDescriptor
	// update takes the paths of the keys that are given for resource.
	update   *wire.Field
	resource *inputField
	// read is the read mask, if clients can give it.
	read *inputField
}

// takeMask reports whether a field of a request is a mask that is derived.
func (s *inputShape) takeMask(f *wire.Field, read readArgument) bool {
	fd := f.Descriptor()
	if !isMask(f) {
		return false
	}
	switch {
	case fd.Name() == "update_mask" && s.masks.updated != nil:
		s.masks.update = f
		return true
	case fd.Name() == "read_mask":
		return read == readHidden
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

// findReadMask finds the argument that a read mask is.
func (s *inputShape) findReadMask(read readArgument) {
	for _, in := range s.fields {
		if in.field == nil || in.field.Descriptor().Name() != "read_mask" || !isMask(in.field) {
			continue
		}
		s.masks.read = in
		if read == readOptional {
			in.definition.Type.NonNull = false
		}
	}
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
func (e *encoder) updateMask(dst []byte, s *inputShape, object value) ([]byte, error) {
	resource, ok := e.given(s.masks.resource, object)
	if !ok {
		return dst, nil
	}
	e.path = append(e.path, inputStep{name: s.masks.resource.definition.Name})
	if resource.isNull() {
		return nil, e.failNull("the resource to update cannot be null")
	}
	m := masker{encoder: e}
	for _, in := range s.masks.resource.child.fields {
		if in.identifier {
			continue
		}
		if err := m.member("", in, resource); err != nil {
			return nil, err
		}
	}
	e.path = e.path[:len(e.path)-1]
	if len(m.paths) == 0 {
		return dst, nil // nothing but the name: the backend decides what that means
	}
	return appendMask(dst, s.masks.update, m.paths), nil
}

// given returns the value of an input field in an object, and false if the object does not have the field.
func (e *encoder) given(in *inputField, object value) (value, bool) {
	v, ok := object.field(in.definition.Name)
	if ok {
		v, ok = e.variables.resolve(v)
	}
	return v, ok
}

// masker collects the paths of given keys.
type masker struct {
	encoder *encoder
	paths   []string
}

// member adds the paths of one field of an object, if the field was given.
func (m *masker) member(prefix string, in *inputField, object value) error {
	given, ok := m.encoder.given(in, object)
	if !ok {
		return nil
	}
	path := &m.encoder.path
	*path = append(*path, inputStep{name: in.definition.Name})
	err := m.value(prefix, in, given)
	*path = (*path)[:len(*path)-1]
	return err
}

func (m *masker) value(prefix string, in *inputField, given value) error {
	switch {
	case in.kind == inputAbsent: // the value is null: encoding has rejected all others
		return m.encoder.failUnknownField()
	case in.kind == inputOneof && given.isNull():
		m.clearOneof(prefix, in.child)
		return nil
	case in.kind == inputOneof:
		return m.members(prefix, in.child, given)
	}
	path := prefix + string(in.field.Descriptor().Name())
	if in.kind != inputMessage || in.field.IsList() {
		m.paths = append(m.paths, path)
		return nil
	}
	before := len(m.paths)
	err := m.members(path+".", in.child, given)
	if len(m.paths) == before {
		m.paths = append(m.paths, path) // null or no fields: the message as a whole
	}
	return err
}

// clearOneof adds all members of a oneof. The backend clears the one that is set: a mask
// cannot name the oneof itself.
func (m *masker) clearOneof(prefix string, s *inputShape) {
	for _, in := range s.fields {
		if in.kind == inputAbsent {
			continue // the backend has no such member, so it cannot be set
		}
		m.paths = append(m.paths, prefix+string(in.field.Descriptor().Name()))
	}
}

func (m *masker) members(prefix string, s *inputShape, object value) error {
	for _, in := range s.fields {
		if err := m.member(prefix, in, object); err != nil {
			return err
		}
	}
	return nil
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
