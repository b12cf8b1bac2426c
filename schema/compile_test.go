package schema

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

var updateCompile = flag.Bool("update", false, "write what Compile makes into testdata/compile")

// TestCompile compiles the backends of each case, whose files stand in folders named
// after them, under config.txtpb, what registered.txtpb says while the gateway runs, and the lock names.json, and compares the summary with `want`.
func TestCompile(t *testing.T) {
	paths, err := filepath.Glob("testdata/compile/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, want := readCase(t, archive)
			snapshot, problems := Compile(in)
			got := summarize(snapshot, problems)
			if *updateCompile {
				writeWant(t, path, archive, got)
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			checkStable(t, in, snapshot, got)
		})
	}
}

// checkStable compiles again, from scratch and with the names that came out.
func checkStable(t *testing.T, in Input, first *Snapshot, summary string) {
	t.Helper()
	again, problems := Compile(in)
	if got := summarize(again, problems); got != summary || again.Digest != first.Digest {
		t.Errorf("compiled again, the same input gives another snapshot:\n%s", got)
	}
	in.Names = first.Names
	locked, problems := Compile(in)
	if got := summarize(locked, problems); got != summary || locked.Digest != first.Digest {
		t.Errorf("compiled with its own names, the input gives another snapshot:\n%s", got)
	}
	for _, b := range in.Backends {
		if digest, err := digestFiles(b.Files); err != nil || digest != b.Files.Digest {
			t.Errorf("the files of backend %q were changed", b.Name)
		}
	}
}

// readCase makes the input that an archive describes. Backends come in the order of
// their first files.
func readCase(t *testing.T, archive *txtar.Archive) (Input, string) {
	t.Helper()
	var in Input
	var order []string
	want := ""
	config, registered := new(configv1.Config), new(configv1.Config)
	sources := make(map[string]protoSources)
	for _, f := range archive.Files {
		backend, path, ok := strings.Cut(f.Name, "/")
		switch {
		case f.Name == "want":
			want = string(f.Data)
		case f.Name == "config.txtpb":
			if err := prototext.Unmarshal(f.Data, config); err != nil {
				t.Fatal(err)
			}
		case f.Name == "registered.txtpb":
			if err := prototext.Unmarshal(f.Data, registered); err != nil {
				t.Fatal(err)
			}
		case f.Name == "names.json":
			names, err := ParseNames(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			in.Names = names
		case ok:
			if sources[backend] == nil {
				sources[backend] = make(protoSources)
				order = append(order, backend)
			}
			sources[backend][path] = f.Data
		}
	}
	in.Overlays, in.Policies = config.GetOverlays(), config.GetPolicies()
	in.RegisteredFields, in.Registered = registered.GetOverlays(), registered.GetPolicies()
	in.AIPVerbsOff = config.GetGraphql() != nil && config.GetGraphql().AipVerbs != nil && !config.GetGraphql().GetAipVerbs()
	in.PrefixFields = config.GetGraphql().GetPrefixFields()
	for _, name := range order {
		in.Backends = append(in.Backends, BackendFiles{
			Name:   name,
			Files:  loadCase(t, sources[name]),
			Served: servedIn(config, name),
		})
	}
	return in, want
}

func loadCase(t *testing.T, sources protoSources) *Files {
	t.Helper()
	for path, data := range sources {
		if link, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "file:"); ok {
			text, err := os.ReadFile(link)
			if err != nil {
				t.Fatal(err)
			}
			sources[path] = text
		}
	}
	files, err := sources.load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func servedIn(config *configv1.Config, backend string) []string {
	for _, b := range config.GetBackends() {
		if b.GetName() == backend {
			return b.GetServices()
		}
	}
	return nil
}

func writeWant(t *testing.T, path string, archive *txtar.Archive, got string) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// summarize writes what a snapshot holds, line by line.
func summarize(s *Snapshot, problems []Problem) string {
	var b strings.Builder
	for _, service := range s.Services {
		fmt.Fprintf(&b, "service %s of %s\n", service.FullName(), service.Backend.Name)
		for _, m := range service.Methods {
			summarizeMethod(&b, m)
		}
	}
	summarizeNames(&b, "type", s.Names.Types)
	summarizeNames(&b, "root", s.Names.Fields)
	for _, p := range problems {
		fmt.Fprintf(&b, "%s\n", p)
	}
	return b.String()
}

func summarizeMethod(b *strings.Builder, m *Method) {
	words := []string{[]string{"hidden", "query", "mutation", "subscription"}[m.Operation]}
	switch {
	case m.NoSideEffects:
		words = append(words, "no-side-effects")
	case m.Idempotent:
		words = append(words, "idempotent")
	}
	if want := map[bool]string{false: "30s", true: "0s"}[m.Streams()]; m.Timeout.String() != want {
		words = append(words, "timeout="+m.Timeout.String())
	}
	if m.Limits != new(compiler).limits(&Method{Policy: new(policyv1.Policy)}) {
		words = append(words, fmt.Sprintf("limits=%v", m.Limits))
	}
	if m.AttemptTimeout > 0 {
		words = append(words, fmt.Sprintf("attempt=%v", m.AttemptTimeout))
	}
	if r := m.Retry; r.Attempts > 1 {
		words = append(words, fmt.Sprintf("retry=%dx%v…%v", r.Attempts, r.InitialBackoff, r.MaxBackoff))
		for code := range codes.Code(32) {
			if r.Retryable(code) {
				words = append(words, code.String())
			}
		}
	}
	fmt.Fprintf(b, "  %s %s\n", m.Descriptor.Name(), strings.Join(words, " "))
	for _, binding := range m.Bindings {
		fmt.Fprintf(b, "    %s %s body=%q response_body=%q at %s\n",
			binding.Verb, binding.Template, binding.Body, binding.ResponseBody, binding.Position)
	}
	if proto.Size(m.Policy) > 0 {
		// The text format varies its spaces.
		fmt.Fprintf(b, "    policy %s\n", strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m.Policy)), " "))
	}
}

func summarizeNames(b *strings.Builder, kind string, names map[string]string) {
	var full []string
	for name := range names {
		full = append(full, name)
	}
	slices.Sort(full)
	for _, name := range full {
		fmt.Fprintf(b, "%s %s = %s\n", kind, name, names[name])
	}
}

// filesOf makes files of descriptors in the text format.
func filesOf(t testing.TB, texts ...string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	for _, text := range texts {
		f := new(descriptorpb.FileDescriptorProto)
		if err := prototext.Unmarshal([]byte(text), f); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, f)
	}
	return set
}
