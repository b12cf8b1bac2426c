package gate

import (
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// jsonFieldName finds fields that have another name in JSON than before.
var jsonFieldName = Rule{"json-field-name", JSON, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if old.JSONName() != updated.JSONName() {
				r.member(Breaking, p.old, updated, updated.Name(), "is %q in JSON and no longer %q, in %s", updated.JSONName(), old.JSONName(), p.where())
			}
		}
	}
}}

// jsonFieldType finds fields whose JSON has another form than before, also where the
// binary form is the same.
var jsonFieldType = Rule{"json-field-type", JSON, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if before, now := jsonForm(old), jsonForm(updated); before != now {
				r.member(Breaking, p.old, updated, updated.Name(), "was %s in JSON and is now %s", before, now)
			}
		}
	}
}}

// jsonForm says what a field's JSON looks like (protobuf.dev, "ProtoJSON Format").
func jsonForm(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "an object with values of: " + jsonForm(fd.MapValue())
	case fd.IsList():
		return "a list of: " + jsonElement(fd)
	default:
		return jsonElement(fd)
	}
}

func jsonElement(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "a boolean"
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return "a whole number"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return "a whole number as text"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a number"
	case protoreflect.StringKind:
		return "text"
	case protoreflect.BytesKind:
		return "base64"
	case protoreflect.EnumKind:
		return "the name of an enum value"
	default:
		if isWellKnown(fd.Message()) {
			return "a " + string(fd.Message().FullName())
		}
		return "an object"
	}
}

// jsonFieldNeeded finds fields of requests that are declared as required now. The gateway
// asks for them where validation is on, and backends usually do.
var jsonFieldNeeded = Rule{"json-field-needed", JSON, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		if !p.input {
			continue
		}
		for i := range p.updated.Fields().Len() {
			fd := p.updated.Fields().Get(i)
			old := p.old.Fields().ByNumber(fd.Number())
			if isNeeded(fd) && (old == nil || !isNeeded(old)) {
				r.member(Dangerous, p.old, fd, fd.Name(), "is declared as REQUIRED in requests now")
			}
		}
	}
}}

// isNeeded reports whether a field has google.api.field_behavior REQUIRED.
func isNeeded(fd protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(fd.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range behaviors {
		if b == annotations.FieldBehavior_REQUIRED {
			return true
		}
	}
	return false
}
