package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestExplain compares what is said of the operations of each archive.
func TestExplain(t *testing.T) {
	eachCase(t, "explain", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		snap, _ := compileArchive(t, a)
		g, _ := New(snap, nil, optionsOf(t, a))
		for _, f := range slices.Clone(a.Files) {
			if name, ok := strings.CutSuffix(f.Name, ".graphql"); ok {
				setFile(a, name+".out", explain(g, string(f.Data)))
			}
		}
		return a
	})
}

func explain(g *Graph, query string) string {
	e, err := g.Explain(query, "")
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d calls of %d, %d at once\n", e.Operation, e.Calls, e.MaxCalls, e.MaxParallel)
	for _, s := range e.Steps {
		fmt.Fprintf(&b, "%d %s: %s (%s)", s.Wave, strings.Join(s.Paths, ", "), s.Method.FullName(), s.Origin)
		if s.Keys > 0 {
			fmt.Fprintf(&b, " %d of %q to %q, result %q by %q", s.Keys, s.Key, s.Argument, s.Result, s.ResultKey)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
