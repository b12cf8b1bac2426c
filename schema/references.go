package schema

import (
	"google.golang.org/protobuf/types/descriptorpb"
)

// declaredNames returns the messages and enums that files declare, each as a
// type_name refers to it, with a leading dot.
func declaredNames(files []*descriptorpb.FileDescriptorProto) map[string]bool {
	names := make(map[string]bool)
	for _, file := range files {
		scope := "." + file.GetPackage()
		if file.GetPackage() == "" {
			scope = ""
		}
		declareTypes(names, scope, file.GetMessageType(), file.GetEnumType())
	}
	return names
}

func declareTypes(names map[string]bool, scope string, messages []*descriptorpb.DescriptorProto, enums []*descriptorpb.EnumDescriptorProto) {
	for _, enum := range enums {
		names[scope+"."+enum.GetName()] = true
	}
	for _, message := range messages {
		name := scope + "." + message.GetName()
		names[name] = true
		declareTypes(names, name, message.GetNestedType(), message.GetEnumType())
	}
}

// firstUndeclared returns a type that a file refers to and that is neither among the
// declared ones nor in a file that we carry; empty if there is none.
func firstUndeclared(file *descriptorpb.FileDescriptorProto, declared map[string]bool) string {
	undeclared := ""
	note := func(name string) {
		if undeclared == "" && name != "" && !declared[name] && !isLinked(name) {
			undeclared = name
		}
	}
	noteReferences(file, note)
	return undeclared
}

// noteReferences calls note with the name of each type that a file refers to.
func noteReferences(file *descriptorpb.FileDescriptorProto, note func(string)) {
	noteFields(file.GetExtension(), note)
	noteMessages(file.GetMessageType(), note)
	for _, service := range file.GetService() {
		for _, method := range service.GetMethod() {
			note(method.GetInputType())
			note(method.GetOutputType())
		}
	}
}

func noteMessages(messages []*descriptorpb.DescriptorProto, note func(string)) {
	for _, message := range messages {
		noteFields(message.GetField(), note)
		noteFields(message.GetExtension(), note)
		noteMessages(message.GetNestedType(), note)
	}
}

func noteFields(fields []*descriptorpb.FieldDescriptorProto, note func(string)) {
	for _, field := range fields {
		note(field.GetTypeName())
		note(field.GetExtendee())
	}
}

// isLinked reports whether a file of the binary declares an element. The name has a leading dot.
func isLinked(name string) bool { return linkedPath(name) != "" }
