package schema

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// FuzzCompile compiles whatever a backend may send as its descriptors, and checks
// what doors rely on. Bytes that are descriptors are also mixed up part by part, so that
// what comes out still is.
func FuzzCompile(f *testing.F) {
	for _, seed := range fuzzSeeds(f) {
		for mix := range uint64(50) {
			f.Add(seed, mix)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, mix uint64) {
		set := new(descriptorpb.FileDescriptorSet)
		if len(data) > 1<<16 || proto.Unmarshal(data, set) != nil {
			return
		}
		if mix > 0 {
			mixUp(set, rand.New(rand.NewPCG(mix, 0)))
		}
		files, err := NewFiles(set, nil)
		if err != nil {
			return
		}
		in := Input{Backends: []BackendFiles{{Name: "a", Files: files}, {Name: "b", Files: files}}}
		snapshot, problems := Compile(in)
		checkSnapshot(t, snapshot)
		in.Names = snapshot.Names
		again, problemsAgain := Compile(in)
		if summarize(snapshot, problems) != summarize(again, problemsAgain) || snapshot.Digest != again.Digest {
			t.Errorf("not stable:\n%s\n%s", summarize(snapshot, problems), summarize(again, problemsAgain))
		}
	})
}

// mixUp changes some parts of a message: each takes over a field from another part
// of its type, repeats an element, or loses a field.
func mixUp(m proto.Message, random *rand.Rand) {
	parts := partsOf(nil, m.ProtoReflect())
	for range 1 + random.IntN(6) {
		to, from := parts[random.IntN(len(parts))], parts[random.IntN(len(parts))]
		fields := to.Descriptor().Fields()
		fd := fields.Get(random.IntN(fields.Len()))
		switch {
		case random.IntN(3) == 0:
			to.Clear(fd)
		case to.Descriptor() != from.Descriptor() || !from.Has(fd):
		case !fd.IsList():
			to.Set(fd, from.Get(fd))
		default:
			list := from.Get(fd).List()
			to.Mutable(fd).List().Append(copied(fd, list.Get(random.IntN(list.Len()))))
		}
	}
}

func copied(fd protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	if fd.Message() == nil {
		return v
	}
	return protoreflect.ValueOfMessage(proto.Clone(v.Message().Interface()).ProtoReflect())
}

// partsOf returns a message and all that it contains and that has fields.
func partsOf(parts []protoreflect.Message, m protoreflect.Message) []protoreflect.Message {
	if m.Descriptor().Fields().Len() > 0 {
		parts = append(parts, m)
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				parts = partsOf(parts, v.List().Get(i).Message())
			}
		default:
			parts = partsOf(parts, v.Message())
		}
		return true
	})
	return parts
}

func fuzzSeeds(f *testing.F) [][]byte {
	var seeds [][]byte
	for _, text := range []string{
		oneService,
		`name: "a.proto" syntax: "proto3" dependency: "google/api/annotations.proto" package: "p"
		message_type {
			name: "M"
			field { name: "of" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".p.M.N" oneof_index: 0 }
			field { name: "e" number: 2 label: LABEL_REPEATED type: TYPE_ENUM type_name: ".p.E" }
			field { name: "by" number: 3 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".p.M.ByEntry" }
			nested_type { name: "N" }
			nested_type { name: "ByEntry" options { map_entry: true }
				field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
				field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".p.M.N" } }
			oneof_decl { name: "one" }
		}
		enum_type { name: "E" value { name: "A" number: 0 } }
		service {
			name: "S"
			options { [protean.options.v1.service] { graphql { prefix: "s" } policy { timeout { call { seconds: 1 } } } } }
			method { name: "Get" input_type: ".p.M" output_type: ".p.M" options {
				idempotency_level: NO_SIDE_EFFECTS
				[google.api.http] { get: "/x" additional_bindings { custom { kind: "HEAD" path: "/y" } } } } }
			method { name: "Watch" input_type: ".p.M" output_type: ".p.M" server_streaming: true }
		}`,
		`name: "b.proto" edition: EDITION_2023 syntax: "editions" package: "p.q"
		message_type { name: "M" extension_range { start: 4 end: 2147483647 } options { message_set_wire_format: true } }
		extension { name: "x" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".p.q.M" extendee: ".p.q.M" }
		service { name: "S" method { name: "M" input_type: ".p.q.M" output_type: ".p.q.M" } }`,
	} {
		seed, err := proto.Marshal(filesOf(f, text))
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

func checkSnapshot(t *testing.T, s *Snapshot) {
	t.Helper()
	for path, m := range s.Methods {
		if m.Path != path || m.Input == nil || m.Output == nil || m.Policy == nil || m.Options == nil || m.Service.Options == nil {
			t.Errorf("method %s is not complete", path)
		}
		if m.Operation != Hidden && s.Names.Field(m.FullName()) == "" {
			t.Errorf("method %s has no name in the graph", path)
		}
	}
	checkNames(t, s.Names.Types)
	checkNames(t, s.Names.Fields)
}

func checkNames(t *testing.T, names map[string]string) {
	t.Helper()
	owners := make(map[string]string)
	for owner, name := range names {
		if !isGraphQLName(name) {
			t.Errorf("%s has the name %q", owner, name)
		}
		if other, ok := owners[name]; ok {
			t.Errorf("%s and %s both have the name %s", owner, other, name)
		}
		owners[name] = owner
	}
}
