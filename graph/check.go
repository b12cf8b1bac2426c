package graph

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Check returns why a document cannot run, or nil: it is parsed, bounded and validated as
// one that a client sends. Its operations are not planned.
func (g *Graph) Check(document string) error {
	if _, errs := g.executor.parse(document); len(errs) > 0 {
		return worded(errs[0])
	}
	return nil
}

// Coordinates returns what of the graph a document uses, sorted: types such as `Book`, fields
// such as `Book.title`, arguments such as `Query.book(id:)`. It returns nothing where the document
// cannot run.
func (g *Graph) Coordinates(document string) []string {
	doc, errs := g.executor.parse(document)
	if len(errs) > 0 {
		return nil
	}
	used := make(map[string]bool)
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			used[v.Type.Name()] = true
		}
		addCoordinates(used, op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		addCoordinates(used, f.SelectionSet)
	}
	return slices.Sorted(maps.Keys(used))
}

// addCoordinates notes what selections use. What a fragment selects is noted where the
// fragment is defined.
func addCoordinates(used map[string]bool, set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			addField(used, s)
			addCoordinates(used, s.SelectionSet)
		case *ast.InlineFragment:
			addCoordinates(used, s.SelectionSet)
		}
	}
}

func addField(used map[string]bool, f *ast.Field) {
	if f.ObjectDefinition == nil || f.Definition == nil {
		return
	}
	name := f.ObjectDefinition.Name + "." + f.Name
	used[f.ObjectDefinition.Name] = true
	used[name] = true
	used[f.Definition.Type.Name()] = true
	for _, a := range f.Arguments {
		used[name+"("+a.Name+":)"] = true
		if def := f.Definition.Arguments.ForName(a.Name); def != nil {
			used[def.Type.Name()] = true
		}
	}
}
