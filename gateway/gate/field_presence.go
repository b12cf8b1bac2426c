package gate

import "google.golang.org/protobuf/reflect/protoreflect"

// fieldCardinality finds lists that became single values, and the other way around.
var fieldCardinality = Rule{"field-cardinality", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if old.IsList() != updated.IsList() && !old.IsMap() && !updated.IsMap() {
				r.member(Breaking, p.old, updated, updated.Name(), "was %s and is now %s", cardinality(old), cardinality(updated))
			}
		}
	}
}}

func cardinality(fd protoreflect.FieldDescriptor) string {
	if fd.IsList() {
		return "a list"
	}
	return "a single value"
}

// fieldOneof finds fields that moved into, out of or between oneofs: to set one member
// clears the others.
var fieldOneof = Rule{"field-oneof", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if before, now := oneofOf(old), oneofOf(updated); before != now {
				r.member(Breaking, p.old, updated, updated.Name(), "was %s and is now %s", inOneof(before), inOneof(now))
			}
		}
	}
}}

func oneofOf(fd protoreflect.FieldDescriptor) protoreflect.Name {
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		return od.Name()
	}
	return ""
}

func inOneof(name protoreflect.Name) string {
	if name == "" {
		return "in no oneof"
	}
	return "in the oneof " + string(name)
}

// fieldPresence finds fields for which absence and the default value were two things and
// are one now, or the other way around.
var fieldPresence = Rule{"field-presence", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			if old.HasPresence() == updated.HasPresence() || old.IsList() != updated.IsList() ||
				oneofOf(old) != oneofOf(updated) || old.Message() != nil || updated.Message() != nil {
				continue
			}
			message := "tells absence from the default value now, and did not before"
			if old.HasPresence() {
				message = "does not tell absence from the default value any more"
			}
			r.member(Dangerous, p.old, updated, updated.Name(), "%s", message)
		}
	}
}}

// fieldRequired finds fields that a message cannot be without, in the sense of proto2, now
// or before.
var fieldRequired = Rule{"field-required", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for i := range p.updated.Fields().Len() {
			fd := p.updated.Fields().Get(i)
			old := p.old.Fields().ByNumber(fd.Number())
			if isRequired(fd) && !isRequired(old) {
				r.member(Breaking, p.old, fd, fd.Name(), "%s without this field are invalid now", p.where())
			}
		}
		for old, updated := range pairedFields(p.old, p.updated) {
			if isRequired(old) && !isRequired(updated) {
				r.member(Breaking, p.old, updated, updated.Name(), "clients that know it as required refuse messages without it")
			}
		}
	}
}}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	return fd != nil && fd.Cardinality() == protoreflect.Required
}
