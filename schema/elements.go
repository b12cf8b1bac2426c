package schema

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// elements are what an overlay may select, by full name. A package has as many
// entries as files declare it.
type elements map[string][]proto.Message

func indexElements(files []*descriptorpb.FileDescriptorProto) elements {
	e := make(elements)
	for _, f := range files {
		scope := f.GetPackage()
		e.add(scope, f)
		for _, s := range f.GetService() {
			e.addService(scope, s)
		}
		e.addMessages(scope, f.GetMessageType())
		e.addEnums(scope, f.GetEnumType())
		e.addFields(scope, f.GetExtension())
	}
	return e
}

// selected returns the elements that an overlay is for: the one of its selector or, of an http rule whose selector ends with `*`,
// all methods that it matches.
func (e elements) selected(o *configv1.Overlay) []proto.Message {
	prefix, isPattern := httpPattern(o)
	if !isPattern {
		return e[o.GetSelector()]
	}
	var methods []proto.Message
	for name, list := range e {
		for _, element := range list {
			if kindOf(element) == methodKind && strings.HasPrefix(name, prefix) {
				methods = append(methods, element)
			}
		}
	}
	return methods
}

// httpPattern returns what the names of methods begin with that an http rule is for, if its selector is a pattern
// (google/api/documentation.proto, DocumentationRule.selector).
func httpPattern(o *configv1.Overlay) (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(o.GetSelector(), "*")
	ok = ok && o.GetHttp() != nil && saidKind(o) == "" && (prefix == "" || strings.HasSuffix(prefix, "."))
	return prefix, ok
}

func (e elements) add(name string, element proto.Message) {
	e[name] = append(e[name], element)
}

func (e elements) addService(scope string, s *descriptorpb.ServiceDescriptorProto) {
	name := join(scope, s.GetName())
	e.add(name, s)
	for _, m := range s.GetMethod() {
		e.add(join(name, m.GetName()), m)
	}
}

func (e elements) addMessages(scope string, messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		name := join(scope, m.GetName())
		e.add(name, m)
		e.addFields(name, m.GetField())
		e.addFields(name, m.GetExtension())
		e.addEnums(name, m.GetEnumType())
		e.addMessages(name, m.GetNestedType())
	}
}

func (e elements) addFields(scope string, fields []*descriptorpb.FieldDescriptorProto) {
	for _, f := range fields {
		e.add(join(scope, f.GetName()), f)
	}
}

func (e elements) addEnums(scope string, enums []*descriptorpb.EnumDescriptorProto) {
	for _, enum := range enums {
		e.add(join(scope, enum.GetName()), enum)
	}
}
