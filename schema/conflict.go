package schema

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// reportConflicts warns of messages that two backends declare in ways that do not go
// together: the graph has one type for both.
func (c *compiler) reportConflicts(r *reach) {
	for _, t := range r.types {
		first, ok := t.first().(protoreflect.MessageDescriptor)
		for _, other := range t.descriptors[1:] {
			md, isMessage := other.Descriptor.(protoreflect.MessageDescriptor)
			if ok != isMessage {
				c.warn(other.backend, other.Descriptor, "a message in one backend and an enum in backend %q have this name", t.backend.Name)
				continue
			}
			if !ok {
				continue
			}
			if here, there := conflict(md, first); here != nil {
				c.warn(other.backend, md, "`%s` does not go with `%s` in backend %q; the first backend's field is the one in the graph",
					describeField(here), describeField(there), t.backend.Name)
			}
		}
	}
}

// conflict returns the first field that the other message has with the same number
// or the same name and cannot mean the same by.
func conflict(md, other protoreflect.MessageDescriptor) (here, there protoreflect.FieldDescriptor) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if twin := other.Fields().ByNumber(fd.Number()); twin != nil && (twin.Name() != fd.Name() || !sameShape(twin, fd)) {
			return fd, twin
		}
		if twin := other.Fields().ByJSONName(fd.JSONName()); twin != nil && !sameShape(twin, fd) {
			return fd, twin
		}
	}
	return nil, nil
}

// sameShape reports whether two fields hold values of the same type.
func sameShape(a, b protoreflect.FieldDescriptor) bool {
	if a.IsMap() && b.IsMap() {
		return sameShape(a.MapKey(), b.MapKey()) && sameShape(a.MapValue(), b.MapValue())
	}
	return a.Kind() == b.Kind() && a.IsList() == b.IsList() && a.IsMap() == b.IsMap() && TypeName(a) == TypeName(b)
}

// describeField writes a field as it stands in a .proto file.
func describeField(fd protoreflect.FieldDescriptor) string {
	kind := TypeName(fd)
	switch {
	case fd.IsMap():
		kind = fmt.Sprintf("map<%s, %s>", TypeName(fd.MapKey()), TypeName(fd.MapValue()))
	case fd.IsList():
		kind = "repeated " + kind
	}
	return fmt.Sprintf("%s %s = %d", kind, fd.Name(), fd.Number())
}

// TypeName returns the name of a field's message, enum or scalar type.
func TypeName(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return string(fd.Message().FullName())
	case fd.Enum() != nil:
		return string(fd.Enum().FullName())
	default:
		return fd.Kind().String()
	}
}
