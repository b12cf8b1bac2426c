package graph

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

const overlapUnionProto = `
syntax = "proto3";
package o.v1;
import "protean/options/v1/options.proto";
service O { rpc GetA(A) returns (A); }
message A {
  option (protean.options.v1.message).unions = "u";
  int32 x = 1; string y = 2; A a = 3; repeated B b = 4;
  oneof u { C ua = 5; B ub = 6; }
}
message B { int32 x = 1; int32 y = 2; A a = 3; B b = 4; optional int32 z = 5; }
message C { string x = 1; string y = 2; A a = 3; repeated B b = 4; int32 z = 5; }
`

// unionFields are the fields of that schema's types, with the types to which they lead.
var unionFields = map[string][]struct{ name, leads string }{
	"A":       {{"x", ""}, {"y", ""}, {"__typename", ""}, {"a", "A"}, {"b", "B"}, {"u", "AUUnion"}, {"u", "AUUnion"}},
	"B":       {{"x", ""}, {"y", ""}, {"z", ""}, {"a", "A"}, {"b", "B"}},
	"C":       {{"x", ""}, {"y", ""}, {"z", ""}, {"a", "A"}, {"b", "B"}},
	"AUUnion": {{"__typename", ""}},
}

// FuzzOverlapsOfUnions compares our rule with gqlparser's where fields of different objects meet.
func FuzzOverlapsOfUnions(f *testing.F) {
	snap := rpctest.Compile(f, map[string]string{"o.proto": overlapUnionProto})
	g, problems := New(snap, nil, Options{})
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	for seed := range uint64(300) {
		f.Add(seed, uint64(5))
	}
	list := rulesOf(true)
	f.Fuzz(func(t *testing.T, a, b uint64) {
		var text strings.Builder
		text.WriteString("{ getA ")
		randomUnionSet(rand.New(rand.NewPCG(a, b)), &text, "A", 4)
		text.WriteString("}")
		doc, err := parser.ParseQuery(&ast.Source{Input: text.String()})
		if err != nil {
			t.Fatalf("%v\n%s", err, text.String())
		}
		if errs := validate(g.schema, doc, list); len(errs) > 0 {
			t.Fatalf("%v\n%s", errs, text.String())
		}
		want := len(validate(g.schema, doc, []core.Rule{rules.OverlappingFieldsCanBeMergedRule})) > 0
		if got := overlaps(doc); (got != nil) != want {
			t.Errorf("conflict %v, want %v:\n%s", got, want, text.String())
		}
	})
}

// randomUnionSet writes a selection set for a type. Aliases are few, so that they meet.
func randomUnionSet(r *rand.Rand, b *strings.Builder, typeName string, depth int) {
	b.WriteString("{ ")
	if typeName == "AUUnion" {
		for _, member := range []string{"B", "C", "B"}[r.IntN(2):] {
			b.WriteString("... on " + member + " ")
			randomUnionSet(r, b, member, depth-1)
		}
	}
	fields := unionFields[typeName]
	for range 1 + r.IntN(2) {
		f := fields[r.IntN(len(fields))]
		if f.leads != "" && depth <= 0 {
			f = fields[0]
		}
		if r.IntN(5) == 0 {
			b.WriteString([]string{"x: ", "k: "}[r.IntN(2)])
		}
		b.WriteString(f.name + " ")
		if f.leads != "" {
			randomUnionSet(r, b, f.leads, depth-1)
		}
	}
	b.WriteString("} ")
}
