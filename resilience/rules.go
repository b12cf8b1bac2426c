package resilience

import (
	"errors"
	"fmt"
	"slices"

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
	reached := make(map[*schema.Method][]protoreflect.MessageDescriptor)
	var all []protoreflect.MessageDescriptor
	for _, s := range b.Services {
		for _, m := range s.Methods {
			if !m.Policy.GetValidate().GetEnabled() {
				continue
			}
			compiled[m] = new(methodRules)
			if messages := reachable(m.Input.Descriptor()); hasRules(messages) {
				reached[m] = messages
				all = append(all, messages...)
			}
		}
	}
	if len(all) == 0 {
		return compiled, nil
	}
	extensions := extensionsOf(b)
	validator, err := protovalidate.New(
		protovalidate.WithMessageDescriptors(all...),
		protovalidate.WithDisableLazy(),
		protovalidate.WithExtensionTypeResolver(extensions),
	)
	var problems []schema.Problem
	predefined := extensionDescriptors(extensions)
	for m, messages := range reached {
		cost, costErr := costOf(slices.Concat(described(messages), predefined))
		compiled[m].rules, compiled[m].cost = validator, cost
		if err := errors.Join(err, costErr, broken(validator, messages)); err != nil {
			compiled[m].broken = true
			problems = append(problems, schema.Problem{
				Severity: schema.Warning,
				Backend:  b.Name,
				Element:  m.FullName(),
				Message:  fmt.Sprintf("calls are refused: a rule for the request cannot be used: %v", err),
			})
		}
	}
	return compiled, problems
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

// described returns all descriptors of messages that may have rules.
func described(messages []protoreflect.MessageDescriptor) (all []protoreflect.Descriptor) {
	for _, md := range messages {
		all = append(all, md)
		for i := range md.Fields().Len() {
			all = append(all, md.Fields().Get(i))
		}
	}
	return all
}

// extensionDescriptors returns the extensions, whose options may have predefined rules.
func extensionDescriptors(types *protoregistry.Types) (all []protoreflect.Descriptor) {
	types.RangeExtensions(func(x protoreflect.ExtensionType) bool {
		all = append(all, x.TypeDescriptor())
		return true
	})
	return all
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
