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
// The specification compares each pair of fields. Among fields of one object type, being mergeable is an
// equivalence: it is enough to compare each field with the first of its key, and to go on with what all
// of them select together. A field of an abstract type may be of any object, so it must agree with all of
// its key; such fields are leaves here, and lead no further. Fields of different objects never meet in a
// response and need only have the same shape, which is a walk of its own. Each selection is
// looked at twice for each place where it is written out, which [guard] bounds.
func overlaps(doc *ast.QueryDocument) *gqlerror.Error {
	for _, op := range doc.Operations {
		sets := []ast.SelectionSet{op.SelectionSet}
		if err := overlapsIn(sets); err != nil {
			return err
		}
		if err := shapesIn(sets); err != nil {
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
	for _, group := range collect(sets, "", nil) {
		for _, same := range group.byObject() {
			first := same.first()
			for _, f := range same.fields[1:] {
				if reason := conflict(first, f); reason != "" {
					return cannotMerge(f, reason)
				}
			}
			if inner := same.selections(); len(inner) > 0 {
				if err := overlapsIn(inner); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func cannotMerge(f *ast.Field, reason string) *gqlerror.Error {
	return gqlerror.ErrorPosf(f.Position,
		"Fields with the response key %q cannot be merged: %s. Give one of them an alias.", f.Alias, reason)
}

// byObject parts the fields of a group by their object types. Fields of abstract types stand
// at the end of each part, and alone where there are no others.
func (g *fieldGroup) byObject() []*fieldGroup {
	first := g.first().ObjectDefinition
	if !slices.ContainsFunc(g.fields, func(f *ast.Field) bool { return f.ObjectDefinition != first }) {
		return []*fieldGroup{g}
	}
	var parts []*fieldGroup
	var abstract []*ast.Field
	byType := make(map[*ast.Definition]*fieldGroup)
	for _, f := range g.fields {
		object := f.ObjectDefinition
		if object.IsAbstractType() {
			abstract = append(abstract, f)
			continue
		}
		if byType[object] == nil {
			byType[object] = &fieldGroup{key: g.key}
			parts = append(parts, byType[object])
		}
		byType[object].fields = append(byType[object].fields, f)
	}
	if len(parts) == 0 {
		return []*fieldGroup{{key: g.key, fields: abstract}}
	}
	for _, p := range parts {
		p.fields = append(p.fields, abstract...)
	}
	return parts
}

// shapesIn checks that fields of one key have values of one shape, whatever objects they are of.
func shapesIn(sets []ast.SelectionSet) *gqlerror.Error {
	for _, group := range collect(sets, "", nil) {
		first := group.first()
		for _, f := range group.fields[1:] {
			if f.Definition != first.Definition && !sameShape(f, first) {
				return cannotMerge(f, "their values are of different types")
			}
		}
		if inner := group.selections(); len(inner) > 0 {
			if err := shapesIn(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameShape reports whether the values of two fields are alike: leaves of one type, or objects, in the same lists.
func sameShape(a, b *ast.Field) bool {
	x, y := a.Definition.Type, b.Definition.Type
	for ; x.Elem != nil && y.Elem != nil; x, y = x.Elem, y.Elem {
		if x.NonNull != y.NonNull {
			return false
		}
	}
	if x.NonNull != y.NonNull || (x.Elem == nil) != (y.Elem == nil) {
		return false
	}
	objects := len(a.SelectionSet) > 0
	return objects == (len(b.SelectionSet) > 0) && (objects || x.NamedType == y.NamedType)
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
