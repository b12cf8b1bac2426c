package gate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

var (
	bufPath  = flag.String("buf", "", "the buf to compare with; empty: the comparison is left out")
	bufSeed  = flag.Uint64("seed", 0, "of the changes; 0: another one each time")
	bufCases = flag.Int("cases", 200, "how many changed files are compared")
)

// TestBufBreaking changes files at random, and asks `buf breaking` about each with its rules
// for wire and JSON: what it takes for breaking is at least dangerous here.
func TestBufBreaking(t *testing.T) {
	if *bufPath == "" {
		t.Skip("needs buf; `make breaking` builds it and runs this")
	}
	seed := *bufSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	old, updated := make(map[string]string), make(map[string]string)
	for i := range *bufCases {
		name := fmt.Sprintf("case%d", i)
		file := randomFile(r)
		old[name+"/shop.proto"] = file.print(name)
		file.change(r)
		updated[name+"/shop.proto"] = file.print(name)
	}
	oldFiles, updatedFiles := rpctest.Files(t, old), rpctest.Files(t, updated)
	broken := bufBreaking(t, oldFiles, updatedFiles)
	worst := worstByCase(compare(t, compiled(t, oldFiles), compiled(t, updatedFiles)))
	agreed := 0
	for name, rules := range broken {
		if worst[name] >= Dangerous {
			agreed++
			continue
		}
		t.Errorf("%s: buf finds %s, the gate only what is %v\n--- old\n%s--- new\n%s", name, rules, worst[name], old[name+"/shop.proto"], updated[name+"/shop.proto"])
	}
	if agreed == 0 {
		t.Error("buf finds nothing: the comparison is idle")
	}
	t.Logf("%d of %d changes are breaking by buf, and at least dangerous here", agreed, *bufCases)
}

func compiled(t *testing.T, files *schema.Files) Views {
	t.Helper()
	return compiledWith(t, files, nil)
}

func compiledWith(t *testing.T, files *schema.Files, names *schema.Names) Views {
	t.Helper()
	snapshot := rpctest.CompileInput(t, schema.Input{Backends: []schema.BackendFiles{{Name: "shop", Files: files}}, Names: names})
	rest, _ := translate.NewREST(snapshot, nil, translate.RESTOptions{})
	g, _ := graph.New(snapshot, nil, graph.Options{})
	policies, _ := auth.Compile(snapshot, auth.PolicyOptions{})
	return Views{Snapshot: snapshot, REST: rest, Graph: g, Access: policies}
}

// worstByCase looks at what both judge: wire and JSON.
func worstByCase(findings []Finding) map[string]Severity {
	worst := make(map[string]Severity)
	for _, f := range findings {
		if name, _, _ := strings.Cut(f.Element, "."); f.Surface == Wire || f.Surface == JSON {
			worst[name] = max(worst[name], f.Severity)
		}
	}
	return worst
}

// bufBreaking returns the rules that buf says are broken, by case.
func bufBreaking(t *testing.T, old, updated *schema.Files) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command(*bufPath, "breaking", write(t, dir, "new.binpb", updated), "--against", write(t, dir, "old.binpb", old),
		"--config", `{"version":"v2","breaking":{"use":["WIRE_JSON"]}}`, "--error-format", "json", "--exclude-imports")
	command.Dir = dir
	command.Stderr = os.Stderr
	out, err := command.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	broken := make(map[string][]string)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var found struct{ Path, Type string }
		if err := json.Unmarshal(lines.Bytes(), &found); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		name := filepath.Dir(found.Path)
		broken[name] = append(broken[name], found.Type)
	}
	return broken
}

func write(t *testing.T, dir, name string, files *schema.Files) string {
	t.Helper()
	data, err := proto.Marshal(files.Set)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// randomProto is a file with one message and one enum that can be changed.
type randomProto struct {
	fields   []randomField
	values   []randomValue
	reserved []string // statements
	freed    []string // statements of the enum
}

type randomField struct {
	label, kind, name, options string
	number                     int
	oneof                      bool
}

type randomValue struct {
	name   string
	number int
}

var (
	randomKinds = []string{
		"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
		"bool", "float", "double", "string", "bytes", "Kind", "Other", "Another", "map<string, int32>", "map<string, Other>",
	}
	randomLabels = []string{"", "optional ", "repeated "}
)

func randomFile(r *rand.Rand) *randomProto {
	f := new(randomProto)
	for i := range 6 {
		f.fields = append(f.fields, randomField{name: fmt.Sprintf("field_%d", i+1), number: i + 1})
		f.fields[i].retype(r)
		f.fields[i].oneof = i >= 4 && f.fields[i].label == "" && !strings.HasPrefix(f.fields[i].kind, "map")
	}
	for i := range 4 {
		f.values = append(f.values, randomValue{fmt.Sprintf("KIND_%d", i), i})
	}
	return f
}

func (f *randomField) retype(r *rand.Rand) {
	f.kind = randomKinds[r.IntN(len(randomKinds))]
	f.relabel(r)
}

func (f *randomField) relabel(r *rand.Rand) {
	f.label = randomLabels[r.IntN(len(randomLabels))]
	if strings.HasPrefix(f.kind, "map") || f.oneof {
		f.label = ""
	}
	if strings.HasPrefix(f.kind, "map") {
		f.oneof = false
	}
}

// change makes one change, and some more at times.
func (f *randomProto) change(r *rand.Rand) {
	for range 1 + r.IntN(2) {
		i := r.IntN(len(f.fields))
		field := &f.fields[i]
		switch r.IntN(10) {
		case 0:
			if r.IntN(2) == 0 {
				f.reserved = append(f.reserved, fmt.Sprintf("reserved %d;", field.number))
			}
			if r.IntN(2) == 0 {
				f.reserved = append(f.reserved, fmt.Sprintf("reserved %q;", field.name))
			}
			f.fields = slices.Delete(f.fields, i, i+1)
		case 1, 2, 3:
			field.retype(r)
		case 4:
			field.relabel(r)
		case 5:
			field.name = fmt.Sprintf("other_%d", r.IntN(1_000_000))
		case 6:
			field.options = fmt.Sprintf(` [json_name = "n%d"]`, r.IntN(1_000_000))
		case 7:
			if field.label == "" && !strings.HasPrefix(field.kind, "map") {
				field.oneof = !field.oneof
			}
		case 8:
			f.changeEnum(r)
		case 9:
			f.fields = append(f.fields, randomField{kind: "string", name: fmt.Sprintf("new_%d", r.IntN(1_000_000)), number: 100 + r.IntN(1000)})
		}
	}
}

func (f *randomProto) changeEnum(r *rand.Rand) {
	i := 1 + r.IntN(len(f.values)-1)
	switch r.IntN(3) {
	case 0:
		f.freed = append(f.freed, fmt.Sprintf("reserved %d;", f.values[i].number))
		f.values = slices.Delete(f.values, i, i+1)
	case 1:
		f.values[i].name = fmt.Sprintf("KIND_OTHER_%d", r.IntN(1_000_000))
	default:
		f.values[i].number = 100 + r.IntN(1000)
	}
}

func (f *randomProto) print(pkg string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = \"proto3\";\npackage %s;\n", pkg)
	b.WriteString("service Shop { rpc Get(Request) returns (Answer); }\nmessage Request { Item item = 1; }\nmessage Answer { Item item = 1; Kind kind = 2; }\n")
	b.WriteString("message Other { string a = 1; }\nmessage Another { string b = 1; }\nmessage Item {\n")
	for _, statement := range f.reserved {
		fmt.Fprintf(&b, "  %s\n", statement)
	}
	var members strings.Builder
	for _, field := range f.fields {
		to := &b
		if field.oneof {
			to = &members
		}
		fmt.Fprintf(to, "  %s%s %s = %d%s;\n", field.label, field.kind, field.name, field.number, field.options)
	}
	if members.Len() > 0 {
		fmt.Fprintf(&b, "  oneof which {\n%s  }\n", members.String())
	}
	b.WriteString("}\nenum Kind {\n")
	for _, statement := range f.freed {
		fmt.Fprintf(&b, "  %s\n", statement)
	}
	for _, v := range f.values {
		fmt.Fprintf(&b, "  %s = %d;\n", v.name, v.number)
	}
	b.WriteString("}\n")
	return b.String()
}
