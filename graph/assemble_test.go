package graph

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// validated is what gqlparser makes of types.
func validated(definitions []*ast.Definition) (*ast.Schema, error) {
	doc := validator.PreludeDocument()
	doc.Directives = slices.DeleteFunc(doc.Directives, func(d *ast.DirectiveDefinition) bool { return d.Name == "defer" })
	doc.Definitions = append(doc.Definitions, definitions...)
	return validator.ValidateSchemaDocument(doc)
}

// TestAssemble compares the schemas of all golden cases with what gqlparser makes of the same types.
func TestAssemble(t *testing.T) {
	for _, folder := range []string{"mapping", "execute"} {
		eachCase(t, folder, func(t *testing.T, a *txtar.Archive) *txtar.Archive {
			snap, _ := compileArchive(t, a)
			options := optionsOf(t, a)
			for _, more := range []Options{options, {JoinsAIP: true, Relay: true, Federation: true}} {
				compareAssembled(t, snap, more)
			}
			return a
		})
	}
}

func compareAssembled(t *testing.T, snap *schema.Snapshot, o Options) {
	t.Helper()
	ours, err := newBuilder(snap, o).assemble()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(snap, o)
	b.buildOwn()
	theirs, err := validated(slices.Concat(b.rootTypes(), b.order))
	if err != nil {
		t.Fatalf("gqlparser refuses it: %v", err)
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("gqlparser makes another schema of these types; ours:\n%s\ntheirs:\n%s", printSchema(ours), printSchema(theirs))
	}
}

// TestAssembleRandom does the same with schemas that nobody thought of.
func TestAssembleRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		var in schema.Input
		common := randomMessages(r, "common", 3, nil)
		for b := range 2 {
			own := randomMessages(r, fmt.Sprint("b", b), 5, []string{"common.M0", "common.M1", "common.E"})
			if r.IntN(3) == 0 {
				common = randomMessages(r, "common", 3, nil) // the backends do not agree
			}
			in.Backends = append(in.Backends, schema.BackendFiles{
				Name: fmt.Sprint("b", b), Files: rpctest.Files(t, map[string]string{"common.proto": common, "own.proto": own}),
			})
		}
		snap, _ := schema.Compile(in)
		compareAssembled(t, snap, Options{JoinsAIP: r.IntN(2) == 0, Relay: r.IntN(2) == 0, Federation: r.IntN(2) == 0})
	}
}

// randomMessages writes a file with messages, an enum and, where others are imported, a service.
func randomMessages(r *rand.Rand, pkg string, messages int, imported []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "edition = \"2023\";\npackage %s;\nimport \"google/api/field_behavior.proto\"; import \"google/api/resource.proto\"; import \"google/protobuf/any.proto\"; import \"google/protobuf/wrappers.proto\";\n", pkg)
	kinds := slices.Concat([]string{"string", "int32", "uint64", "bytes", "double", "bool", "E", "google.protobuf.Any", "google.protobuf.Int32Value"}, imported)
	for m := range messages {
		kinds = append(kinds, fmt.Sprint("M", m))
	}
	if imported != nil {
		b.WriteString("import \"common.proto\";\nservice S" + pkg + " {\n")
		for m := range messages {
			streams := []string{"", "", "stream "}
			fmt.Fprintf(&b, "  rpc %s%d(%sM%d) returns (%sM%d);\n", []string{"Get", "Update", "List"}[r.IntN(3)], m,
				streams[r.IntN(3)], r.IntN(messages), streams[r.IntN(3)], r.IntN(messages))
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "enum E { E_ZERO = 0; E_%d = %d; true = 9; }\n", r.IntN(9), 1+r.IntN(5))
	for m := range messages {
		fmt.Fprintf(&b, "message M%d {\n  option (google.api.resource) = {type: \"x.example/M%d\" pattern: \"m%d/{m}\"};\n  string name = 1;\n", m, m, m)
		randomMembers(&b, r, kinds)
		b.WriteString("}\n")
	}
	return b.String()
}

func randomMembers(b *strings.Builder, r *rand.Rand, kinds []string) {
	kind := func() string { return kinds[r.IntN(len(kinds))] }
	number := 2
	for range r.IntN(6) {
		option := []string{"", "", "(google.api.field_behavior) = REQUIRED", "(google.api.field_behavior) = OUTPUT_ONLY", "deprecated = true",
			"features.field_presence = IMPLICIT"}[r.IntN(6)]
		typ := kind()
		if strings.HasPrefix(option, "features") {
			typ = "string"
		}
		if option != "" {
			option = " [" + option + "]"
		}
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(b, "  repeated %s f%d = %d;\n", typ, number, number)
		case 1:
			fmt.Fprintf(b, "  map<string, %s> f%d = %d;\n", typ, number, number)
		default:
			fmt.Fprintf(b, "  %s f%d = %d%s;\n", typ, number, number, option)
		}
		number++
	}
	if r.IntN(2) == 0 {
		fmt.Fprintf(b, "  oneof which { %s a = %d; %s b = %d; }\n", kind(), number, kind(), number+1)
	}
}

// TestAssembleRefuses gives both what does not hold together.
func TestAssembleRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a type twice":                        `type Query { a: Int } type Query { b: Int }`,
		"a name of introspection's":           `type Query { a: Int } type __A { b: Int }`,
		"a field of such a name":              `type Query { __a: Int }`,
		"a field twice":                       `type Query { a: Int b: Int a: Int }`,
		"a field of no type":                  `type Query { a: [Nothing!] }`,
		"a field of an input's type":          `type Query { a: In } input In { b: Int }`,
		"an argument twice":                   `type Query { a(b: Int, c: Int, b: Int): Int }`,
		"an argument of such a name":          `type Query { a(__b: Int): Int }`,
		"an argument of no type":              `type Query { a(b: Nothing): Int }`,
		"an argument of an output's type":     `type Query { a(b: Query): Int }`,
		"an input of an output's type":        `type Query { a(b: In): Int } input In { c: Query }`,
		"an input field twice":                `type Query { a(b: In): Int } input In { c: Int c: Int }`,
		"an input that must hold itself":      `type Query { a(b: In): Int } input In { c: Other! } input Other { d: In! }`,
		"an enum's value twice":               `type Query { a: E } enum E { A B A }`,
		"a value that GraphQL reserves":       `type Query { a: E } enum E { A null }`,
		"a value of such a name":              `type Query { a: E } enum E { __A }`,
		"a union of no type":                  `type Query { a: U } union U = Query | Nothing`,
		"a union of a leaf":                   `type Query { a: U } union U = Query | Int`,
		"a union of one type twice":           `type Query { a: U } union U = Query | Query`,
		"an interface that is none":           `type Query implements A { a: Int } type A { a: Int }`,
		"an interface that is not there":      `type Query implements A { a: Int }`,
		"an interface twice":                  `type Query implements A & A { a: Int } interface A { a: Int }`,
		"a field of an interface that lacks":  `type Query implements A { a: Int } interface A { b: Int }`,
		"a field of an interface that is not": `type Query implements A { a: Int } interface A { a: String }`,
		"a directive that is not there":       `type Query { a: Int @nothing }`,
		"a directive twice":                   `type Query { a: Int @deprecated @deprecated }`,
		"a directive elsewhere":               `type Query @deprecated { a: Int }`,
		"a directive of an enum's value":      `type Query { a: E } enum E { A @oneOf }`,
		"a directive of an argument":          `type Query { a(b: Int @oneOf): Int }`,
		"a directive of an input":             `type Query { a(b: In): Int } input In { c: Int @oneOf }`,
		"an argument that a directive lacks":  `type Query { a: S } scalar S @specifiedBy`,
		"one that it does not have":           `type Query { a: Int @deprecated(why: "so") }`,
		"a root of another kind":              `enum Query { A }`,
		"a mutation of another kind":          `type Query { a: Int } scalar Mutation`,
	} {
		t.Run(name, func(t *testing.T) {
			types := func() []*ast.Definition {
				doc, err := parser.ParseSchema(&ast.Source{Input: text})
				if err != nil {
					t.Fatal(err)
				}
				return doc.Definitions
			}
			if _, err := validated(types()); err == nil {
				t.Error("gqlparser takes it")
			}
			if _, err := assemble(nil, types()); err == nil {
				t.Error("it is taken")
			}
		})
	}
	for name, def := range map[string]*ast.Definition{
		"an object without fields": {Kind: ast.Object, Name: "A"},
		"an input without fields":  {Kind: ast.InputObject, Name: "A"},
		"an enum without values":   {Kind: ast.Enum, Name: "A"},
		"a union without members":  {Kind: ast.Union, Name: "A"},
	} {
		query := &ast.Definition{Kind: ast.Object, Name: "Query", Fields: ast.FieldList{placeholderField()}}
		if _, err := assemble(nil, []*ast.Definition{query, def}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := assemble(nil, nil); err == nil {
		t.Error("a schema without Query is taken")
	}
}
