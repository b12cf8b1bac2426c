package gate

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// fieldType finds fields whose values are encoded or understood in another way than before
// (protobuf.dev, "Updating a message type").
var fieldType = Rule{"field-type", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if severity := wireChange(old, updated); severity > 0 {
				r.member(severity, p.old, updated, updated.Name(), "was %s and is now %s", typeOf(old), typeOf(updated))
			}
		}
	}
}}

// wireChange returns what a change of type does to those who have the old one, and 0 where
// nothing has changed.
func wireChange(old, updated protoreflect.FieldDescriptor) Severity {
	if old.IsMap() != updated.IsMap() {
		return Breaking
	}
	if old.IsMap() {
		return max(wireChange(old.MapKey(), updated.MapKey()), wireChange(old.MapValue(), updated.MapValue()))
	}
	from, to := old.Kind(), updated.Kind()
	switch {
	case from == to:
		return typeNameChange(old, updated)
	case from == protoreflect.BytesKind && to == protoreflect.StringKind:
		return Dangerous // what is not UTF-8 is refused
	case from == protoreflect.StringKind && to == protoreflect.BytesKind:
		return Safe
	case wireGroup(from) != 0 && wireGroup(from) == wireGroup(to):
		return Dangerous // what does not fit is cut off
	default:
		return Breaking
	}
}

// typeNameChange is about fields of messages and enums. A message of another name is
// dangerous, what does not go together in it other rules find.
func typeNameChange(old, updated protoreflect.FieldDescriptor) Severity {
	if schema.TypeName(old) == schema.TypeName(updated) {
		return 0
	}
	return Dangerous
}

// wireGroup groups kinds that can be read as one another.
func wireGroup(k protoreflect.Kind) int {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind,
		protoreflect.BoolKind, protoreflect.EnumKind:
		return 1
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return 2
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return 3
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return 4
	default:
		return 0
	}
}

// typeOf writes the type of a field as it stands in a .proto file.
func typeOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return fmt.Sprintf("map<%s, %s>", schema.TypeName(fd.MapKey()), schema.TypeName(fd.MapValue()))
	case fd.Kind() == protoreflect.GroupKind:
		return "group " + schema.TypeName(fd)
	case fd.Message() != nil:
		return "message " + schema.TypeName(fd)
	case fd.Enum() != nil:
		return "enum " + schema.TypeName(fd)
	default:
		return schema.TypeName(fd)
	}
}
