package schema

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// resolver finds messages by name and extensions by message in the files of all
// backends. It is a wire.Resolver.
type resolver struct {
	backends   []*Backend
	extensions map[protoreflect.FullName][]protoreflect.ExtensionDescriptor
}

func newResolver(backends []*Backend) *resolver {
	r := &resolver{
		backends:   backends,
		extensions: make(map[protoreflect.FullName][]protoreflect.ExtensionDescriptor),
	}
	for _, b := range backends {
		for _, f := range b.files {
			r.addExtensions(f)
		}
	}
	for name, list := range r.extensions {
		r.extensions[name] = firstOfNumber(list)
	}
	return r
}

// declarations are what a file and a message have in common.
type declarations interface {
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

func (r *resolver) addExtensions(d declarations) {
	for i := range d.Extensions().Len() {
		x := d.Extensions().Get(i)
		name := x.ContainingMessage().FullName()
		r.extensions[name] = append(r.extensions[name], x)
	}
	for i := range d.Messages().Len() {
		r.addExtensions(d.Messages().Get(i))
	}
}

// firstOfNumber sorts by number and keeps, of several with one number, the first backend's.
func firstOfNumber(list []protoreflect.ExtensionDescriptor) []protoreflect.ExtensionDescriptor {
	slices.SortStableFunc(list, func(a, b protoreflect.ExtensionDescriptor) int {
		return cmp.Compare(a.Number(), b.Number())
	})
	return slices.CompactFunc(list, func(a, b protoreflect.ExtensionDescriptor) bool {
		return a.Number() == b.Number()
	})
}

// ExtensionsOf returns the known extensions of a message, by number.
func (r *resolver) ExtensionsOf(name protoreflect.FullName) []protoreflect.ExtensionDescriptor {
	return r.extensions[name]
}

// FindMessageByName returns nil where there is no such message.
func (r *resolver) FindMessageByName(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if md := r.findInBackends(name); md != nil {
		return md
	}
	return findBuiltIn(name)
}

func (r *resolver) findInBackends(name protoreflect.FullName) protoreflect.MessageDescriptor {
	for _, b := range r.backends {
		if md := b.message(name); md != nil {
			return md
		}
	}
	return nil
}

// findBuiltIn knows the well-known types and the standard error details, which
// backends send without declaring them.
func findBuiltIn(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if !strings.HasPrefix(string(name), "google.rpc.") && !strings.HasPrefix(string(name), "google.protobuf.") {
		return nil
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	md, _ := d.(protoreflect.MessageDescriptor)
	return md
}
