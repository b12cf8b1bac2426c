package graph

import (
	"strings"
	"unicode"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/schema"
)

// resources are the google.api.resource messages that a method gets by name.
type resources struct {
	byMessage map[protoreflect.FullName]*optionsv1.Entity
	byType    map[string]*optionsv1.Entity // the resource's type, such as `shop.example/Book`
}

// findResources looks for Get (AIP-131) and BatchGet (AIP-231) methods. Where a resource has both,
// BatchGet is taken; of several of a kind, the first in the order of the services.
func findResources(services []*schema.Service) *resources {
	r := &resources{
		byMessage: make(map[protoreflect.FullName]*optionsv1.Entity),
		byType:    make(map[string]*optionsv1.Entity),
	}
	for _, find := range []func(*schema.Method) (protoreflect.MessageDescriptor, *optionsv1.Entity){batchGetter, getter} {
		for _, s := range services {
			for _, m := range s.Methods {
				if m.Operation != schema.Query || m.Streams() {
					continue
				}
				if md, how := find(m); how != nil {
					r.add(md, how)
				}
			}
		}
	}
	return r
}

func (r *resources) add(md protoreflect.MessageDescriptor, how *optionsv1.Entity) {
	if r.byMessage[md.FullName()] == nil {
		r.byMessage[md.FullName()] = how
	}
	if typ := resourceOf(md).GetType(); typ != "" && r.byType[typ] == nil {
		r.byType[typ] = how
	}
}

// resourceOf returns what google.api.resource says of a message, or nil.
func resourceOf(md protoreflect.MessageDescriptor) *annotations.ResourceDescriptor {
	return extension[*annotations.ResourceDescriptor](md.Options(), annotations.E_Resource)
}

// nameField returns the field that has the name of a resource: a string. It is nil where
// the message is no resource or has no such field.
func nameField(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	resource := resourceOf(md)
	if resource == nil {
		return nil
	}
	name := resource.GetNameField()
	if name == "" {
		name = "name"
	}
	fd := md.Fields().ByName(protoreflect.Name(name))
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsList() {
		return nil
	}
	return fd
}

// getter returns how a method gets one resource by its name, or nil.
func getter(m *schema.Method) (protoreflect.MessageDescriptor, *optionsv1.Entity) {
	md := m.Descriptor.Output()
	name := nameField(md)
	if name == nil || !startsWith(m, "Get") {
		return nil, nil
	}
	argument := soleArgument(m, string(name.Name()), false)
	if argument == nil {
		return nil, nil
	}
	return md, &optionsv1.Entity{
		Key:      proto.String(string(name.Name())),
		Method:   proto.String(m.FullName()),
		Argument: proto.String(string(argument.Name())),
	}
}

// batchGetter returns how a method gets several resources by their names, or nil.
func batchGetter(m *schema.Method) (protoreflect.MessageDescriptor, *optionsv1.Entity) {
	if !startsWith(m, "BatchGet") {
		return nil, nil
	}
	list := soleResources(m.Descriptor.Output())
	if list == nil {
		return nil, nil
	}
	name := nameField(list.Message())
	argument := soleArgument(m, string(name.Name())+"s", true)
	if argument == nil {
		return nil, nil
	}
	return list.Message(), &optionsv1.Entity{
		Key:      proto.String(string(name.Name())),
		Method:   proto.String(m.FullName()),
		Argument: proto.String(string(argument.Name())),
		Result:   proto.String(string(list.Name())),
	}
}

// soleResources returns the one field of a response that is a list of resources.
func soleResources(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	var sole protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !fd.IsList() || fd.Message() == nil || nameField(fd.Message()) == nil {
			continue
		}
		if sole != nil {
			return nil
		}
		sole = fd
	}
	return sole
}

// soleArgument returns the string field of a request that has the name, if nothing
// else must be given.
func soleArgument(m *schema.Method, name string, list bool) protoreflect.FieldDescriptor {
	fields := m.Descriptor.Input().Fields()
	argument := fields.ByName(protoreflect.Name(name))
	if argument == nil || argument.Kind() != protoreflect.StringKind || argument.IsList() != list {
		return nil
	}
	for i := range fields.Len() {
		if fd := fields.Get(i); fd != argument && requiredInput(fd) {
			return nil
		}
	}
	return argument
}

// startsWith reports whether a method's name starts with a verb: GetBook does, Getaway does not.
func startsWith(m *schema.Method, verb string) bool {
	rest, ok := strings.CutPrefix(string(m.Descriptor.Name()), verb)
	return ok && rest != "" && !unicode.IsLower(rune(rest[0]))
}

// derivedEnd is what a derived join's name has behind that of the reference.
const derivedEnd = "Resource"

// derivedJoins returns the joins that references of a message amount to (AIP-124): the
// field `author` leads to `authorResource`. A reference that a declared join starts from is left to it.
func (b *builder) derivedJoins(md protoreflect.MessageDescriptor) []*optionsv1.Join {
	if !b.options.JoinsAIP {
		return nil
	}
	var joins []*optionsv1.Join
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		how := b.resources.byType[referenceOf(fd)]
		if how == nil || identifies(fd) || declaresJoinFrom(md, fd) {
			continue
		}
		joins = append(joins, &optionsv1.Join{
			Field:       proto.String(fd.JSONName() + derivedEnd),
			Description: proto.String("What `" + fd.JSONName() + "` names."),
			Key:         proto.String(string(fd.Name())),
			Method:      how.Method,
			Argument:    how.Argument,
			Result:      how.Result,
			ResultKey:   how.Key,
			MaxKeys:     how.MaxKeys,
		})
	}
	return joins
}

// referenceOf returns the type of resource that a string field refers to, or "".
func referenceOf(fd protoreflect.FieldDescriptor) string { return referenceOptions(fd).GetType() }

// referenceOptions returns what google.api.resource_reference declares of a string field, or nil.
func referenceOptions(fd protoreflect.FieldDescriptor) *annotations.ResourceReference {
	if fd.Kind() != protoreflect.StringKind {
		return nil
	}
	return extension[*annotations.ResourceReference](fd.Options(), annotations.E_ResourceReference)
}

func declaresJoinFrom(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor) bool {
	for _, o := range messageOptions(md).GetJoins() {
		if key := o.GetKey(); key == string(fd.Name()) || key == fd.JSONName() {
			return true
		}
	}
	return false
}
