package graph

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

// describedObject is a selection on an object type of introspection, or on _Service. Fields with one response key are
// merged when the operation is planned: to write an object costs what is written, however often the document selects it.
type describedObject struct {
	typeName string
	fields   []describedField
}

// describedField is a selected field.
type describedField struct {
	key        string // `{"key":` of the first field, `,"key":` of the others
	name       string
	deprecated *ast.Value       // the argument includeDeprecated
	object     *describedObject // nil for leaves
}

// described plans a selection on what is answered from the schema itself.
func (p *planner) described(group *fieldGroup) *describedObject {
	o := &describedObject{typeName: named(group.first().Definition.Type)}
	separator := "{"
	for _, inner := range collect(group.selections(), o.typeName, p.conditions) {
		f := describedField{key: separator + quoted(inner.key) + ":", name: inner.first().Name}
		if arg := inner.first().Arguments.ForName("includeDeprecated"); arg != nil {
			f.deprecated = arg.Value
		}
		if len(inner.first().SelectionSet) > 0 {
			f.object = p.described(inner)
		}
		o.fields = append(o.fields, f)
		separator = ","
	}
	return o
}

// shownSchema is a schema as introspection shows it, whole or narrowed.
type shownSchema struct {
	*ast.Schema
	types      func() []*ast.Definition // by name
	directives func() []*ast.DirectiveDefinition
}

func newShownSchema(s *ast.Schema) *shownSchema {
	return &shownSchema{
		Schema: s,
		types: sync.OnceValue(func() []*ast.Definition {
			return slices.SortedFunc(maps.Values(s.Types), func(a, b *ast.Definition) int { return cmp.Compare(a.Name, b.Name) })
		}),
		directives: sync.OnceValue(func() []*ast.DirectiveDefinition {
			return slices.SortedFunc(maps.Values(s.Directives), func(a, b *ast.DirectiveDefinition) int { return cmp.Compare(a.Name, b.Name) })
		}),
	}
}
