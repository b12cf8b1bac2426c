package resilience

import (
	"errors"
	"fmt"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/schema"
)

// compileRules compiles the rules of protovalidate for the methods of one backend that
// are to be checked, all of which it returns. The validator is the backend's own, since a
// rule may be an extension that its files declare.
func compileRules(b *schema.Backend) (map[*schema.Method]*methodRules, []schema.Problem) {
	compiled := make(map[*schema.Method]*methodRules)
	extensions := extensionsOf(b)
	costs := newCosting(extensions)
	var problems []schema.Problem
	refuse := func(m *schema.Method, why error) {
		compiled[m].broken = true
		problems = append(problems, schema.Problem{
			Severity: schema.Warning,
			Backend:  b.Name,
			Element:  m.FullName(),
			Message:  "calls are refused: a rule for the request cannot be used: " + schema.ExpressionFault(why).Error(),
		})
	}
	reached := make(map[*schema.Method][]protoreflect.MessageDescriptor)
	var all []protoreflect.MessageDescriptor
	for _, m := range methodsOf(b) {
		if !m.Policy.GetValidate().GetEnabled() {
			continue
		}
		compiled[m] = new(methodRules)
		messages := reachable(m.Input.Descriptor())
		if !hasRules(messages) {
			continue
		}
		cost, err := costs.of(messages)
		if err != nil { // it is not compiled either: that evaluates parts of it
			refuse(m, err)
			continue
		}
		compiled[m].costs = cost
		reached[m] = messages
		all = append(all, messages...)
	}
	if len(all) == 0 {
		return compiled, problems
	}
	validator, err := protovalidate.New(
		protovalidate.WithMessageDescriptors(all...),
		protovalidate.WithDisableLazy(),
		protovalidate.WithExtensionTypeResolver(extensions),
	)
	for _, m := range methodsOf(b) {
		messages := reached[m]
		if messages == nil {
			continue
		}
		compiled[m].rules = validator
		if err := errors.Join(err, broken(validator, messages)); err != nil {
			refuse(m, err)
		}
	}
	return compiled, problems
}

func methodsOf(b *schema.Backend) (all []*schema.Method) {
	for _, s := range b.Services {
		all = append(all, s.Methods...)
	}
	return all
}

// broken returns what cannot be compiled of the rules for messages.
func broken(v protovalidate.Validator, messages []protoreflect.MessageDescriptor) error {
	if v == nil {
		return nil
	}
	for _, md := range messages {
		err := v.Validate(dynamicpb.NewMessage(md))
		if failed, ok := errors.AsType[*protovalidate.CompilationError](err); ok {
			return fmt.Errorf("%s: %w", md.FullName(), failed)
		}
	}
	return nil
}

// reachable returns a message and all that its fields lead to.
func reachable(root protoreflect.MessageDescriptor) []protoreflect.MessageDescriptor {
	seen := map[protoreflect.MessageDescriptor]bool{root: true}
	all := []protoreflect.MessageDescriptor{root}
	for i := 0; i < len(all); i++ {
		for j := range all[i].Fields().Len() {
			if md := all[i].Fields().Get(j).Message(); md != nil && !seen[md] {
				seen[md] = true
				all = append(all, md)
			}
		}
	}
	return all
}

func hasRules(messages []protoreflect.MessageDescriptor) bool {
	for _, md := range messages {
		if proto.HasExtension(md.Options(), validatepb.E_Message) {
			return true
		}
		for i := range md.Fields().Len() {
			if proto.HasExtension(md.Fields().Get(i).Options(), validatepb.E_Field) {
				return true
			}
		}
		for i := range md.Oneofs().Len() {
			if proto.HasExtension(md.Oneofs().Get(i).Options(), validatepb.E_Oneof) {
				return true
			}
		}
	}
	return false
}

// extensionsOf returns the extensions that a backend's files declare.
func extensionsOf(b *schema.Backend) *protoregistry.Types {
	types := new(protoregistry.Types)
	b.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		addExtensions(types, f)
		return true
	})
	return types
}

type declares interface {
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
}

func addExtensions(types *protoregistry.Types, d declares) {
	for i := range d.Extensions().Len() {
		// Two with one name or number cannot be in files that fit together.
		_ = types.RegisterExtension(dynamicpb.NewExtensionType(d.Extensions().Get(i)))
	}
	for i := range d.Messages().Len() {
		addExtensions(types, d.Messages().Get(i))
	}
}
