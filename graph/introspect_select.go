package graph

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

// describedObject is a selection on an object type of introspection, or on _Service. Fields with one response key are
// merged when the operation is planned: to write an object costs what is written, however often the document selects it.
type describedObject struct {
	typeName string
	constant string // the JSON of all objects, where they are alike
	fields   []describedField
}

// describedField is a selected field.
type describedField struct {
	key        string // `{"key":` of the first field, `,"key":` of the others
	kind       describedKind
	deprecated *ast.Value       // the argument includeDeprecated
	object     *describedObject // nil for leaves
}

// describedKind is a field of introspection.
type describedKind uint8

// The fields of all types of introspection, and `sdl` of _Service.
const (
	describeSDL describedKind = iota
	describeTypename
	describeDescription
	describeTypes
	describeQueryType
	describeMutationType
	describeSubscriptionType
	describeDirectives
	describeKind
	describeName
	describeFields
	describeInterfaces
	describePossibleTypes
	describeEnumValues
	describeInputFields
	describeIsOneOf
	describeSpecifiedByURL
	describeOfType
	describeArgs
	describeType
	describeDefaultValue
	describeIsDeprecated
	describeDeprecationReason
	describeIsRepeatable
	describeLocations
)

var describedKinds = map[string]describedKind{
	"__typename":        describeTypename,
	"description":       describeDescription,
	"types":             describeTypes,
	"queryType":         describeQueryType,
	"mutationType":      describeMutationType,
	"subscriptionType":  describeSubscriptionType,
	"directives":        describeDirectives,
	"kind":              describeKind,
	"name":              describeName,
	"fields":            describeFields,
	"interfaces":        describeInterfaces,
	"possibleTypes":     describePossibleTypes,
	"enumValues":        describeEnumValues,
	"inputFields":       describeInputFields,
	"isOneOf":           describeIsOneOf,
	"specifiedByURL":    describeSpecifiedByURL,
	"ofType":            describeOfType,
	"args":              describeArgs,
	"type":              describeType,
	"defaultValue":      describeDefaultValue,
	"isDeprecated":      describeIsDeprecated,
	"deprecationReason": describeDeprecationReason,
	"isRepeatable":      describeIsRepeatable,
	"locations":         describeLocations,
}

// described plans a selection on what is answered from the schema itself.
func (p *planner) described(group *fieldGroup) *describedObject {
	o := &describedObject{typeName: named(group.first().Definition.Type)}
	separator := "{"
	for _, inner := range collect(group.selections(), o.typeName, p.conditions) {
		f := describedField{key: separator + quoted(inner.key) + ":", kind: describedKinds[inner.first().Name]}
		if arg := inner.first().Arguments.ForName("includeDeprecated"); arg != nil {
			f.deprecated = arg.Value
			p.varies = p.varies || arg.Value.Kind == ast.Variable
		}
		if len(inner.first().SelectionSet) > 0 {
			f.object = p.described(inner)
		}
		o.fields = append(o.fields, f)
		separator = ","
	}
	o.constant = o.constantJSON()
	return o
}

// constantJSON returns the JSON of all objects if nothing but type names is selected, else "".
func (o *describedObject) constantJSON() string {
	var b strings.Builder
	for _, f := range o.fields {
		if f.kind != describeTypename {
			return ""
		}
		b.WriteString(f.key)
		b.WriteString(quoted(o.typeName))
	}
	return cmp.Or(b.String(), "{") + "}"
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
