package graph

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// TypeShape is what clients can see of one type in the graph, in plain words.
type TypeShape struct {
	Name string
	// Kind is SCALAR, OBJECT, INTERFACE, UNION, ENUM or INPUT_OBJECT, as in introspection.
	Kind string
	// Fields of an object, interface or input object, in their order.
	Fields []FieldShape
	// Values of an enum.
	Values []string
	// Members of a union.
	Members []string
	// Interfaces that the type implements.
	Interfaces []string
	// Keys by which a supergraph fetches objects of the type, such as `sku variation { id }`.
	Keys []string
}

// FieldShape is a field of a type, or of an input object.
type FieldShape struct {
	Name string
	// Type in the schema language, such as `[Book!]!`.
	Type      string
	Arguments []ArgumentShape
}

// ArgumentShape is an argument of a field.
type ArgumentShape struct{ Name, Type string }

// Shape returns the types of the graph in the order of their names, less those that every
// graph has. Two graphs with equal shapes answer the same documents.
func (g *Graph) Shape() []TypeShape { return g.shapesBeside(&Graph{schema: new(ast.Schema)}) }

// Differing returns the shapes of the types of each graph that are not the very same in both, and of their fields those
// that are not. Graphs of snapshots that one compiler made share what belongs to backends that did not change. What
// it leaves out has no differences.
func Differing(old, updated *Graph) (was, is []TypeShape) {
	return old.shapesBeside(updated), updated.shapesBeside(old)
}

func (g *Graph) shapesBeside(other *Graph) (shapes []TypeShape) {
	var names []string
	for name, def := range g.schema.Types {
		if !def.BuiltIn && def != other.schema.Types[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		beside := *g.schema.Types[name]
		beside.Fields = fieldsBeside(&beside, other.schema.Types[name])
		shape := shapeOf(&beside)
		if g.options.Federation {
			for _, e := range g.entities[name] {
				shape.Keys = append(shape.Keys, e.fields)
			}
		}
		shapes = append(shapes, shape)
	}
	return shapes
}

// fieldsBeside returns the fields of a type that its twin does not share.
func fieldsBeside(def, twin *ast.Definition) ast.FieldList {
	if twin == nil {
		return def.Fields
	}
	shared := make(map[*ast.FieldDefinition]bool, len(twin.Fields))
	for _, f := range twin.Fields {
		shared[f] = true
	}
	return slices.DeleteFunc(slices.Clone(def.Fields), func(f *ast.FieldDefinition) bool { return shared[f] })
}

func shapeOf(def *ast.Definition) TypeShape {
	shape := TypeShape{
		Name:       def.Name,
		Kind:       string(def.Kind),
		Members:    slices.Clone(def.Types),
		Interfaces: slices.Clone(def.Interfaces),
	}
	for _, f := range def.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		field := FieldShape{Name: f.Name, Type: f.Type.String()}
		for _, a := range f.Arguments {
			field.Arguments = append(field.Arguments, ArgumentShape{a.Name, a.Type.String()})
		}
		shape.Fields = append(shape.Fields, field)
	}
	for _, v := range def.EnumValues {
		shape.Values = append(shape.Values, v.Name)
	}
	return shape
}
