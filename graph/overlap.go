package graph

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// overlaps checks that fields with the same response key can be merged
// (GraphQL September 2025, 5.3.2). The document must have passed all other rules.
//
// The specification compares each pair of fields. The graph has neither interfaces nor unions, so
// all fields of a merged selection set are of one object type, and being mergeable is
// an equivalence: it is enough to compare each field with the first of its
// key, and to go on with what all of them select together. Each selection is
// looked at once for each place where it is written out, which [guard] bounds.
func overlaps(doc *ast.QueryDocument) *gqlerror.Error {
	for _, op := range doc.Operations {
		if err := overlapsIn([]ast.SelectionSet{op.SelectionSet}); err != nil {
			return err
		}
	}
	return nil
}

// fieldGroup is the fields with one response key in a merged selection set.
type fieldGroup struct {
	key    string
	fields []*ast.Field
}

func (g *fieldGroup) first() *ast.Field { return g.fields[0] }

// selections returns what the fields of the group select together.
func (g *fieldGroup) selections() []ast.SelectionSet {
	sets := make([]ast.SelectionSet, 0, len(g.fields))
	for _, f := range g.fields {
		if len(f.SelectionSet) > 0 {
			sets = append(sets, f.SelectionSet)
		}
	}
	return sets
}

func overlapsIn(sets []ast.SelectionSet) *gqlerror.Error {
	for _, group := range collect(sets, nil) {
		first := group.first()
		for _, f := range group.fields[1:] {
			if reason := conflict(first, f); reason != "" {
				return gqlerror.ErrorPosf(f.Position,
					"Fields with the response key %q cannot be merged: %s. Give one of them an alias.",
					group.key, reason)
			}
		}
		if inner := group.selections(); len(inner) > 0 {
			if err := overlapsIn(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// conflict says why two fields of the same type cannot be one; empty: they can.
func conflict(a, b *ast.Field) string {
	switch {
	case a.Name != b.Name:
		return quoted(a.Name) + " and " + quoted(b.Name) + " are different fields"
	case !sameArguments(a.Arguments, b.Arguments):
		return "they have differing arguments"
	default:
		return ""
	}
}

func quoted(s string) string { return `"` + s + `"` }

// sameArguments compares arguments whatever their order. Both lists have unique names.
func sameArguments(a, b ast.ArgumentList) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = sortedArguments(a), sortedArguments(b)
	for i := range a {
		if a[i].Name != b[i].Name || !sameValue(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

func sortedArguments(list ast.ArgumentList) ast.ArgumentList {
	byName := func(a, b *ast.Argument) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(list, byName) {
		return list
	}
	list = slices.Clone(list)
	slices.SortFunc(list, byName)
	return list
}

// sameValue compares literals and variables by what is written, and the fields of objects whatever their order.
func sameValue(a, b *ast.Value) bool {
	if a.Kind != b.Kind || a.Raw != b.Raw || len(a.Children) != len(b.Children) {
		return false
	}
	left, right := a.Children, b.Children
	if a.Kind == ast.ObjectValue {
		left, right = sortedChildren(left), sortedChildren(right)
	}
	for i := range left {
		if left[i].Name != right[i].Name || !sameValue(left[i].Value, right[i].Value) {
			return false
		}
	}
	return true
}

func sortedChildren(list ast.ChildValueList) ast.ChildValueList {
	byName := func(a, b *ast.ChildValue) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(list, byName) {
		return list
	}
	list = slices.Clone(list)
	slices.SortFunc(list, byName)
	return list
}
