package gate

import "google.golang.org/protobuf/reflect/protoreflect"

// fieldRemoved finds fields whose number is free again. A number that the message has
// reserved cannot come to mean something else, so that old and new messages go together.
var fieldRemoved = Rule{"field-removed", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for _, fd := range removedFields(p) {
			if p.updated.ReservedRanges().Has(fd.Number()) {
				r.member(Safe, p.old, p.updated, fd.Name(), "the field is removed from %s, and its number %d is reserved", p.where(), fd.Number())
				continue
			}
			r.member(Breaking, p.old, p.updated, fd.Name(),
				"the field is removed from %s, and its number %d is not reserved: another field could take it", p.where(), fd.Number())
		}
	}
}}

// fieldAdded finds fields that are new.
var fieldAdded = Rule{"field-added", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for i := range p.updated.Fields().Len() {
			if fd := p.updated.Fields().Get(i); p.old.Fields().ByNumber(fd.Number()) == nil {
				r.member(Safe, p.old, fd, fd.Name(), "the field is new in %s", p.where())
			}
		}
	}
}}

// jsonFieldRemoved finds fields that clients name in JSON and that are gone by that name and
// number. The gateway refuses unknown names in requests.
var jsonFieldRemoved = Rule{"json-field-removed", JSON, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for _, fd := range removedFields(p) {
			if p.updated.Fields().ByJSONName(fd.JSONName()) == nil {
				r.member(Breaking, p.old, p.updated, fd.Name(), "%q is removed from %s", fd.JSONName(), p.where())
			}
		}
	}
}}

func removedFields(p *messagePair) []protoreflect.FieldDescriptor {
	var removed []protoreflect.FieldDescriptor
	for i := range p.old.Fields().Len() {
		if fd := p.old.Fields().Get(i); p.updated.Fields().ByNumber(fd.Number()) == nil {
			removed = append(removed, fd)
		}
	}
	return removed
}
