package schema

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// twoBackends both have p.Same, and only the second has p.Other and an extension of p.Same.
func twoBackends(t *testing.T) *Snapshot {
	t.Helper()
	const same = `name: "p.proto" package: "p" message_type { name: "Same" extension_range { start: 10 end: 20 } }`
	var in Input
	for name, text := range map[string]string{"one": same, "two": same + `
		message_type { name: "Other" extension {
			name: "tag" number: 10 label: LABEL_OPTIONAL type: TYPE_STRING extendee: ".p.Same" } }
		extension { name: "first" number: 11 label: LABEL_OPTIONAL type: TYPE_STRING extendee: ".p.Same" }
		enum_type { name: "Kind" value { name: "A" number: 0 } }
		service { name: "S" method { name: "Get" input_type: ".p.Same" output_type: ".p.Other" } }`} {
		files, err := NewFiles(filesOf(t, text), nil)
		if err != nil {
			t.Fatal(err)
		}
		in.Backends = append(in.Backends, BackendFiles{Name: name, Files: files})
	}
	if in.Backends[0].Name != "one" {
		in.Backends[0], in.Backends[1] = in.Backends[1], in.Backends[0]
	}
	snapshot, problems := Compile(in)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return snapshot
}

func TestSnapshotFindsMessages(t *testing.T) {
	s := twoBackends(t)
	for name, want := range map[protoreflect.FullName]string{"p.Same": "one", "p.Other": "two"} {
		m := s.FindMessage(name)
		if m == nil {
			t.Fatalf("there is no %s", name)
		}
		for _, b := range s.Backends {
			file, err := b.Files.FindFileByPath("p.proto")
			if err != nil {
				t.Fatal(err)
			}
			if (file == m.Descriptor().ParentFile()) != (b.Name == want) {
				t.Errorf("%s is not that of backend %s", name, want)
			}
		}
	}
	for _, name := range []protoreflect.FullName{"p.Kind", "p.Missing", "google.rpc.ErrorInfo", ""} {
		if m := s.FindMessage(name); m != nil {
			t.Errorf("no backend has a message %q", name)
		}
	}
}

func TestSnapshotResolver(t *testing.T) {
	r := twoBackends(t).Resolver()
	for _, name := range []protoreflect.FullName{
		"p.Other", "google.rpc.ErrorInfo", "google.rpc.BadRequest.FieldViolation", "google.protobuf.Timestamp",
	} {
		if md := r.FindMessageByName(name); md == nil || md.FullName() != name {
			t.Errorf("%s is not found", name)
		}
	}
	for _, name := range []protoreflect.FullName{"p.Missing", "google.rpc.Code", "google.api.HttpRule", "protean.config.v1.Config"} {
		if md := r.FindMessageByName(name); md != nil {
			t.Errorf("%s is found", name)
		}
	}
	var numbers []protoreflect.FieldNumber
	for _, x := range r.ExtensionsOf("p.Same") {
		numbers = append(numbers, x.Number())
	}
	if len(numbers) != 2 || numbers[0] != 10 || numbers[1] != 11 {
		t.Errorf("the extensions are %v", numbers)
	}
}

func TestSnapshotFindsMethods(t *testing.T) {
	s := twoBackends(t)
	if m := s.Method("/p.S/Get"); m == nil || m.Service != s.Service("p.S") || m.FullName() != "p.S.Get" {
		t.Errorf("got %v", m)
	}
	if s.Method("p.S.Get") != nil || s.Method("/p.S/Put") != nil || s.Service("p.T") != nil {
		t.Error("what is not there is found")
	}
}
