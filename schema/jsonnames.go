package schema

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// checkJSONNames warns about fields of the served messages that cannot be told apart by name in JSON: proto2 and json_name allow
// that. The wire package settles which field has a name.
func (c *compiler) checkJSONNames(b *Backend, messages map[protoreflect.FullName]bool) {
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		d, err := b.Files.FindDescriptorByName(name)
		if md, ok := d.(protoreflect.MessageDescriptor); ok && err == nil && !md.IsMapEntry() {
			c.checkFieldNames(b, md)
		}
	}
}

func (c *compiler) checkFieldNames(b *Backend, md protoreflect.MessageDescriptor) {
	m := c.types.Message(md)
	for _, f := range m.Fields() {
		fd := f.Descriptor()
		if fd.IsExtension() {
			continue
		}
		if f.JSONName() != fd.JSONName() {
			c.warn(b, fd, "its JSON name %q is also that of the field %s, so that JSON has %q for this one; give it another json_name",
				fd.JSONName(), m.FieldByName(fd.JSONName()).Descriptor().Name(), f.JSONName())
		} else if owner := m.FieldByName(string(fd.Name())); owner != f {
			c.warn(b, fd, "its name in the .proto file is the JSON name of the field %s, which requests that use it set; this one is %q only",
				owner.Descriptor().Name(), f.JSONName())
		}
	}
}
