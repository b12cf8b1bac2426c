package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

const overlapProto = `
syntax = "proto3";
package o.v1;
service O { rpc GetA(A) returns (A); }
message A { int32 x = 1; string y = 2; A a = 3; repeated A list = 4; }
`

// FuzzOverlaps compares our rule with gqlparser's on small documents that are
// valid otherwise.
func FuzzOverlaps(f *testing.F) {
	snap := rpctest.Compile(f, map[string]string{"o.proto": overlapProto})
	g, _ := New(snap, nil, Options{})
	list := rulesOf(true)
	for seed := range uint64(200) {
		f.Add(seed, uint64(3))
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		query := randomDocument(rand.New(rand.NewPCG(a, b)))
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		if err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		if errs := validate(g.schema, doc, list); len(errs) > 0 {
			t.Fatalf("%v\n%s", errs, query)
		}
		want := len(validate(g.schema, doc, []core.Rule{rules.OverlappingFieldsCanBeMergedRule})) > 0
		if got := overlaps(doc); (got != nil) != want {
			t.Errorf("conflict %v, want %v:\n%s", got, want, query)
		}
	})
}

// randomDocument writes a document with fragments that may spread each other downwards.
func randomDocument(r *rand.Rand) string {
	var b strings.Builder
	fragments := r.IntN(4)
	b.WriteString("query($v: Int, $w: Int) { root: getA(x: $v) ")
	randomSet(r, &b, 3, 0, fragments)
	b.WriteString(" keep: getA(x: $w) { x } ")
	for i := range fragments {
		fmt.Fprintf(&b, "use%d: getA { ...F%d } ", i, i)
	}
	b.WriteString("}\n")
	for i := range fragments {
		fmt.Fprintf(&b, "fragment F%d on A ", i)
		randomSet(r, &b, 2, i+1, fragments)
		b.WriteString("\n")
	}
	return b.String()
}

func randomSet(r *rand.Rand, b *strings.Builder, depth, from, to int) {
	b.WriteString("{ x ")
	for range 1 + r.IntN(4) {
		switch kind := r.IntN(6); {
		case kind == 0 && from < to:
			fmt.Fprintf(b, "...F%d ", from+r.IntN(to-from))
		case kind == 1 && depth > 0:
			b.WriteString("... on A ")
			randomSet(r, b, depth-1, from, to)
		case kind <= 3 && depth > 0:
			b.WriteString([]string{"a ", "list ", "a: list ", "b: a ", "list: a "}[r.IntN(5)])
			randomSet(r, b, depth-1, from, to)
		default:
			b.WriteString([]string{"x ", "y ", "x: y ", "z: x ", "z: y ", "z: __typename "}[r.IntN(6)])
		}
	}
	b.WriteString("} ")
}

// TestOverlappingArguments has what the fuzz target's schema has no room for.
func TestOverlappingArguments(t *testing.T) {
	g, _ := inputGraph(t)
	for _, c := range []struct {
		first, second string
		conflict      bool
	}{
		{`int: 1, text: "x"`, `text: "x", int: 1`, false},
		{`int: 1`, `int: 2`, true},
		{`int: 1`, ``, true},
		{`inner: {n: 1, list: []}`, `inner: {list: [], n: 1}`, false},
		{`inner: {n: 1}`, `inner: {n: 2}`, true},
		{`ints: [1, 2]`, `ints: [2, 1]`, true},
		{`text: "RED"`, `colour: RED`, true},
		{`int: $v`, `int: $v`, false},
		{`int: $v`, `int: $w`, true},
	} {
		if c.second != "" {
			c.second = "(" + c.second + ")"
		}
		query := `query($v: Int, $w: Int) { getIt(` + c.first + `) { int } getIt` + c.second + ` { int } k: getIt(int: $v, long: 1) { int } l: getIt(int: $w) { int } }`
		_, errs := g.executor.parse(query)
		if (len(errs) > 0) != c.conflict {
			t.Errorf("%s and %s: %v", c.first, c.second, errs)
		}
	}
}
