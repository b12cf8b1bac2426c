package schema

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestReflected loads the files of each archive from a reflection server that sends all of them in every
// answer, compiles them, and compares what comes of them with the file `want`. The file `listed` names further services that
// the server lists.
func TestReflected(t *testing.T) {
	paths, err := filepath.Glob("testdata/reflected/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := make(map[string]string)
			for _, file := range archive.Files {
				parts[file.Name] = string(file.Data)
			}
			set := new(descriptorpb.FileDescriptorSet)
			if err := prototext.Unmarshal([]byte(parts["descriptors.txtpb"]), set); err != nil {
				t.Fatal(err)
			}
			got := describeReflected(loadSet(t, set, strings.Fields(parts["listed"])))
			if *updateCompile {
				writeWant(t, path, archive, got)
				return
			}
			if got != parts["want"] {
				t.Errorf("got:\n%s\nwant:\n%s", got, parts["want"])
			}
		})
	}
}

// loadSet loads a set from a server that sends all of it in every answer.
func loadSet(t *testing.T, set *descriptorpb.FileDescriptorSet, listed []string) (*Files, error) {
	t.Helper()
	var raws [][]byte
	for _, file := range set.GetFile() {
		raw, err := proto.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	services := append(servicesOf(set.GetFile()), listed...)
	return loadScripted(t, scriptedReflection{answer: func(r *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
		switch {
		case r.GetListServices() != "":
			return listAnswer(services...), nil
		case slices.Contains(services, r.GetFileContainingSymbol()) && !slices.Contains(listed, r.GetFileContainingSymbol()):
			return filesAnswer(raws...), nil
		}
		return notFoundAnswer(), nil
	}})
}

// describeReflected writes the problems, methods and messages of files that the binary does not have.
func describeReflected(files *Files, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	snapshot, problems := Compile(Input{Backends: []BackendFiles{{Name: "b", Files: files}}})
	var out strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&out, p)
	}
	for _, s := range snapshot.Services {
		for _, m := range s.Methods {
			fmt.Fprintln(&out, m.Path, m.Input.Descriptor().FullName(), m.Output.Descriptor().FullName())
		}
	}
	for _, f := range snapshot.Backends[0].files {
		if linkedFile(f.Path()) != nil {
			fmt.Fprintln(&out, "known", f.Path())
			continue
		}
		fmt.Fprintln(&out, "file", f.Path(), f.Syntax())
		describeMessages(&out, f.Messages())
	}
	return out.String()
}

func describeMessages(out *strings.Builder, messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.IsMapEntry() {
			continue
		}
		fmt.Fprintln(out, "message", m.FullName())
		for j := range m.Fields().Len() {
			writeField(out, m.Fields().Get(j))
		}
		describeMessages(out, m.Messages())
	}
}

func writeField(out *strings.Builder, f protoreflect.FieldDescriptor) {
	kind := f.Kind().String()
	switch {
	case f.IsMap():
		kind = "map of " + f.MapValue().Kind().String()
	case f.Message() != nil:
		kind = string(f.Message().FullName())
	case f.Enum() != nil:
		kind = string(f.Enum().FullName())
	}
	fmt.Fprintf(out, "  %s %s %s", f.Name(), f.Cardinality(), kind)
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		fmt.Fprintf(out, " in %s", o.Name())
	}
	if f.HasOptionalKeyword() {
		fmt.Fprint(out, " with presence")
	}
	fmt.Fprintln(out)
}
