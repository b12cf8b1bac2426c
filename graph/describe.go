package graph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/schema"
)

// describe returns the GraphQL description of a declaration.
func describe(d protoreflect.Descriptor) string { return schema.Comment(d) }

// noLongerSupported is the default reason of @deprecated.
const noLongerSupported = "No longer supported"

// deprecated returns the directives of a declaration.
func deprecated(yes bool) ast.DirectiveList {
	if !yes {
		return nil
	}
	return ast.DirectiveList{directive("deprecated", "reason", noLongerSupported)}
}

func fieldDeprecated(fd protoreflect.FieldDescriptor) bool {
	o, _ := fd.Options().(*descriptorpb.FieldOptions)
	return o.GetDeprecated()
}

// extension returns an extension of options. It is the zero value where there are no options, as for most elements.
func extension[T any](options proto.Message, x protoreflect.ExtensionType) (value T) {
	if options.ProtoReflect().IsValid() {
		value, _ = proto.GetExtension(options, x).(T)
	}
	return value
}

// fieldOptions returns what the team or the operator says about a field, or nil.
func fieldOptions(fd protoreflect.FieldDescriptor) *optionsv1.FieldOptions {
	return extension[*optionsv1.FieldOptions](fd.Options(), optionsv1.E_Field)
}

// messageOptions returns what the team or the operator says about a message, or nil.
func messageOptions(md protoreflect.MessageDescriptor) *optionsv1.MessageOptions {
	return extension[*optionsv1.MessageOptions](md.Options(), optionsv1.E_Message)
}

// enumOptions returns what the team or the operator says about an enum, or nil.
func enumOptions(ed protoreflect.EnumDescriptor) *optionsv1.EnumOptions {
	return extension[*optionsv1.EnumOptions](ed.Options(), optionsv1.E_Enum)
}

// behaves reports whether google.api.field_behavior says b of the field.
func behaves(fd protoreflect.FieldDescriptor, b annotations.FieldBehavior) bool {
	for _, have := range extension[[]annotations.FieldBehavior](fd.Options(), annotations.E_FieldBehavior) {
		if have == b {
			return true
		}
	}
	return false
}

// requiredInput reports whether clients must give the field.
func requiredInput(fd protoreflect.FieldDescriptor) bool {
	if fd.Cardinality() == protoreflect.Required || behaves(fd, annotations.FieldBehavior_REQUIRED) {
		return true
	}
	rules := extension[*validatepb.FieldRules](fd.Options(), validatepb.E_Field)
	return rules.GetRequired() && fd.ContainingOneof() == nil
}

// identifies reports whether the field is the name of its resource or marked as an id.
func identifies(fd protoreflect.FieldDescriptor) bool {
	if fieldOptions(fd).GetId() || behaves(fd, annotations.FieldBehavior_IDENTIFIER) {
		return true
	}
	if fd.IsExtension() {
		return false
	}
	resource := resourceOf(fd.ContainingMessage())
	if resource == nil {
		return false
	}
	name := resource.GetNameField()
	if name == "" {
		name = "name"
	}
	return string(fd.Name()) == name
}

// warn records a problem of something that is served nevertheless.
func (b *builder) warn(d protoreflect.Descriptor, format string, args ...any) {
	b.problem(schema.Warning, d, format, args...)
}

// refuse records a problem of something that is not served.
func (b *builder) refuse(d protoreflect.Descriptor, format string, args ...any) {
	b.problem(schema.Error, d, format, args...)
}

func (b *builder) problem(s schema.Severity, d protoreflect.Descriptor, format string, args ...any) {
	p := schema.Problem{Severity: s, Backend: b.backend, Message: fmt.Sprintf(format, args...)}
	if d != nil {
		p.Element = string(d.FullName())
		p.Position = position(d)
	}
	if !b.reported[p] {
		b.reported[p] = true
		b.problems = append(b.problems, p)
	}
}

func position(d protoreflect.Descriptor) string {
	file := d.ParentFile()
	if file == nil {
		return ""
	}
	at := file.SourceLocations().ByDescriptor(d)
	if at.Path == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", file.Path(), at.StartLine+1, at.StartColumn+1)
}
