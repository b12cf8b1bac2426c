package schema

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
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
