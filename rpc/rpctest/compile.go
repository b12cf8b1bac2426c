package rpctest

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
)

// BackendName is the name of the one backend in a snapshot of [Compile].
const BackendName = "backend"

// Files compiles .proto sources, by path, to the files of a backend.
func Files(t testing.TB, sources map[string]string) *schema.Files {
	t.Helper()
	dir := t.TempDir()
	for path, text := range sources {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := (&schema.ProtoFolder{Dir: dir}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Compile makes a snapshot of .proto sources, by path, of the one backend [BackendName].
func Compile(t testing.TB, sources map[string]string) *schema.Snapshot {
	t.Helper()
	return CompileInput(t, schema.Input{Backends: []schema.BackendFiles{
		{Name: BackendName, Files: Files(t, sources)},
	}})
}

// CompileWith is [Compile] with a policy for all methods.
func CompileWith(t testing.TB, policy *policyv1.Policy, sources map[string]string) *schema.Snapshot {
	t.Helper()
	return CompileInput(t, schema.Input{
		Backends: []schema.BackendFiles{{Name: BackendName, Files: Files(t, sources)}},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: policy}},
	})
}

// CompileInput compiles, and fails the test at a problem that leaves something out.
func CompileInput(t testing.TB, in schema.Input) *schema.Snapshot {
	t.Helper()
	snap, problems := schema.Compile(in)
	for _, p := range problems {
		if p.Severity == schema.Error {
			t.Fatalf("%s %s: %s", p.Position, p.Element, p.Message)
		}
	}
	return snap
}

// Method returns a method by its path, and fails the test where there is none.
func Method(t testing.TB, snap *schema.Snapshot, path string) *schema.Method {
	t.Helper()
	m := snap.Methods[path]
	if m == nil {
		t.Fatalf("the snapshot has no method %s", path)
	}
	return m
}

// Message returns the wire form of a message given as JSON.
func Message(t testing.TB, md protoreflect.MessageDescriptor, json string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	if err := protojson.Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
