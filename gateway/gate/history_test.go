package gate

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/schema"
)

var historyFolder = flag.String("history", "", "a folder for descriptors of released APIs, which are fetched; empty: their comparison is left out")

// release is one version of an API's Go module.
type release struct{ module, version, packages string }

// histories are public APIs at two releases each, far apart.
var histories = []struct {
	name     string
	old, new release
	below    string // of the proto packages that belong to it
}{
	{
		"OpenTelemetry",
		release{"go.opentelemetry.io/proto/otlp", "v0.7.0", "go.opentelemetry.io/proto/otlp/..."},
		release{"go.opentelemetry.io/proto/otlp", "v1.11.1", "go.opentelemetry.io/proto/otlp/..."},
		"opentelemetry.",
	},
	{
		"containerd",
		release{"github.com/containerd/containerd/api", "v1.8.0", "github.com/containerd/containerd/api/..."},
		release{"github.com/containerd/containerd/api", "v1.12.0", "github.com/containerd/containerd/api/..."},
		"containerd.",
	},
	{
		"Envoy",
		release{"github.com/envoyproxy/go-control-plane", "v0.10.3", "github.com/envoyproxy/go-control-plane/envoy/..."},
		release{"github.com/envoyproxy/go-control-plane/envoy", "v1.40.0", "github.com/envoyproxy/go-control-plane/envoy/..."},
		"envoy.",
	},
	{
		"Google Kubernetes Engine",
		release{"cloud.google.com/go/container", "v1.6.0", "cloud.google.com/go/container/apiv1/..."},
		release{"cloud.google.com/go/container", "v1.56.1", "cloud.google.com/go/container/apiv1/..."},
		"google.container.",
	},
}

// TestHistory compares two releases of public APIs. Everything that `buf breaking` finds on wire and JSON has
// to be at least dangerous here, and each finding of the gate has to be true by the files alone.
func TestHistory(t *testing.T) {
	if *historyFolder == "" || *bufPath == "" {
		t.Skip("needs buf and the network; `make breaking` has both")
	}
	fmt.Println("| API | releases | wire | json | rest | graphql | policy | buf | missed | false |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			oldSet, newSet := releasedSet(t, h.old), releasedSet(t, h.new)
			reachable := everythingUsed(oldSet, newSet, h.below)
			old, updated := filesOfSet(t, oldSet, reachable), filesOfSet(t, newSet, reachable)
			was := compiled(t, old)
			is := compiledWith(t, updated, was.Snapshot.Names)
			findings := compare(t, was, is)
			broken := bufFindings(t, old, updated, h.below)
			missed := missedBy(findings, broken)
			for _, m := range missed {
				t.Errorf("missed: %s: %s", m.Type, m.Message)
			}
			routes := missedRoutes(findings, was, is)
			for _, m := range routes {
				t.Errorf("missed: %s", m)
			}
			untrue := 0
			count := make(map[Surface]int)
			for _, f := range findings {
				if f.Severity < Dangerous {
					continue
				}
				count[f.Surface]++
				if why := refuted(f, was, is); why != "" {
					untrue++
					t.Errorf("false: %s %s %s: %s: %s", f.Surface, f.Rule, f.Element, f.Message, why)
				}
			}
			fmt.Printf("| %s | %s → %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", h.name, h.old.version, h.new.version,
				count[Wire], count[JSON], count[REST], count[GraphQL], count[Policy], len(broken), len(missed)+len(routes), untrue)
			if len(findings) == 0 {
				t.Error("nothing was found: the comparison is idle")
			}
		})
	}
}

// releasedSet returns all files of a release, which are kept in the folder once they were fetched.
func releasedSet(t *testing.T, r release) *descriptorpb.FileDescriptorSet {
	t.Helper()
	path := filepath.Join(*historyFolder, strings.ReplaceAll(r.module+"@"+r.version, "/", "_")+".binpb")
	raw, err := os.ReadFile(path)
	if err != nil {
		raw = dumpRelease(t, r)
		if err := errors.Join(os.MkdirAll(*historyFolder, 0o755), os.WriteFile(path, raw, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(raw, set); err != nil {
		t.Fatal(err)
	}
	return set
}

const dumpProgram = `package main

import (
%s
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	set := new(descriptorpb.FileDescriptorSet)
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
		return true
	})
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(raw)
}
`

// dumpRelease links a release's generated Go into a program of its own, since two releases do not go into one,
// and has it write the descriptors.
func dumpRelease(t *testing.T, r release) []byte {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		command := exec.Command("go", args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOLANG_PROTOBUF_REGISTRATION_CONFLICT=warn")
		var stderr bytes.Buffer
		command.Stderr = &stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		return out
	}
	run("mod", "init", "dump")
	run("get", r.module+"@"+r.version)
	listed := run("list", "-e", "-f", `{{range .GoFiles}}{{$.ImportPath}} {{.}}{{"\n"}}{{end}}`, r.packages)
	var imports []string
	for line := range strings.Lines(string(listed)) {
		if path, file, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasSuffix(file, ".pb.go") {
			imports = append(imports, fmt.Sprintf("\t_ %q", path))
		}
	}
	slices.Sort(imports)
	program := fmt.Sprintf(dumpProgram, strings.Join(slices.Compact(imports), "\n"))
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	run("mod", "tidy")
	return run("run", ".")
}

// everythingUsed is a file with a service that takes and returns each message that both releases have, and a message with
// each enum, so that also those are compared that are only sent within an Any, or as a number.
func everythingUsed(old, updated *descriptorpb.FileDescriptorSet, below string) *descriptorpb.FileDescriptorProto {
	had, has := typesOfSet(old, below), typesOfSet(updated, below)
	enums := &descriptorpb.DescriptorProto{Name: proto.String("Enums")}
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Uses")}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range had {
			if had[name] == has[name] && !yield(name) {
				return
			}
		}
	}) {
		if had[name] == enumType {
			number := int32(len(enums.Field) + 1)
			enums.Field = append(enums.Field, &descriptorpb.FieldDescriptorProto{
				Name: proto.String(fmt.Sprint("e", number)), JsonName: proto.String(fmt.Sprint("e", number)), Number: &number, TypeName: &name,
				Type: descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
			})
			continue
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(fmt.Sprint("Use", strings.ReplaceAll(name, ".", "_"))), InputType: proto.String(name), OutputType: proto.String(name),
		})
	}
	service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
		Name: proto.String("UseEnums"), InputType: proto.String(".history.Enums"), OutputType: proto.String(".history.Enums"),
	})
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String("history/uses.proto"), Package: proto.String("history"), Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{enums}, Service: []*descriptorpb.ServiceDescriptorProto{service},
	}
}

// kindOfType tells messages from enums.
type kindOfType uint8

const (
	messageType kindOfType = iota + 1
	enumType
)

// typesOfSet returns an API's messages and enums, as fields refer to them.
func typesOfSet(set *descriptorpb.FileDescriptorSet, below string) map[string]kindOfType {
	types := make(map[string]kindOfType)
	var add func(string, []*descriptorpb.DescriptorProto, []*descriptorpb.EnumDescriptorProto)
	add = func(scope string, messages []*descriptorpb.DescriptorProto, enums []*descriptorpb.EnumDescriptorProto) {
		for _, e := range enums {
			types[scope+"."+e.GetName()] = enumType
		}
		for _, m := range messages {
			if !m.GetOptions().GetMapEntry() {
				types[scope+"."+m.GetName()] = messageType
				add(scope+"."+m.GetName(), m.GetNestedType(), m.GetEnumType())
			}
		}
	}
	for _, f := range set.GetFile() {
		if strings.HasPrefix(f.GetPackage(), below) {
			add("."+f.GetPackage(), f.GetMessageType(), f.GetEnumType())
		}
	}
	return types
}

// filesOfSet adds the file that uses everything to an API's files.
func filesOfSet(t *testing.T, set *descriptorpb.FileDescriptorSet, uses *descriptorpb.FileDescriptorProto) *schema.Files {
	t.Helper()
	uses = proto.CloneOf(uses)
	var kept []*descriptorpb.FileDescriptorProto
	for _, f := range set.GetFile() {
		if f.GetPackage() == "google.protobuf" || f.GetPackage() == "ttrpc" {
			continue // the gateway has its own; nothing imports the other, which does not fit together
		}
		kept = append(kept, f)
		if len(f.GetMessageType())+len(f.GetEnumType()) > 0 {
			uses.Dependency = append(uses.Dependency, f.GetName())
		}
	}
	files, err := schema.NewFiles(&descriptorpb.FileDescriptorSet{File: append(kept, uses)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

type bufFinding struct{ Path, Type, Message string }

// bufFindings returns what buf finds in the files of an API.
func bufFindings(t *testing.T, old, updated *schema.Files, below string) []bufFinding {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command(*bufPath, "breaking", write(t, dir, "new.binpb", updated), "--against", write(t, dir, "old.binpb", old),
		"--config", `{"version":"v2","breaking":{"use":["WIRE_JSON"]}}`, "--error-format", "json")
	command.Dir = dir
	command.Stderr = os.Stderr
	out, err := command.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	for _, f := range old.Set.GetFile() {
		own[f.GetName()] = strings.HasPrefix(f.GetPackage(), below)
	}
	var found []bufFinding
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var f bufFinding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if f.Path == "" || own[f.Path] {
			found = append(found, f)
		}
	}
	return found
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// missedBy returns what buf found and the gate has nothing of at the same message, enum or service, and where buf
// names a field, a value or a method, at that.
func missedBy(findings []Finding, broken []bufFinding) (missed []bufFinding) {
	var elements []string
	for _, f := range findings {
		if f.Severity >= Dangerous && (f.Surface == Wire || f.Surface == JSON) {
			elements = append(elements, "."+f.Element+".")
		}
	}
	for _, b := range broken {
		var names []string
		for _, m := range quoted.FindAllStringSubmatch(b.Message, -1) {
			names = append(names, m[1])
		}
		if !slices.ContainsFunc(elements, func(element string) bool { return isAbout(element, names) }) {
			missed = append(missed, b)
		}
	}
	return missed
}

// isAbout reports whether an element's name ends in one that buf says, the field's name behind the message's
// in whichever order buf says them.
func isAbout(element string, names []string) bool {
	for _, name := range names {
		if len(name) > 1 && strings.Contains(element, "."+name+".") && !isNumber(name) {
			return true
		}
	}
	return false
}

func isNumber(text string) bool { return strings.Trim(text, "-0123456789") == "" }

// refuted returns why a finding cannot be true, by a look at the descriptors alone; empty where it holds.
func refuted(f Finding, was, is Views) string {
	switch f.Surface {
	case GraphQL:
		if strings.Contains(was.Graph.SDL(), coordinateName(f.Element)) || strings.Contains(is.Graph.SDL(), coordinateName(f.Element)) {
			return ""
		}
		return "neither graph has it"
	case REST:
		return refutedRoute(f, was, is)
	case Policy:
		return refutedPolicy(f, was, is)
	}
	before, after := elementOf(was.Snapshot, f.Element), elementOf(is.Snapshot, f.Element)
	switch {
	case before == "" && after == "":
		return "neither release has it"
	case before == after:
		return "both releases have it in the same way"
	}
	return ""
}

func coordinateName(coordinate string) string {
	name, _, _ := strings.Cut(coordinate, ".")
	return name
}

// elementOf writes an element as a backend declares it; empty where none does.
func elementOf(s *schema.Snapshot, name string) string {
	for _, b := range s.Backends {
		if d, err := b.Files.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
			return written(d)
		}
		// The gate says a value's enum; protobuf has the value beside it.
		of := protoreflect.FullName(name).Parent()
		if e, err := b.Files.FindDescriptorByName(of); err == nil {
			if e, ok := e.(protoreflect.EnumDescriptor); ok {
				if v := e.Values().ByName(protoreflect.FullName(name).Name()); v != nil {
					return written(v)
				}
			}
		}
	}
	return ""
}

func written(d protoreflect.Descriptor) string {
	switch d := d.(type) {
	case protoreflect.FieldDescriptor:
		oneof := ""
		if o := d.ContainingOneof(); o != nil {
			oneof = string(o.Name())
		}
		return fmt.Sprint(d.Number(), d.Kind(), d.Cardinality(), d.HasPresence(), d.JSONName(), oneof, cmp.Or(typeNamed(d), "-"), d.Options())
	case protoreflect.MethodDescriptor:
		return fmt.Sprint(d.Input().FullName(), d.Output().FullName(), d.IsStreamingClient(), d.IsStreamingServer())
	case protoreflect.EnumValueDescriptor:
		return fmt.Sprint(d.Number())
	case protoreflect.EnumDescriptor:
		text := fmt.Sprint(d.IsClosed())
		for i := range d.Values().Len() {
			text += fmt.Sprint(d.Values().Get(i).Name(), d.Values().Get(i).Number(), " ")
		}
		return text
	case protoreflect.MessageDescriptor:
		text := fmt.Sprint(d.ReservedNames(), d.ReservedRanges())
		for i := range d.Fields().Len() {
			text += written(d.Fields().Get(i)) + ";"
		}
		return text
	case protoreflect.ServiceDescriptor:
		text := ""
		for i := range d.Methods().Len() {
			text += string(d.Methods().Get(i).Name()) + written(d.Methods().Get(i)) + ";"
		}
		return text
	}
	return string(d.FullName())
}

func typeNamed(d protoreflect.FieldDescriptor) string {
	switch {
	case d.Message() != nil:
		return string(d.Message().FullName())
	case d.Enum() != nil:
		return string(d.Enum().FullName())
	}
	return ""
}
