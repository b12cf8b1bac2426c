package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func paths(f *Files) []string {
	var list []string
	for _, file := range f.Set.GetFile() {
		list = append(list, file.GetName())
	}
	return list
}

func TestNewFilesSorts(t *testing.T) {
	a := `name: "a.proto" dependency: "c.proto" dependency: "google/rpc/status.proto"`
	b := `name: "b.proto"`
	c := `name: "c.proto" dependency: "b.proto"`
	want := []string{"b.proto", "c.proto", "google/protobuf/any.proto", "google/rpc/status.proto", "a.proto"}
	var digest string
	for _, order := range [][]string{{a, b, c}, {c, b, a}, {b, a, c, a}} {
		files, err := NewFiles(filesOf(t, order...), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := paths(files); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if digest != "" && files.Digest != digest {
			t.Error("another order of the same files gives another digest")
		}
		digest = files.Digest
	}
}

func TestNewFilesSelectsServices(t *testing.T) {
	set := filesOf(t,
		`name: "a.proto" package: "a" service { name: "B" } service { name: "A" }`,
		`name: "root.proto" service { name: "Root" }`,
		`name: "r.proto" package: "grpc.reflection.v1" service { name: "ServerReflection" }`,
		`name: "h.proto" package: "grpc.health.v1" service { name: "Health" }`)
	tests := []struct{ wanted, want []string }{
		{nil, []string{"Root", "a.A", "a.B"}},
		{[]string{}, nil},
		{[]string{"a.B", "Root", "a.B", "grpc.health.v1.Health"}, []string{"Root", "a.B"}},
	}
	for _, test := range tests {
		files, err := NewFiles(set, test.wanted)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(files.Services, test.want) {
			t.Errorf("of %q: got %q, want %q", test.wanted, files.Services, test.want)
		}
	}
}

// TestNewFilesParsesOptions gives one http rule as unknown bytes and as a dynamic message.
func TestNewFilesParsesOptions(t *testing.T) {
	rule, err := proto.Marshal(&annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/x"}})
	if err != nil {
		t.Fatal(err)
	}
	number := annotations.E_Http.TypeDescriptor().Number()
	unknown := new(descriptorpb.MethodOptions)
	unknown.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), rule))

	extension := dynamicpb.NewExtensionType(annotations.E_Http.TypeDescriptor().Descriptor())
	value := extension.New()
	if err := proto.Unmarshal(rule, value.Message().Interface()); err != nil {
		t.Fatal(err)
	}
	dynamic := new(descriptorpb.MethodOptions)
	dynamic.ProtoReflect().Set(extension.TypeDescriptor(), value)

	for name, options := range map[string]*descriptorpb.MethodOptions{"unknown": unknown, "dynamic": dynamic} {
		set := filesOf(t, `name: "a.proto" service { name: "S" method { name: "M" } }`)
		set.File[0].Service[0].Method[0].Options = options
		files, err := NewFiles(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		parsed := files.Set.File[0].Service[0].Method[0].Options
		if !proto.HasExtension(parsed, annotations.E_Http) {
			t.Fatalf("%s: the extension is not set", name)
		}
		if got := proto.GetExtension(parsed, annotations.E_Http).(*annotations.HttpRule).GetGet(); got != "/x" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestNewFilesDoesNotChangeTheSet(t *testing.T) {
	set := filesOf(t, `name: "b.proto" dependency: "google/protobuf/any.proto"
		message_type { name: "M" extension_range { start: 4 end: 2147483647 } options { message_set_wire_format: true } }`,
		`name: "a.proto"`)
	before := proto.CloneOf(set)
	if _, err := NewFiles(set, nil); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(before, set) {
		t.Error("the set was changed")
	}
}

// TestMessageSetDoesNotHideServices compiles a file with a MessageSet, which
// protodesc refuses, and looks for the service beside it.
func TestMessageSetDoesNotHideServices(t *testing.T) {
	files, err := NewFiles(filesOf(t, `name: "old.proto" package: "old"
		message_type {
			name: "Set" extension_range { start: 4 end: 2147483647 } options { message_set_wire_format: true }
		}
		message_type {
			name: "Item"
			extension { name: "small" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".old.Item" extendee: ".old.Set" }
			extension { name: "large" number: 536870912 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".old.Item" extendee: ".old.Set" }
		}
		service { name: "S" method { name: "Get" input_type: ".old.Set" output_type: ".old.Item" } }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems := Compile(Input{Backends: []BackendFiles{{Name: "old", Files: files}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	m := snapshot.Method("/old.S/Get")
	if m == nil {
		t.Fatal("there is no method")
	}
	if fields := m.Input.Fields(); len(fields) != 1 || fields[0].JSONName() != "[old.Item.small]" {
		t.Errorf("the set has the fields %v", fields)
	}
}

func TestMissingImports(t *testing.T) {
	const message = `message_type { name: "M" }`
	tests := []struct{ name, importing, imported string }{
		{"moved up", `dependency: "proto/b.proto"`, "b.proto"},
		{"moved down", `dependency: "b.proto"`, "proto/b.proto"},
		{"public", `dependency: "gone.proto" dependency: "b.proto" public_dependency: 0 public_dependency: 1`, "b.proto"},
		{"another name", `dependency: "ab.proto"`, "b.proto"},
		{"another case", `dependency: "B.proto"`, "b.proto"},
		{"not imported", ``, "b.proto"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, err := NewFiles(filesOf(t,
				fmt.Sprintf(`name: "a.proto" %s message_type { name: "N"
					field { name: "m" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".M" } }`, test.importing),
				fmt.Sprintf(`name: %q %s`, test.imported, message)), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, problems := Compile(Input{Backends: []BackendFiles{{Name: "x", Files: files}}})
			if len(problems) > 0 {
				t.Error(problems)
			}
		})
	}
}

func TestNewFilesRefuses(t *testing.T) {
	tests := []struct {
		name, want string
		set        *descriptorpb.FileDescriptorSet
	}{
		{"no path", "a file has no path", filesOf(t, `package: "a"`)},
		{"odd path", `the path of file "a\nb" has characters that are not text`, filesOf(t, `name: "a\nb"`)},
		{"unknown service", `no file declares the service "a.S"`, filesOf(t, `name: "a.proto"`)},
		{"cycle", "files import each other: a → b → c → a",
			filesOf(t, `name: "a" dependency: "b"`, `name: "b" dependency: "c"`, `name: "c" dependency: "a"`)},
		{"own import", "files import each other: a → a", filesOf(t, `name: "a" dependency: "a"`)},
		{"bad option", "a.proto: options cannot be read: ", badOption(t)},
		{"bytes", "the limit is 33554432", large(func(f *descriptorpb.FileDescriptorProto) {
			f.Package = proto.String(strings.Repeat("x", maxFilesBytes))
		})},
		{"files", "there are 5001 files; the limit is 5000", manyFiles(maxFiles+1, nil)},
		{"messages", "there are 50001 messages; the limit is 50000", large(func(f *descriptorpb.FileDescriptorProto) {
			for range maxMessages + 1 {
				f.MessageType = append(f.MessageType, &descriptorpb.DescriptorProto{})
			}
		})},
		{"fields", "there are 600001 fields; the limit is 600000", large(func(f *descriptorpb.FileDescriptorProto) {
			for range maxFields / maxMessageFields {
				f.MessageType = append(f.MessageType, wide(maxMessageFields))
			}
			f.Extension = append(f.Extension, &descriptorpb.FieldDescriptorProto{})
		})},
		{"fields of one message", "a message has 5001 fields; the limit is 5000", large(func(f *descriptorpb.FileDescriptorProto) {
			f.MessageType = append(f.MessageType, wide(maxMessageFields+1))
		})},
		{"values of one enum", "an enum has 20001 values; the limit is 20000", large(func(f *descriptorpb.FileDescriptorProto) {
			f.EnumType = append(f.EnumType, &descriptorpb.EnumDescriptorProto{Value: make([]*descriptorpb.EnumValueDescriptorProto, maxOneEnumValues+1)})
		})},
		{"values of enums", "there are 120000 values of enums; the limit is 100000", large(func(f *descriptorpb.FileDescriptorProto) {
			for range 6 {
				f.EnumType = append(f.EnumType, &descriptorpb.EnumDescriptorProto{Value: make([]*descriptorpb.EnumValueDescriptorProto, maxOneEnumValues)})
			}
		})},
		{"methods", "there are 12001 methods; the limit is 12000", large(func(f *descriptorpb.FileDescriptorProto) {
			f.Service = []*descriptorpb.ServiceDescriptorProto{called(maxMethods, ""), called(1, "")}
		})},
		{"fields of requests", "the requests of all methods have 305000 fields; the limit is 300000", large(func(f *descriptorpb.FileDescriptorProto) {
			f.MessageType = append(f.MessageType, wide(maxMessageFields))
			f.Service = append(f.Service, called(maxRequestFields/maxMessageFields+1, ".Wide"))
		})},
		{"nesting", "messages are nested 33 deep; the limit is 32", large(func(f *descriptorpb.FileDescriptorProto) {
			var m *descriptorpb.DescriptorProto
			for range maxNesting + 1 {
				m = &descriptorpb.DescriptorProto{NestedType: []*descriptorpb.DescriptorProto{m}}
				if m.NestedType[0] == nil {
					m.NestedType = nil
				}
			}
			f.MessageType = append(f.MessageType, m)
		})},
		{"imports", "there are 50001 imports; the limit is 50000", large(func(f *descriptorpb.FileDescriptorProto) {
			f.Dependency = make([]string, maxImports+1)
		})},
		{"public imports", "too many ways lead through public imports", manyFiles(60, func(i int, f *descriptorpb.FileDescriptorProto) {
			for j := range min(i, 2) {
				f.Dependency = append(f.Dependency, fmt.Sprintf("%04d.proto", i-1-j))
				f.PublicDependency = append(f.PublicDependency, int32(j))
			}
		})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var services []string
			if test.name == "unknown service" {
				services = []string{"a.S"}
			}
			_, err := NewFiles(test.set, services)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func wide(fields int) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String("Wide")}
	for range fields {
		m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{})
	}
	return m
}

func called(methods int, input string) *descriptorpb.ServiceDescriptorProto {
	s := new(descriptorpb.ServiceDescriptorProto)
	for range methods {
		s.Method = append(s.Method, &descriptorpb.MethodDescriptorProto{InputType: &input})
	}
	return s
}

func large(fill func(*descriptorpb.FileDescriptorProto)) *descriptorpb.FileDescriptorSet {
	f := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto")}
	fill(f)
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{f}}
}

func manyFiles(n int, fill func(int, *descriptorpb.FileDescriptorProto)) *descriptorpb.FileDescriptorSet {
	set := new(descriptorpb.FileDescriptorSet)
	for i := range n {
		f := &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprintf("%04d.proto", i))}
		if fill != nil {
			fill(i, f)
		}
		set.File = append(set.File, f)
	}
	return set
}

// badOption has an http rule that ends too early.
func badOption(t *testing.T) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := filesOf(t, `name: "a.proto" service { name: "S" method { name: "M" options {} } }`)
	tag := protowire.AppendTag(nil, annotations.E_Http.TypeDescriptor().Number(), protowire.BytesType)
	var unknown protoreflect.RawFields = append(tag, 1, 0xff)
	set.File[0].Service[0].Method[0].Options.ProtoReflect().SetUnknown(unknown)
	return set
}
