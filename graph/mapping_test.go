package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/tools/txtar"
)

// TestMapping checks the schema and the problems that .proto files make, and that
// the schema can be read back.
func TestMapping(t *testing.T) {
	eachCase(t, "mapping", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		snap, problems := compileArchive(t, a)
		g, more := New(snap, nil, optionsOf(t, a))
		read, err := gqlparser.LoadSchema(&ast.Source{Input: g.SDL()})
		if err != nil {
			t.Fatalf("the SDL is invalid: %v", err)
		}
		for name, def := range g.schema.Types {
			if read.Types[name] == nil || read.Types[name].Description != def.Description {
				t.Errorf("%s is described by %q, and was by %q", name, read.Types[name].Description, def.Description)
			}
		}
		if printSchema(read) != g.SDL() {
			t.Error("the SDL changes when it is read and written again")
		}
		again, _ := New(snap, nil, optionsOf(t, a))
		if g.SDL() != again.SDL() {
			t.Error("the SDL differs from one time to the next")
		}
		setFile(a, "schema.graphql", g.SDL())
		if sdl := g.SubgraphSDL(); sdl != "" {
			setFile(a, "subgraph.graphql", sdl)
			if sdl != again.SubgraphSDL() {
				t.Error("the SDL of the subgraph differs from one time to the next")
			}
		}
		var text strings.Builder
		for _, p := range append(problems, more...) {
			fmt.Fprintf(&text, "%s %s: %s %s: %s\n", p.Severity, p.Backend, p.Position, p.Element, p.Message)
		}
		if text.Len() > 0 || file(a, "problems.txt") != "" {
			setFile(a, "problems.txt", text.String())
		}
		return a
	})
}
